// NumPy's files: what NumPy wrote is read, what is written comes back, what is damaged is refused.
#include "datasets/npy.h"

#include "tests/check.h"
#include "tests/datasets/files_for_tests.h"

using namespace minima;
using namespace minima::datasets;
using Folder = test::TemporaryFolder;

namespace {

/// A .npy file with this header and these data, as NumPy lays it out.
std::string npy(const std::string& header, const std::string& data) {
  std::string out("\x93NUMPY\x01\x00", 8);
  out += static_cast<char>(header.size() & 255), out += static_cast<char>(header.size() >> 8);
  return out + header + data;
}

Tensor parse(const std::string& bytes) {
  return parse_npy({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, "it.npy");
}

}  // namespace

TEST_CASE("an array as NumPy writes it is read, in C and in Fortran order") {
  const std::string data("\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05\0\0\0\x06\0\0\0", 24);
  const Tensor c = parse(npy("{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }   \n", data));
  CHECK(c.shape() == Shape{2, 3});
  CHECK(c.to_vector<double>() == std::vector<double>{1, 2, 3, 4, 5, 6});
  const Tensor f = parse(npy("{'descr': '<i4', 'fortran_order': True, 'shape': (2, 3), }\n", data));
  CHECK(f.shape() == Shape{2, 3});
  CHECK(f.to_vector<double>() == std::vector<double>{1, 3, 5, 2, 4, 6});
  CHECK(parse(npy("{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }\n", std::string("\1\0", 2))).dtype() ==
        DType::uint8);
  CHECK(parse(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (), }\n", std::string(8, '\0'))).shape() ==
        Shape{});
  CHECK(parse(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (0, 3), }\n", "")).numel() == 0);
}

TEST_CASE("arrays of every type come back from .npy and .npz bit for bit") {
  Folder folder;
  Generator random{.seed = 3};
  const Arrays arrays{{"x", random.normal({3, 4, 5}, 0, 1)}, {"d", random.normal({7}, 0, 1, DType::float64)},
                      {"scalar", Tensor::full({}, 2.5)},     {"y", Tensor::from<int64_t>({1, -2, int64_t{1} << 40})},
                      {"i", Tensor::from<int32_t>({1, -2})}, {"pixels", Tensor::from<uint8_t>({0, 255})},
                      {"none", Tensor::zeros({0, 2})}};
  for (const auto& [name, tensor] : arrays) {
    save_npy(tensor, folder.file("a.npy"));
    CHECK_SAME_BITS(load_npy(folder.file("a.npy")), tensor);
  }
  save_npz(arrays, folder.file("a.npz"));
  const Arrays read = load_npz(folder.file("a.npz"));
  CHECK(read.size() == arrays.size());
  for (const auto& [name, tensor] : arrays) CHECK_SAME_BITS(read.at(name), tensor);
  save_npz({}, folder.file("empty.npz"));
  CHECK(load_npz(folder.file("empty.npz")).empty());
}

TEST_CASE("a .npy file of another kind or that is damaged is refused with the reason") {
  const auto refused = [](const std::string& header, const std::string& part) {
    const std::string message = test::error_of([&] { parse(npy(header, "1234")); });
    CHECK_MESSAGE(test::contains(message, part), message);
  };
  CHECK_ERROR(parse("PK"), "[it.npy] got a file that does not begin with NUMPY's mark");
  refused("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", "elements of type >f4");
  refused("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "elements of type |O");
  refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "got 4 bytes of data, expected 8");
  refused("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", "the shape (-2,)");
  refused("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 9), }", "whose product fits");
  refused("{'descr': '<f4', 'shape': (2,), }", "a header without 'fortran_order'");
  CHECK_ERROR(parse(std::string("\x93NUMPY\x01\x00\xff\xff{}", 12)), "a header of 65535 bytes");
}

TEST_CASE("damaged .npy and .npz files are read or refused and do no other harm") {
  Folder folder;
  const Arrays arrays{{"x", Tensor::zeros({3, 2})}, {"y", Tensor::from<int64_t>({1, 2})}};
  save_npz(arrays, folder.file("a.npz"));
  const std::string whole = test::read_bytes(folder.file("a.npz"));
  CHECK(test::accepted_damage(whole, 3000, std::string("\0\xff\x01PK", 5),
                              [&](const std::string& bytes) { load_npz(folder.write("b.npz", bytes)); }) > 0);
  save_npy(arrays.at("x"), folder.file("a.npy"));
  CHECK(test::accepted_damage(test::read_bytes(folder.file("a.npy")), 3000, "0123456789(,)'", parse) > 0);
}
