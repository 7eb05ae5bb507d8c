// gz files: unpacked, and refused where they are damaged; every loader of files takes them.
#include <zlib.h>

#include "core/random.h"
#include "datasets/files.h"
#include "datasets/npy.h"
#include "datasets/sources.h"
#include "tests/check.h"
#include "tests/datasets/files_for_tests.h"

using namespace minima;
using namespace minima::datasets;
using Folder = test::TemporaryFolder;

namespace {

/// The bytes as one gz file.
std::string gz(const std::string& bytes) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, static_cast<uLong>(bytes.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string content(const std::string& path, size_t limit = 1 << 20) {
  const auto bytes = datasets::detail::read_file(path, limit);
  return {bytes.begin(), bytes.end()};
}

}  // namespace

TEST_CASE("a gz file is read as what was packed, whatever its name") {
  Folder folder;
  for (const size_t size : {0, 1, 17, 18, 1000, 100000}) {
    std::string bytes;
    for (size_t i = 0; i < size; ++i) bytes += static_cast<char>(i * i % 251);
    CHECK(content(folder.write("packed", gz(bytes))) == bytes);
  }
}

TEST_CASE("gz members written one after the other are read as one file") {
  Folder folder;
  CHECK(content(folder.write("two.gz", gz(std::string(5000, 'a')) + gz("b"))) == std::string(5000, 'a') + "b");
}

TEST_CASE("a gz file that is cut at any length, or whose content is changed, is refused") {
  Folder folder;
  const std::string whole = gz("some text that is compressed, some text that is compressed");
  for (size_t size = 2; size < whole.size(); ++size) {
    CHECK_ERROR(content(folder.write("cut.gz", whole.substr(0, size))), "expected a whole gz file. It is truncated");
  }
  std::string changed = whole;
  changed[changed.size() - 6] ^= 1;  // the checksum
  CHECK_ERROR(content(folder.write("changed.gz", changed)), "truncated or damaged");
}

TEST_CASE("a gz file that would unpack beyond the limit is refused before it fills the memory") {
  Folder folder;
  const std::string bomb = gz(std::string(10'000'000, '\0'));
  CHECK(bomb.size() < 20'000);
  CHECK_ERROR(content(folder.write("bomb.gz", bomb), 1000), "more than 1000 bytes of content");
}

TEST_CASE("a gz file that lies about its size is read or refused by what it holds") {
  Folder folder;
  std::string packed = gz(std::string(3000, 'x'));
  packed.replace(packed.size() - 4, 4, "\xff\xff\xff\xff");
  CHECK_ERROR(content(folder.write("lies.gz", packed)), "truncated or damaged");
}

TEST_CASE("a table and the MNIST family are read from gz files as from plain ones") {
  Folder folder;
  std::string table = "a,b\n";
  for (int i = 0; i < 20; ++i) table += text(3 * i, ",", i % 2, "\n");
  const LoadOptions options{.label = "b", .test_fraction = 0.5, .seed = 4};
  CHECK_SAME_BITS(load(folder.write("t.csv.gz", gz(table)), options).test.all().x,
                  load(folder.write("t.csv", table), options).test.all().x);

  const auto write = [&](const std::string& name, const std::string& bytes) {
    folder.write("plain/" + name, bytes);
    folder.write("packed/" + name + ".gz", gz(bytes));
  };
  for (const std::string part : {"train", "t10k"}) {
    write(part + "-images-idx3-ubyte", test::idx({3, 2, 3}, "abcdefghijklmnopqr"));
    write(part + "-labels-idx1-ubyte", test::idx({3}, std::string("\0\1\2", 3)));
  }
  CHECK_SAME_BITS(mnist(folder.file("packed")).train.all().x, mnist(folder.file("plain")).train.all().x);
}

TEST_CASE("arrays that NumPy packed (savez_compressed) are read, and a damaged archive is refused") {
  const std::string digits =
      "504b03042d000000080000002100318905acffffffffffffffff05001400782e6e707901001000a0"
      "000000000000005c000000000000009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a2"
      "aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a463a0a269a3a0ab5"
      "0a64032e0608b067606800e20340cce0c0c0a000c40e409ce00000504b03042d0000000800000021"
      "008cde33e0ffffffffffffffff05001400792e6e70790100100090000000000000004a0000000000"
      "00009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9369a1aea3a09e965f54529498179f5f"
      "94920a12774bcc294e058a17672416a402f91a463a9a3a0ab50a14002e6606086084d200504b0102"
      "2d032d000000080000002100318905ac5c000000a000000005000000000000000000000080010000"
      "0000782e6e7079504b01022d032d0000000800000021008cde33e04a000000900000000500000000"
      "00000000000000800193000000792e6e7079504b0506000000000200020066000000140100000000";
  std::string bytes;
  for (size_t i = 0; i < digits.size(); i += 2) bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  Folder folder;
  const Arrays arrays = load_npz(folder.write("a.npz", bytes));
  CHECK(arrays.size() == 2);
  CHECK(arrays.at("x").shape() == Shape{2, 4});
  CHECK(arrays.at("x").to_vector<double>() == std::vector<double>{0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5});
  CHECK(arrays.at("y").to_vector<double>() == std::vector<double>{3, 1});
  CHECK_ERROR(load_npz(folder.write("cut.npz", bytes.substr(0, bytes.size() - 30))), "without a zip archive's end");
  const auto attempt = [&](const std::string& damaged) { load_npz(folder.write("b.npz", damaged)); };
  test::accepted_damage(bytes, 2000, std::string("\0\xff\x01PK", 5), attempt);
}
