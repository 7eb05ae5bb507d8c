// safetensors: what is written can be read, by us and by others; what is damaged is refused, never trusted.
#include "core/safetensors.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>

#include "core/random.h"
#include "tests/check.h"
#include "tests/temporary_folder.h"

using namespace minima;
using test::read_bytes;
using Folder = test::TemporaryFolder;

namespace {

namespace fs = std::filesystem;

/// The bytes of a file with this header and this many bytes of data.
std::string file_of(const std::string& header, size_t data_size) {
  std::string out;
  for (size_t i = 0; i < 8; ++i) out.push_back(static_cast<char>(header.size() >> (8 * i) & 0xff));
  return out + header + std::string(data_size, '\1');
}

Archive parse(const std::string& bytes) { return parse_safetensors(bytes.data(), bytes.size(), "it.safetensors"); }

Archive sample() {
  Archive archive;
  archive.tensors["layer.weight"] = Tensor::from<float>({1.5f, -2, 3e-40f, INFINITY, 5, 6}, {2, 3});
  archive.tensors["scalar"] = Tensor::from<double>({0.1}, Shape{});
  archive.tensors["a"] = Tensor::from<uint8_t>({0, 127, 255});
  archive.tensors["empty"] = Tensor::empty({0, 4});
  archive.tensors["labels"] = Tensor::from<int64_t>({-1, int64_t{1} << 60});
  archive.tensors["indices"] = Tensor::from<int32_t>({-7});
  archive.metadata["epoch"] = "3";
  archive.metadata["note \"quoted\""] = "line\nbreak, \xc3\xa9";
  return archive;
}

void check_same(const Archive& got, const Archive& expected) {
  REQUIRE(got.tensors.size() == expected.tensors.size());
  for (const auto& [name, tensor] : expected.tensors) {
    INFO(name);
    CHECK(got.tensor(name).shape() == tensor.shape());
    CHECK_SAME_BITS(got.tensor(name), tensor);
  }
  CHECK(got.metadata == expected.metadata);
}

}  // namespace

TEST_CASE("an archive of every dtype comes back from a safetensors file bit for bit, with its metadata") {
  Folder folder;
  save_safetensors(sample(), folder.file("a.safetensors"));
  check_same(load_safetensors(folder.file("a.safetensors")), sample());
}

TEST_CASE("an empty archive can be saved and loaded") {
  Folder folder;
  save_safetensors({}, folder.file("e.safetensors"));
  check_same(load_safetensors(folder.file("e.safetensors")), {});
}

TEST_CASE("a safetensors header is padded to 8 bytes and every tensor lies at a multiple of its element size") {
  Folder folder;
  save_safetensors(sample(), folder.file("a.safetensors"));
  const std::string bytes = read_bytes(folder.file("a.safetensors"));
  uint64_t header_size = 0;
  std::memcpy(&header_size, bytes.data(), 8);
  CHECK(header_size % 8 == 0);
  // Three bytes of uint8 would misalign what follows them, so they come last.
  CHECK(bytes.substr(bytes.size() - 3) == std::string("\0\x7f\xff", 3));
  CHECK(bytes.size() == 8 + header_size + 6 * 4 + 8 + 3 + 0 + 16 + 4);
}

TEST_CASE("a file written by hand after the format's description is read, whatever the order of its entries") {
  const std::string header =
      R"({"b":{"shape":[2],"data_offsets":[4,6],"dtype":"U8"},"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}}   )";
  std::string bytes = file_of(header, 6);
  const float value = 2.5f;
  std::memcpy(&bytes[8 + header.size()], &value, 4);
  const Archive archive = parse(bytes);
  CHECK(archive.tensor("a").at(0) == 2.5);
  CHECK(archive.tensor("a").shape() == Shape{1, 1});
  CHECK_SAME_BITS(archive.tensor("b"), Tensor::from<uint8_t>({1, 1}));
  CHECK(archive.entry("k") == "v");
}

