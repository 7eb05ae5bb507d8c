// SPDX-License-Identifier: MIT
#include "nn/init.h"

#include <cmath>

#include "core/random.h"

namespace minima::nn {
namespace {
struct Fans {
  double in, out;
};

Fans fans_of(const char* init, const Shape& shape) {
  if (shape.rank() < 2 || shape.numel() == 0)
    fail(init, text("shape ", shape), "a weight [out, in, ...] with elements",
         "Use uniform, normal or constant for other shapes.");
  const double receptive = static_cast<double>(shape.numel()) / static_cast<double>(shape[0] * shape[1]);
  return {static_cast<double>(shape[1]) * receptive, static_cast<double>(shape[0]) * receptive};
}

// He's gain for a leaky ReLU with this slope for negative inputs.
double leaky_gain(double negative_slope) { return std::sqrt(2 / (1 + negative_slope * negative_slope)); }

Tensor draw_uniform(const Shape& shape, double bound) { return default_generator().uniform(shape, -bound, bound); }
Tensor draw_normal(const Shape& shape, double deviation) { return default_generator().normal(shape, 0, deviation); }
}  // namespace

Init kaiming_uniform(double negative_slope) {
  return [negative_slope](const Shape& shape) {
    return draw_uniform(shape, leaky_gain(negative_slope) * std::sqrt(3 / fans_of("kaiming_uniform", shape).in));
  };
}

Init kaiming_normal(double negative_slope) {
  return [negative_slope](const Shape& shape) {
    return draw_normal(shape, leaky_gain(negative_slope) / std::sqrt(fans_of("kaiming_normal", shape).in));
  };
}

Init xavier_uniform(double gain) {
  return [gain](const Shape& shape) {
    const Fans fans = fans_of("xavier_uniform", shape);
    return draw_uniform(shape, gain * std::sqrt(6 / (fans.in + fans.out)));
  };
}

Init xavier_normal(double gain) {
  return [gain](const Shape& shape) {
    const Fans fans = fans_of("xavier_normal", shape);
    return draw_normal(shape, gain * std::sqrt(2 / (fans.in + fans.out)));
  };
}

Init uniform(double low, double high) {
  return [low, high](const Shape& shape) { return default_generator().uniform(shape, low, high); };
}

Init normal(double mean, double deviation) {
  return [mean, deviation](const Shape& shape) { return default_generator().normal(shape, mean, deviation); };
}

Init constant(double value) {
  return [value](const Shape& shape) { return Tensor::full(shape, value); };
}

Init zeros() { return constant(0); }
Init ones() { return constant(1); }

}  // namespace minima::nn
