// What the tests of core share: reproducible inputs, and plain index arithmetic for the loops that kernels are
// compared with.
#pragma once

#include <vector>

#include "core/ops.h"
#include "core/random.h"
#include "tests/check.h"

namespace minima::test {

inline constexpr DType floating_types[] = {DType::float32, DType::float64};

/// What one rounding in the dtype may cost, times `factor`.
inline Tolerance rounding(DType dtype, double factor = 4) {
  const double unit = (dtype == DType::float32 ? 6e-8 : 1.2e-16) * factor;
  return {unit, unit};
}

/// Normal numbers, a function of shape, dtype and seed.
inline Tensor numbers(const Shape& shape, DType dtype = DType::float32, uint64_t seed = 1) {
  return Generator{seed}.normal(shape, 0, 1, dtype);
}

/// 0, 1, 2, ... in any dtype (modulo 256 for uint8).
inline Tensor counting(const Shape& shape, DType dtype) {
  std::vector<double> values;
  for (int64_t i = 0; i < shape.numel(); ++i)
    values.push_back(dtype == DType::uint8 ? i % 256 : static_cast<double>(i));
  return Tensor::from(values, shape).to(dtype);
}

using Index = std::vector<int64_t>;

/// Calls f with every index of the shape, in row-major order.
template <class F>
void for_each_index(const Shape& shape, F&& f) {
  Index index(static_cast<size_t>(shape.rank()), 0);
  for (int64_t n = shape.numel(); n > 0; --n) {
    f(static_cast<const Index&>(index));
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      if (++index[static_cast<size_t>(axis)] < shape[axis]) break;
      index[static_cast<size_t>(axis)] = 0;
    }
  }
}

/// Row-major position of an index; where the shape has fewer axes or extents of 1, the index is broadcast.
inline size_t position(const Shape& shape, const Index& index) {
  int64_t at = 0;
  const int skipped = static_cast<int>(index.size()) - shape.rank();
  for (int axis = 0; axis < shape.rank(); ++axis)
    at = at * shape[axis] + (shape[axis] == 1 ? 0 : index[static_cast<size_t>(axis + skipped)]);
  return static_cast<size_t>(at);
}

inline std::vector<double> values(const Tensor& x) { return x.to_vector<double>(); }

}  // namespace minima::test
