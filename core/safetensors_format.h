// SPDX-License-Identifier: MIT
// What the writer and the reader of safetensors files agree on: 8 bytes with the header's length, little-endian; the
// header, JSON {name: {dtype, shape, data_offsets}}; the data. Internal to safetensors*.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::core {

inline constexpr size_t length_bytes = 8;
inline constexpr uint64_t largest_header = 100'000'000;  // the format's own limit
inline constexpr const char* metadata_key = "__metadata__";
inline constexpr const char* dtype_codes[] = {"F32", "F64", "I32", "I64", "U8"};  // in the order of DType

}  // namespace minima::core
#pragma GCC visibility pop
