// SPDX-License-Identifier: MIT
// Streams of random numbers for what data loading draws once a step or once an epoch: each step has a stream of its
// own, so that what it draws depends on (seed, step) alone. Not here: what is drawn for one sample (dataset.cpp).
#pragma once

#include "core/random.h"

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::datasets::detail {

/// What is drawn. The high word of the counter keeps each apart from the others, and from a Generator with that seed.
enum class Drawn : uint64_t {
  mixup = uint64_t{1} << 60,
  text_windows = uint64_t{1} << 61,
  order_of_samples = uint64_t{1} << 62
};

/// The stream for step (or epoch) number `number`, from 0.
inline Generator stream_of(Drawn drawn, uint64_t seed, int64_t number) {
  const core::PhiloxBlock block = core::philox(seed, static_cast<uint64_t>(number), static_cast<uint64_t>(drawn));
  return {uint64_t{block.words[0]} << 32 | block.words[1], 0};
}

}  // namespace minima::datasets::detail
#pragma GCC visibility pop
