// SPDX-License-Identifier: MIT
// Initialisers: small callables that make the first value of a weight from its shape.
//   nn::Linear{784, 128, {.init = nn::xavier_uniform()}}
// Numbers come from default_generator(): manual_seed() makes them repeatable. A weight is drawn as [out, in] or, in
// PyTorch's order, as [out, in, kernel_h, kernel_w], which Conv2d then permutes; fan_in = in * kernel_h * kernel_w,
// fan_out = out * kernel_h * kernel_w.
#pragma once

#include <functional>

#include "core/tensor.h"

namespace minima::nn {

/// Shape -> float32 tensor. The fan-based ones need at least two axes.
using Init = std::function<Tensor(const Shape&)>;

/// He et al., 2015, for ReLU and its leaky kin: uniform within +-sqrt(6 / ((1 + negative_slope^2) fan_in)).
/// The default slope sqrt(5) is PyTorch's for Linear and Conv2d and gives +-1 / sqrt(fan_in).
Init kaiming_uniform(double negative_slope = 2.23606797749978969);
/// Normal with standard deviation sqrt(2 / ((1 + negative_slope^2) fan_in)).
Init kaiming_normal(double negative_slope = 0);
/// Glorot & Bengio, 2010: uniform within +-gain sqrt(6 / (fan_in + fan_out)).
Init xavier_uniform(double gain = 1);
/// Normal with standard deviation gain sqrt(2 / (fan_in + fan_out)).
Init xavier_normal(double gain = 1);

Init uniform(double low, double high);
Init normal(double mean = 0, double deviation = 1);
Init constant(double value);
Init zeros();
Init ones();

}  // namespace minima::nn
