// SPDX-License-Identifier: MIT
// How numbers are compared in tests, written once: |got - expected| <= atol + rtol * |expected|.
// Not here: derivatives (autograd/gradient_check.h), test frameworks.
#pragma once

#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace minima::testing {

struct Tolerance {
  double rtol = 1e-5;
  double atol = 1e-8;
};

/// "" when all are equal within the tolerance or the same (infinite, NaN), else the worst index with both values.
inline std::string difference(const std::vector<double>& got, const std::vector<double>& expected,
                              Tolerance tolerance) {
  if (got.size() != expected.size()) return text("got ", got.size(), " values, expected ", expected.size());
  double worst = 0;
  size_t at = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double excess = std::abs(got[i] - expected[i]) / (tolerance.atol + tolerance.rtol * std::abs(expected[i]));
    const bool same = got[i] == expected[i] || (std::isnan(got[i]) && std::isnan(expected[i]));
    if (!same && !(excess <= worst)) worst = std::isnan(excess) ? INFINITY : excess, at = i;
  }
  if (worst <= 1) return "";
  std::ostringstream out;
  out.precision(17);
  out << "index " << at << ": got " << got[at] << ", expected " << expected[at] << " (rtol " << tolerance.rtol
      << ", atol " << tolerance.atol << "; " << worst << " times the tolerance)";
  return out.str();
}

inline std::string difference(double got, double expected, Tolerance tolerance) {
  return difference(std::vector<double>{got}, std::vector<double>{expected}, tolerance);
}

/// The same for tensors of one shape.
inline std::string difference(const Tensor& got, const Tensor& expected, Tolerance tolerance) {
  if (got.shape() != expected.shape()) return text("got shape ", got.shape(), ", expected ", expected.shape());
  return difference(got.to_vector<double>(), expected.to_vector<double>(), tolerance);
}

}  // namespace minima::testing
