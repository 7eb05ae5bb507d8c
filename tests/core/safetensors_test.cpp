// Reading safetensors: what is written can be read, by us and by others; what is damaged is refused, never trusted.
#include <cmath>
#include <cstring>
#include <ctime>

#include "core/random.h"
#include "tests/core/archive_for_tests.h"
#include "tests/temporary_folder.h"

using namespace minima;
using test::check_same, test::read_bytes, test::sample;
using Folder = test::TemporaryFolder;

namespace {

/// The bytes of a file with this header and this many bytes of data.
std::string file_of(const std::string& header, size_t data_size) {
  std::string out;
  for (size_t i = 0; i < 8; ++i) out.push_back(static_cast<char>(header.size() >> (8 * i) & 0xff));
  return out + header + std::string(data_size, '\1');
}

Archive parse(const std::string& bytes) { return parse_safetensors(bytes.data(), bytes.size(), "it.safetensors"); }

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
      {file_of("{\"w\":", 0), {"byte 13", "not JSON", "JSON in UTF-8"}},
      {file_of("{\"w\":1} x", 0), {"byte 16", "not JSON"}},
      {file_of("[1]", 0), {"got byte 91", "opens with '{'"}},
      {file_of("{\"w\":1e999}", 0), {"byte 17", "a number that no double holds"}},
      {file_of("{\"w\":[[[1]]]}", 0), {"values nested too deep"}},
      {file_of("{\"w\":{\"dtype\":{\"a\":{}}}}", 0), {"values nested too deep"}},
      {file_of("{\"w\":[[[[[1]]]]]}", 0), {"values nested too deep"}},
      {file_of("{\"w\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},"
               "\"w\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}",
               0),
       {"the key \"w\" twice"}},
      {one(R"({"dtype":"F32","dtype":"F64","shape":[0],"data_offsets":[0,0]})", 0), {"the key \"dtype\" twice"}},
      {one("3", 0), {"tensor \"w\"", "type number", "an object"}},
      {one(R"({"shape":[1],"data_offsets":[0,4]})", 4), {"no dtype", "one of F32, F64, I32"}},
      {one(R"({"dtype":"C64","shape":[1],"data_offsets":[0,8]})", 8), {"\"w\" of dtype C64", "one of F32"}},
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

TEST_CASE("any UTF-8 text comes back from a safetensors file") {
  Folder folder;
  std::string all;
  for (char c = 0; c < 127; ++c) all += c;
  all += "\x7f\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
  Archive archive;
  archive.metadata[all] = all;
  archive.tensors[all] = Tensor::zeros({1});
  save_safetensors(archive, folder.file("f"));
  check_same(load_safetensors(folder.file("f")), archive);
}

TEST_CASE("a safetensors header that is not JSON in UTF-8 is refused") {
  for (const char* value : {"",
                            "01",
                            "1.",
                            "-",
                            "+1",
                            "tru",
                            "'a'",
                            "\"a",
                            "\"\n\"",
                            R"("\x")",
                            R"("\u12g4")",
                            R"("\ud800")",
                            R"("\udc00")",
                            "[1,]",
                            "[1",
                            "{\"a\" 1}",
                            "{\"a\":1,}",
                            "1 2",
                            "\"\xff\"",
                            "\"\xc0\x80\"",
                            "\"\xc3\"",
                            "\"\xe0\x80\x80\"",
                            "\"\xed\xa0\x80\"",
                            "\"\xf4\x90\x80\x80\"",
                            "\"\x80\""})
    CHECK_ERROR(parse(file_of("{\"w\":" + std::string(value) + "}", 0)), "got a header that is not JSON");
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

TEST_CASE("a file of 40,000 tensors loads in a time that grows with their number, not with its square") {
  const auto seconds = [](int tensors) {
    Archive archive;
    for (int i = 0; i < tensors; ++i) archive.tensors[text("layer.", i, ".weight")] = Tensor::full({1}, i);
    Folder folder;
    save_safetensors(archive, folder.file("f"));
    const std::clock_t start = std::clock();  // of this process alone, whatever else the machine does
    const Archive loaded = load_safetensors(folder.file("f"));
    const double took = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    CHECK(loaded.tensors.size() == static_cast<size_t>(tensors));
    CHECK(loaded.tensor(text("layer.", tensors - 1, ".weight")).at(0) == tensors - 1);
    return took;
  };
  const double few = seconds(5'000), many = seconds(40'000);
  MESSAGE(few, " s for 5,000, ", many, " s for 40,000");
  CHECK_MESSAGE(many < 25 * few + 0.5, few << " s for 5,000, " << many << " s for 40,000");  // a square: 64 times
}

TEST_CASE("loading names a file that is missing, a folder or no regular file") {
  Folder folder;
  CHECK_ERROR(load_safetensors(folder.file("none")), "No such file");
  CHECK_ERROR(load_safetensors(folder.path.string()), "a directory");
  CHECK_ERROR(load_safetensors("/dev/null"), "a device or pipe");
}

TEST_CASE("types that minima does not compute with are converted without loss, and do not hide the rest of a file") {
  struct Case {
    const char* code;
    std::string bytes;
    DType becomes;
    std::vector<double> values;
  };
  const auto bytes = [](const char* text, size_t size) { return std::string(text, size); };
  const std::vector<Case> cases = {
      {"F16",
       bytes("\x00\x3c\x00\xc0\x01\x00\x00\x7c\xff\x7b\x00\x80", 12),
       DType::float32,
       {1, -2, std::ldexp(1, -24), INFINITY, 65504, 0}},
      {"BF16",
       bytes("\x80\x3f\xf7\xc2\x80\xff\x01\x00", 8),
       DType::float32,
       {1, -123.5, -INFINITY, std::ldexp(1, -133)}},
      {"F8_E5M2", "\x3c\x7b\xbc\xfc", DType::float32, {1, 57344, -1, -INFINITY}},
      {"F8_E4M3", "\x38\x7e\x01\xb8\x7f", DType::float32, {1, 448, std::ldexp(1, -9), -1, NAN}},
      {"I8", "\x7f\xff\x80", DType::int32, {127, -1, -128}},
      {"I16", "\xff\xff\xff\x7f", DType::int32, {-1, 32767}},
      {"U16", "\xff\xff", DType::int32, {65535}},
      {"U32", "\xff\xff\xff\xff", DType::int64, {4294967295.0}},
      {"U64", bytes("\x05\x00\x00\x00\x00\x00\x00\x00", 8), DType::int64, {5}},
      {"BOOL", bytes("\x01\x00", 2), DType::uint8, {1, 0}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.code);
    const std::string header =
        text(R"({"w":{"dtype":")", c.code, R"(","shape":[)", c.values.size(), R"(],"data_offsets":[0,)", c.bytes.size(),
             R"(]},"x":{"dtype":"F32","shape":[1],"data_offsets":[)", c.bytes.size(), ",", c.bytes.size() + 4, "]}}");
    const std::string file = file_of(header, 0) + c.bytes + bytes("\x00\x00\x80\x3f", 4);
    const Archive archive = parse(file);
    CHECK(archive.tensor("w").dtype() == c.becomes);
    CHECK_CLOSE(archive.tensor("w").to_vector<double>(), c.values, {.rtol = 0, .atol = 0});
    CHECK(archive.tensor("x").at(0) == 1);
  }
  CHECK_ERROR(parse(file_of(R"({"w":{"dtype":"U64","shape":[1],"data_offsets":[0,8]}})", 0) + std::string(8, '\xff')),
              "tensor \"w\" with the U64 element 18446744073709551615");
}