TEST_CASE("a damaged safetensors file is refused with the file, the offset, what was found and what was expected") {
  struct Case {
    std::string bytes;
    std::vector<std::string> parts;
  };
  const auto one = [](const std::string& entry, size_t size) { return file_of("{\"w\":" + entry + "}", size); };
  const std::vector<Case> cases = {
      {"", {"it.safetensors, byte 0", "0 bytes in the whole file", "8-byte header length", "truncated"}},
      {std::string("\xff\xff\xff\xff\xff\xff\xff\x7f", 8), {"9223372036854775807", "at most 100000000"}},
      {std::string("\x40\0\0\0\0\0\0\0{}", 10), {"a header length of 64", "at most the 2 bytes that follow"}},
      {file_of("", 0), {"an empty header"}},
      {file_of(" {}", 0), {"byte 8", "opens with '{'"}},
      {file_of("{\"w\":", 0), {"byte 13", "no value", "JSON in UTF-8"}},
      {file_of("{\"w\":1} x", 0), {"byte 16", "something after the end"}},
      {file_of("[1]", 0), {"got '['"}},
      {file_of("{\"w\":[[[[[1]]]]]}", 0), {"values nested too deep"}},
      {file_of("{\"w\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},"
               "\"w\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}",
               0),
       {"the key \"w\" twice"}},
      {one(R"({"dtype":"F32","dtype":"F64","shape":[0],"data_offsets":[0,0]})", 0), {"the key \"dtype\" twice"}},
      {one("3", 0), {"tensor \"w\"", "type number", "an object"}},
      {one(R"({"shape":[1],"data_offsets":[0,4]})", 4), {"no dtype", "F32, F64, I32, I64 or U8"}},
      {one(R"({"dtype":"BF16","shape":[1],"data_offsets":[0,2]})", 2), {"\"w\" of dtype BF16", "or U8"}},
      {one(R"({"dtype":"F32","data_offsets":[0,4]})", 4), {"no \"shape\""}},
      {one(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})", 4), {"\"shape\" holding -1", "non-negative"}},
      {one(R"({"dtype":"F32","shape":[1.0],"data_offsets":[0,4]})", 4), {"\"shape\" holding 1.0"}},
      {one(R"({"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]})", 4), {"rank 9", "at most 8"}},
      {one(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]})", 4), {"fits in 63 bits"}},
      {one(R"({"dtype":"F32","shape":[9223372036854775807,9223372036854775807,0],"data_offsets":[0,0]})", 0),
       {"fits in 63 bits"}},
      {one(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4,8]})", 8), {"[0,4,8]", "[begin, end]"}},
      {one(R"({"dtype":"F32","shape":[1],"data_offsets":[4,0]})", 4), {"[4,0]", "begin <= end"}},
      {one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})", 7), {"bytes 0 to 8", "within the 7 bytes"}},
      {one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})", 4), {"with 4 bytes", "8 bytes for F32 (2,)"}},
      {one(R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]})", 8), {"beginning at byte 4", "no gap"}},
      {one(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})", 5), {"5 bytes of data", "4 bytes, as the header"}},
      {file_of("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
               "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}",
               6),
       {"\"b\" beginning at byte 2", "byte 4", "overlap"}},
      {file_of(R"({"__metadata__":{"epoch":3}})", 0), {"__metadata__ entry \"epoch\"", "a string"}},
      {file_of(R"({"__metadata__":"x"})", 0), {"__metadata__ of type string", "an object"}},
  };
  for (const Case& c : cases) {
    const std::string message = test::error_of([&] { parse(c.bytes); });
    for (const std::string& part : c.parts) {
      CHECK_MESSAGE(test::contains(message, part), "expected \"" << part << "\" in: " << message);
    }
    CHECK_MESSAGE(test::contains(message, "it.safetensors"), message);
  }
}

