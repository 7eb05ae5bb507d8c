// An archive with a tensor of every dtype and metadata that must be escaped, for the tests of safetensors.
#pragma once

#include "core/safetensors.h"
#include "tests/check.h"

namespace minima::test {

inline Archive sample() {
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

inline void check_same(const Archive& got, const Archive& expected) {
  REQUIRE(got.tensors.size() == expected.tensors.size());
  for (const auto& [name, tensor] : expected.tensors) {
    INFO(name);
    CHECK(got.tensor(name).shape() == tensor.shape());
    CHECK_SAME_BITS(got.tensor(name), tensor);
  }
  CHECK(got.metadata == expected.metadata);
}

}  // namespace minima::test
