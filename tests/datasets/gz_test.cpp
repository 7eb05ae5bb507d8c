// gz files: unpacked, and refused where they are damaged; every loader of files takes them.
#include <zlib.h>

#include "core/random.h"
#include "datasets/files.h"
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
  CHECK_SAME_BITS(mnist({.directory = folder.file("packed")}).train.all().x,
                  mnist({.directory = folder.file("plain")}).train.all().x);
}
