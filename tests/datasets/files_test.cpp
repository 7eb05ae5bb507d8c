// Reading whole files, and SHA-256. gz files: gz_test.cpp.
#include "datasets/files.h"

#include "core/random.h"
#include "tests/check.h"
#include "tests/datasets/files_for_tests.h"

using namespace minima;
using namespace minima::datasets;
using Folder = test::TemporaryFolder;

namespace {

std::string content(const std::string& path, size_t limit = 1 << 20) {
  const auto bytes = datasets::detail::read_file(path, limit);
  return {bytes.begin(), bytes.end()};
}

std::string sha256(const std::string& bytes) {
  return datasets::detail::sha256(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

}  // namespace

TEST_CASE("a file is read byte for byte up to the limit, whatever its size") {
  Folder folder;
  for (const size_t size : {0, 1, 2, 17, 1000, 100000}) {
    std::string bytes;
    for (size_t i = 0; i < size; ++i) bytes += static_cast<char>(i * i % 251);
    CHECK(content(folder.write("plain", bytes)) == bytes);
  }
  CHECK_ERROR(content(folder.write("plain", "12345"), 4), "more than 4 bytes");
  CHECK(content(folder.write("plain", "1234"), 4) == "1234");
}

TEST_CASE("what is no file is refused with the system's reason") {
  Folder folder;
  CHECK_ERROR(content(folder.file("none")), "No such file or directory");
  CHECK_ERROR(content(folder.path.string()), "a directory");
  CHECK_ERROR(content("/dev/zero"), "a device or pipe");
}

TEST_CASE("SHA-256 gives the standard's values, and every length of padding its own") {
  CHECK(sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256(std::string(1'000'000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("files are found under the names that archivers leave: with a dot, and in a folder of their own name") {
  Folder folder;
  folder.write("mnist/train-images.idx3-ubyte", "1");
  folder.write("mnist/train-labels-idx1-ubyte/train-labels-idx1-ubyte", "2");
  folder.write("mnist/t10k-images.idx3-ubyte/t10k-images.idx3-ubyte", "3");
  folder.write("mnist/t10k-labels-idx1-ubyte.gz", "4");
  const auto found = datasets::detail::find_files(
      "it", folder.path.string(), {"mnist"},
      {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}, "");
  for (size_t i = 0; i < 4; ++i) CHECK(content(found[i]) == std::to_string(i + 1));
}
