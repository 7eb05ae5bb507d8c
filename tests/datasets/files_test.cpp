// Reading whole files. gz files: gz_test.cpp.
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