TEST_CASE("a safetensors file cut at any length, or with any bytes changed, is read or refused and never crashes") {
  Folder folder;
  save_safetensors(sample(), folder.file("a.safetensors"));
  const std::string valid = read_bytes(folder.file("a.safetensors"));
  for (size_t size = 0; size < valid.size(); ++size) {
    CHECK_ERROR(parse_safetensors(valid.data(), size, "cut"), "cut, byte");
  }
  Generator random{.seed = 7};
  int read_anyway = 0, refused = 0;
  reset_peak_memory();
  const int64_t in_use = memory_statistics().bytes_in_use;
  for (int round = 0; round < 6000; ++round) {
    std::string bytes = valid;
    for (uint64_t flips = 1 + random.below(4); flips > 0; --flips) {
      // Mostly in the header: a changed element is a valid file.
      const uint64_t range = random.below(8) == 0 ? bytes.size() : bytes.size() - 55;
      bytes[random.below(range)] =
          static_cast<char>(random.below(2) ? random.below(256) : "{}[]\":,0192"[random.below(11)]);
    }
    try {
      parse(bytes);
      ++read_anyway;
    } catch (const Error&) { ++refused; }
  }
  CHECK(refused > 3000);
  CHECK(memory_statistics().peak_bytes_in_use - in_use < 100'000);  // nothing was allocated on a damaged file's word
  CHECK(read_anyway > 0);
}

TEST_CASE("loading names a file that is missing, a folder or no regular file") {
  Folder folder;
  CHECK_ERROR(load_safetensors(folder.file("none")), "No such file");
  CHECK_ERROR(load_safetensors(folder.path.string()), "a directory");
  CHECK_ERROR(load_safetensors("/dev/null"), "a device or pipe");
}

TEST_CASE("saving refuses what a safetensors file cannot hold and then writes nothing") {
  Folder folder;
  Archive archive;
  archive.tensors["x"] = Tensor();
  CHECK_ERROR(save_safetensors(archive, folder.file("f")), "undefined tensor \"x\"");
  archive.tensors = {{"__metadata__", Tensor::zeros({1})}};
  CHECK_ERROR(save_safetensors(archive, folder.file("f")), "reserves");
  archive.tensors = {{"\xff", Tensor::zeros({1})}};
  CHECK_ERROR(save_safetensors(archive, folder.file("f")), "UTF-8");
  CHECK(folder.entries() == 0);
}

TEST_CASE("an archive asked for what it lacks says what it has") {
  CHECK_ERROR(sample().tensor("weight"), "got no tensor \"weight\", expected one of: a, empty, indices");
  CHECK_ERROR(sample().entry("step"), "no metadata entry \"step\"");
  CHECK_ERROR(Archive{}.tensor("w"), "one of: nothing");
}

TEST_CASE("archives inserted under a prefix are extracted as they were, and no name is overwritten") {
  Archive whole;
  whole.insert("model.", sample());
  whole.insert("model2.", sample());
  check_same(whole.extract("model."), sample());
  CHECK(whole.tensors.count("model.layer.weight") == 1);
  CHECK_ERROR(whole.insert("model.", sample()), "a second \"model.");
}

TEST_CASE("a write that fails half way leaves the old file and no other") {
  Folder folder;
  write_file_atomically(folder.file("f"), "old", 3);
  // A file size limit stands for a full disk: the second write ends in an error after some bytes were written.
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 1000;
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string big(5000, 'x');
  const std::string message = test::error_of([&] { write_file_atomically(folder.file("f"), big.data(), big.size()); });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  CHECK(test::contains(message, "File too large"));
  CHECK(test::contains(message, "while writing 5000 bytes"));
  CHECK(read_bytes(folder.file("f")) == "old");
  CHECK(folder.entries() == 1);
}

TEST_CASE("a file written atomically replaces the old one and leaves nothing beside it") {
  Folder folder;
  write_file_atomically(folder.file("f"), "old and long", 12);
  write_file_atomically(folder.file("f"), "new", 3);
  CHECK(read_bytes(folder.file("f")) == "new");
  CHECK(folder.entries() == 1);
}

TEST_CASE("a place that cannot be written is an error with the system's reason, and leaves nothing") {
  Folder folder;
  CHECK_ERROR(write_file_atomically(folder.file("no/such/f"), "x", 1), "No such file or directory");
  fs::create_directory(folder.path / "taken");
  CHECK_ERROR(write_file_atomically(folder.file("taken"), "x", 1), "Is a directory");
  CHECK(folder.entries() == 1);
  if (geteuid() != 0) {  // root may write anywhere
    chmod(folder.path.c_str(), 0500);
    CHECK_ERROR(write_file_atomically(folder.file("f"), "x", 1), "Permission denied");
    chmod(folder.path.c_str(), 0700);
  }
}
