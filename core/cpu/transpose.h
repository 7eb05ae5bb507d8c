// SPDX-License-Identifier: MIT
// Transposition of a part of a matrix of float32, four by four numbers at a time: four loads, eight shuffles, four
// stores. Whoever packs an operand for the innermost loops needs it. Not here: tensors (blocks.cpp).
#pragma once

#include <algorithm>
#include <cstdint>

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::core::cpu {
namespace {

typedef float Four __attribute__((vector_size(16)));

inline Four load_four(const float* from) {
  Four value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}
inline void store_four(float* to, Four value) { __builtin_memcpy(to, &value, sizeof value); }

inline void transpose_four(const float* from, int64_t from_step, float* to, int64_t to_step) {
  const Four a = load_four(from), b = load_four(from + from_step);
  const Four c = load_four(from + 2 * from_step), d = load_four(from + 3 * from_step);
  const Four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const Four cd = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  store_four(to, __builtin_shufflevector(ab, cd, 0, 1, 4, 5));
  store_four(to + to_step, __builtin_shufflevector(ab, cd, 2, 3, 6, 7));
  store_four(to + 2 * to_step, __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5));
  store_four(to + 3 * to_step, __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7));
}

/// to [columns, rows] = from [rows, columns], transposed. Four rows are read at a time, and the next four asked for.
/// Columns come in strips, so that what is written stays in the first-level cache until its lines are full.
inline void transpose(const float* from, int64_t from_step, int64_t rows, int64_t columns, float* to, int64_t to_step) {
  constexpr int64_t strip = 128, line = 16;
  for (int64_t first = 0; first < columns; first += strip) {
    const int64_t end = std::min(columns, first + strip);
    int64_t i = 0;
    for (; i + 4 <= rows; i += 4) {
      const float* row = from + i * from_step;
      int64_t j = first;
      for (; j + 4 <= end; j += 4) {
        if ((j - first) % line == 0)
          for (int64_t r = 4; r < 8; ++r) __builtin_prefetch(row + r * from_step + j);
        transpose_four(row + j, from_step, to + j * to_step + i, to_step);
      }
      for (; j < end; ++j)
        for (int64_t r = 0; r < 4; ++r) to[j * to_step + i + r] = row[r * from_step + j];
    }
    for (; i < rows; ++i)
      for (int64_t j = first; j < end; ++j) to[j * to_step + i] = from[i * from_step + j];
  }
}

}  // namespace
}  // namespace minima::core::cpu
#pragma GCC visibility pop
