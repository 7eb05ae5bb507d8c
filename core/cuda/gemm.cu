// SPDX-License-Identifier: MIT
// Matrix products by cuBLAS, whose matrices lie column by column: what is stored there as C is our C transposed. So
// C = op(A) op(B) is asked for as C' = op(B)' op(A)', with the operands in the other order and the same flags.
// float32 products are not shortened to TF32 unless the environment asks for it (device.cu).
#include <climits>

#include "core/cuda/cuda_backend.h"
#include "core/cuda/fold.cuh"

namespace minima::core {

using namespace cuda;

namespace {

/// One call of cuBLAS, as work for the queue.
template <class T>
struct Product {
  int m, n, k, lda, ldb, batch;
  bool transpose_a, transpose_b, accumulate;
  int64_t stride_a, stride_b;
  const T *a, *b;
  T* c;

  static void enqueue(const void* call) {
    const Product& p = *static_cast<const Product*>(call);
    const DeviceState& d = device();
    const T one = 1, beta = p.accumulate ? T(1) : T(0);
    const auto ta = p.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N, tb = p.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N;
    const auto multiply = [&](auto one_product, auto several) {
      if (p.batch == 1)
        return one_product(d.handle, tb, ta, p.n, p.m, p.k, &one, p.b, p.ldb, p.a, p.lda, &beta, p.c, p.n);
      return several(d.handle, tb, ta, p.n, p.m, p.k, &one, p.b, p.ldb, p.stride_b, p.a, p.lda, p.stride_a, &beta, p.c,
                     p.n, int64_t{p.m} * p.n, p.batch);
    };
    if constexpr (std::is_same_v<T, float>)
      check(multiply(d.blas->multiply_float, d.blas->multiply_float_batch), "cublasSgemm");
    else
      check(multiply(d.blas->multiply_double, d.blas->multiply_double_batch), "cublasDgemm");
  }
};

int extent(int64_t n) {
  if (n > INT_MAX) fail("matmul", text("an extent of ", n), text("at most ", INT_MAX, " on the GPU"));
  return static_cast<int>(n);
}

void multiply(CudaBackend& backend, const Gemm& shape, const Tensor& a, const Tensor& b, Tensor& out) {
  if (out.numel() == 0) return;
  if (shape.k == 0) {
    if (!shape.accumulate) backend.fill(out, 0);
    return;
  }
  Gemm s = shape;
  if (!s.transpose_a && s.stride_b == 0 && s.stride_a == s.m * s.k) {  // one b for all: one tall product
    s.m *= s.batch;
    s.batch = 1;
  }
  const int m = extent(s.m), n = extent(s.n), k = extent(s.k);
  dispatch_floating("matmul", out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    add_to_queue(Product<T>{m, n, k, s.transpose_a ? m : k, s.transpose_b ? k : n, extent(s.batch), s.transpose_a,
                            s.transpose_b, s.accumulate, s.stride_a, s.stride_b, read<T>(a), read<T>(b),
                            write<T>(out)});
  });
}

/// What follows a product: out = activation(out + bias).
template <class T>
struct Epilogue {
  const T* bias;  // or null
  Divider columns;
  bool relu;
  T* out;
  __device__ void operator()(int64_t i) const {
    uint32_t column = static_cast<uint32_t>(i);
    columns.split(column);
    const T value = bias ? out[i] + bias[column] : out[i];
    out[i] = relu && value < 0 ? T(0) : value;
  }
};

/// The way back through relu and the bias before it, in one pass: writes what gets through, and adds it up by columns.
template <class T>
struct ReluBackward : DoubleSum {
  const T *grad, *y;
  T *out, *grad_bias;
  int64_t columns;

  ReluBackward(const T* grad, const T* y, T* out, T* grad_bias, int64_t columns)
      : grad(grad), y(y), out(out), grad_bias(grad_bias), columns(columns) {}
  __device__ T operator()(int64_t i) const { return out[i] = y[i] > 0 ? grad[i] : T(0); }
  __device__ void add(double& total, int64_t, int64_t row, int64_t column) const {
    total += static_cast<double>((*this)(row * columns + column));
  }
  __device__ void finish(int64_t, int64_t column, double total) const { grad_bias[column] = static_cast<T>(total); }
};

}  // namespace

void CudaBackend::gemm(const Gemm& shape, const Tensor& a, const Tensor& b, const Tensor& bias, Activation activation,
                       Tensor& out) {
  multiply(*this, shape, a, b, out);
  if (!bias.defined() && activation == Activation::none) return;
  require_indexable("matmul", out.numel());
  dispatch_floating("matmul", out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for_each(out.numel(), Epilogue<T>{bias.defined() ? read<T>(bias) : nullptr, Divider(shape.n),
                                      activation == Activation::relu, write<T>(out)});
  });
}

void CudaBackend::relu_backward(const Tensor& grad, const Tensor& y, Tensor& out, Tensor& grad_bias) {
  const int64_t columns = grad.rank() == 0 ? 1 : grad.size(-1);
  dispatch_floating("relu_backward", grad.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const ReluBackward<T> op(read<T>(grad), read<T>(y), write<T>(out),
                             grad_bias.defined() ? write<T>(grad_bias) : nullptr, columns);
    if (grad_bias.defined())
      fold(op, 1, columns == 0 ? 0 : grad.numel() / columns, columns);
    else
      for_each(grad.numel(), op);
  });
}

}  // namespace minima::core
