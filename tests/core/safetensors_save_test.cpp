// Writing safetensors, and the archives that are written; no JSON library is needed for it.
#include <cstring>

#include "tests/core/archive_for_tests.h"
#include "tests/temporary_folder.h"

using namespace minima;
using test::check_same, test::read_bytes, test::sample;
using Folder = test::TemporaryFolder;

TEST_CASE("a safetensors file holds the header's length, the header and the data, byte for byte") {
  Folder folder;
  Archive archive;
  archive.tensors["w"] = Tensor::from<uint8_t>({1, 2, 3, 4, 5, 6}, {2, 3});
  archive.tensors["\xc3\xa9"] = Tensor::from<int32_t>({7}, Shape{});
  archive.metadata["a \"quote\""] = "tab\tback\\slash";
  save_safetensors(archive, folder.file("f"));
  std::string header = R"({"__metadata__":{"a \"quote\"":"tab\u0009back\\slash"},)"
                       "\"\xc3\xa9\":{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[0,4]},"
                       R"("w":{"dtype":"U8","shape":[2,3],"data_offsets":[4,10]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  REQUIRE(header.size() < 256);
  const std::string length = static_cast<char>(header.size()) + std::string(7, '\0');
  CHECK(read_bytes(folder.file("f")) == length + header + std::string("\7\0\0\0\1\2\3\4\5\6", 10));
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

TEST_CASE("saving refuses what a safetensors file cannot hold and then writes nothing") {
  Folder folder;
  Archive archive;
  archive.tensors["x"] = Tensor();
  CHECK_ERROR(save_safetensors(archive, folder.file("f")), "undefined tensor \"x\"");
  archive.tensors = {{"__metadata__", Tensor::zeros({1})}};
  CHECK_ERROR(save_safetensors(archive, folder.file("f")), "reserves");
  for (const char* name : {"\xff", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80"}) {
    archive.tensors = {{name, Tensor::zeros({1})}};
    CHECK_ERROR(save_safetensors(archive, folder.file("f")), "UTF-8");
  }
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
