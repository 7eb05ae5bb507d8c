// SPDX-License-Identifier: MIT
// Sums, maxima and dot products.
#include <limits>

#include "core/cuda/cuda_backend.h"
#include "core/cuda/fold.cuh"

namespace minima::core {

using namespace cuda;

namespace {

/// Sums are accumulated in double.
template <class T>
struct Sum : DoubleSum {
  const T* x;
  T* out;
  int64_t rows, columns;

  Sum(const T* x, T* out, int64_t rows, int64_t columns) : x(x), out(out), rows(rows), columns(columns) {}
  __device__ void add(double& total, int64_t outer, int64_t row, int64_t column) const {
    total += static_cast<double>(x[(outer * rows + row) * columns + column]);
  }
  __device__ void finish(int64_t outer, int64_t column, double total) const {
    out[outer * columns + column] = static_cast<T>(total);
  }
};

/// NaN stays.
template <class T>
struct Max {
  using Total = T;
  const T* x;
  T* out;
  int64_t rows, columns;

  __device__ T start() const { return -std::numeric_limits<T>::infinity(); }
  __device__ T join(T a, T b) const { return b > a || b != b ? b : a; }
  __device__ T from_lane(T total, int lane) const { return __shfl_sync(0xffffffffu, total, lane); }
  __device__ void add(T& total, int64_t outer, int64_t row, int64_t column) const {
    total = join(total, x[(outer * rows + row) * columns + column]);
  }
  __device__ void finish(int64_t outer, int64_t column, T total) const { out[outer * columns + column] = total; }
};

template <class T>
struct Dot : DoubleSum {
  const T *x, *y;
  double* out;

  Dot(const T* x, const T* y, double* out) : x(x), y(y), out(out) {}
  __device__ void add(double& total, int64_t, int64_t row, int64_t) const {
    total += static_cast<double>(x[row]) * static_cast<double>(y[row]);
  }
  __device__ void finish(int64_t, int64_t, double total) const { *out = total; }
};

}  // namespace

void CudaBackend::reduce(ReduceOp op, const Fold& shape, const Tensor& x, Tensor& out) {
  dispatch_floating("reduce", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    if (op == ReduceOp::sum)
      fold(Sum<T>(read<T>(x), write<T>(out), shape.folded, shape.inner), shape.outer, shape.folded, shape.inner);
    else
      fold(Max<T>{read<T>(x), write<T>(out), shape.folded, shape.inner}, shape.outer, shape.folded, shape.inner);
  });
}

void CudaBackend::dot(const Tensor& x, const Tensor& y, Tensor& out) {
  dispatch_floating("dot", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    fold_vector(Dot<T>(read<T>(x), read<T>(y), write<double>(out)), x.numel());
  });
}

}  // namespace minima::core
