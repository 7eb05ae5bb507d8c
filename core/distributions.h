// SPDX-License-Identifier: MIT
// How the words of one Philox block become numbers of a distribution, the same lines on CPU and GPU.
// A block gives 4 float32 or 2 float64 numbers: element i of a tensor comes from block offset + i / per_block alone.
// Not here: the generator's state (random.h).
#pragma once

#include <cmath>

#include "core/random.h"

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::core {

/// Numbers of type T that one block gives.
template <class T>
inline constexpr int per_block = 16 / static_cast<int>(sizeof(T));

/// Number `lane` of a block, uniform in [0, 1): 24 bits of one word, or 53 bits of two.
MINIMA_HOST_DEVICE inline float unit_uniform(const PhiloxBlock& block, int lane, float) {
  return static_cast<float>(block.words[lane] >> 8) * 0x1p-24f;
}
MINIMA_HOST_DEVICE inline double unit_uniform(const PhiloxBlock& block, int lane, double) {
  const uint64_t bits = uint64_t{block.words[2 * lane]} << 32 | block.words[2 * lane + 1];
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

/// Uniform in [low, high), also where rounding would reach `high`.
template <class T>
MINIMA_HOST_DEVICE T uniform(const PhiloxBlock& block, int lane, T low, T high) {
  using std::nextafter;
  const T x = low + (high - low) * unit_uniform(block, lane, T{});
  return x < high || low == high ? x : nextafter(high, low);
}

/// A pair of standard normal numbers for lanes 2 * pair and 2 * pair + 1, by Box and Muller's method:
/// sqrt(-2 log u) * (cos, sin)(2 pi v), with u in (0, 1].
template <class T>
MINIMA_HOST_DEVICE void normal_pair(const PhiloxBlock& block, int pair, T& first, T& second) {
  using std::cos, std::log, std::sin, std::sqrt;
  const T u = 1 - unit_uniform(block, 2 * pair, T{});
  const T radius = sqrt(-2 * log(u)), angle = T(6.283185307179586477) * unit_uniform(block, 2 * pair + 1, T{});
  first = radius * cos(angle);
  second = radius * sin(angle);
}

/// All numbers of one block into values[0 .. per_block).
template <class T>
[[gnu::visibility("hidden")]] MINIMA_HOST_DEVICE void draw(Distribution distribution, const PhiloxBlock& block, T a,
                                                           T b, T* values) {
  switch (distribution) {
    case Distribution::uniform:
      for (int lane = 0; lane < per_block<T>; ++lane) values[lane] = uniform(block, lane, a, b);
      break;
    case Distribution::normal:
      for (int pair = 0; pair < per_block<T> / 2; ++pair) {
        normal_pair(block, pair, values[2 * pair], values[2 * pair + 1]);
        values[2 * pair] = a + b * values[2 * pair];
        values[2 * pair + 1] = a + b * values[2 * pair + 1];
      }
      break;
    case Distribution::bernoulli:
      for (int lane = 0; lane < per_block<T>; ++lane) values[lane] = unit_uniform(block, lane, T{}) < a ? T(1) : T(0);
      break;
  }
}

}  // namespace minima::core
#pragma GCC visibility pop
