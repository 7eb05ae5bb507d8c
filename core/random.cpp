// SPDX-License-Identifier: MIT
#include "core/random.h"

#include <numeric>

#include "core/backend.h"
#include "core/distributions.h"

namespace minima {
namespace {
Tensor filled(Generator& generator, core::Distribution distribution, double a, double b, const Shape& shape,
              DType dtype, Device device) {
  const int64_t lanes =
      core::dispatch_floating("random", dtype, [](auto zero) { return core::per_block<decltype(zero)>; });
  Tensor out = Tensor::empty(shape, dtype, device);
  core::backend(device).random(distribution, generator.seed, generator.offset, a, b, out);
  generator.offset += static_cast<uint64_t>((out.numel() + lanes - 1) / lanes);
  return out;
}
}  // namespace

Tensor Generator::uniform(const Shape& shape, double low, double high, DType dtype, Device device) {
  if (!(low <= high)) fail("uniform", text("[", low, ", ", high, ")"), "low <= high");
  return filled(*this, core::Distribution::uniform, low, high, shape, dtype, device);
}

Tensor Generator::normal(const Shape& shape, double mean, double deviation, DType dtype, Device device) {
  if (!(deviation >= 0)) fail("normal", text("standard deviation ", deviation), "a number >= 0");
  return filled(*this, core::Distribution::normal, mean, deviation, shape, dtype, device);
}

Tensor Generator::bernoulli(const Shape& shape, double probability, DType dtype, Device device) {
  if (!(probability >= 0 && probability <= 1))
    fail("bernoulli", text("probability ", probability), "a number in [0, 1]");
  return filled(*this, core::Distribution::bernoulli, probability, 0, shape, dtype, device);
}

uint64_t Generator::below(uint64_t bound) {
  if (bound == 0) fail("below", "bound 0", "a bound of at least 1");
  const uint64_t excess = (0 - bound) % bound;  // 2^64 mod bound: the numbers under it would favour small remainders
  for (;;) {
    const core::PhiloxBlock block = core::philox(seed, offset++);
    const uint64_t number = uint64_t{block.words[1]} << 32 | block.words[0];
    if (number >= excess) return number % bound;
  }
}

std::vector<int64_t> Generator::permutation(int64_t n) {
  if (n < 0) fail("permutation", text(n, " numbers"), "a number >= 0");
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t{0});
  for (int64_t i = n - 1; i > 0; --i) std::swap(order[i], order[below(static_cast<uint64_t>(i) + 1)]);
  return order;
}

Generator& default_generator() {
  thread_local Generator generator;
  return generator;
}

void manual_seed(uint64_t seed) { default_generator() = {.seed = seed, .offset = 0}; }

}  // namespace minima
