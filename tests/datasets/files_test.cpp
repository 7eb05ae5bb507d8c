// Reading whole files, gz or not, and SHA-256.
#include "datasets/files.h"

#include <zlib.h>

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

TEST_CASE("a file is read the same whether it is gz or not, whatever its name") {
  Folder folder;
  for (const size_t size : {0, 1, 17, 18, 1000, 100000}) {
    std::string bytes;
    for (size_t i = 0; i < size; ++i) bytes += static_cast<char>(i * i % 251);
    CHECK(content(folder.write("plain", bytes)) == bytes);
    CHECK(content(folder.write("packed", test::gz(bytes))) == bytes);
  }
}

TEST_CASE("gz members written one after the other are read as one file") {
  Folder folder;
  CHECK(content(folder.write("two.gz", test::gz(std::string(5000, 'a')) + test::gz("b"))) ==
        std::string(5000, 'a') + "b");
}

TEST_CASE("a gz file that is cut at any length, or whose content is changed, is refused") {
  Folder folder;
  const std::string whole = test::gz("some text that is compressed, some text that is compressed");
  for (size_t size = 2; size < whole.size(); ++size) {
    CHECK_ERROR(content(folder.write("cut.gz", whole.substr(0, size))), "expected a whole gz file. It is truncated");
  }
  std::string changed = whole;
  changed[changed.size() - 6] ^= 1;  // the checksum
  CHECK_ERROR(content(folder.write("changed.gz", changed)), "truncated or damaged");
}

TEST_CASE("a gz file that would unpack beyond the limit is refused before it fills the memory") {
  Folder folder;
  const std::string bomb = test::gz(std::string(10'000'000, '\0'));
  CHECK(bomb.size() < 20'000);
  CHECK_ERROR(content(folder.write("bomb.gz", bomb), 1000), "more than 1000 bytes of content");
  CHECK_ERROR(content(folder.write("plain", "12345"), 4), "more than 4 bytes");
  CHECK(content(folder.write("plain", "1234"), 4) == "1234");
}

TEST_CASE("a gz file that lies about its size is read or refused by what it holds") {
  Folder folder;
  std::string packed = test::gz(std::string(3000, 'x'));
  packed.replace(packed.size() - 4, 4, "\xff\xff\xff\xff");
  CHECK_ERROR(content(folder.write("lies.gz", packed)), "truncated or damaged");
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
