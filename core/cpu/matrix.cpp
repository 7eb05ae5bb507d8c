// SPDX-License-Identifier: MIT
// Matrix products on all threads. Those of float32 go to minima's own kernels (gemm_tiles.cpp), unless they are small.
// The others are cut into slices for the matrix library, and a batch into its matrices. The cuts depend on the shape
// alone. The bias is what a slice starts from, and the activation follows while the slice is in the cache.
#include "core/cpu/cpu_backend.h"
#include "core/gemm.h"

namespace minima::core {
namespace {
constexpr double worthwhile = 8e6;  // floating-point operations that pay for a slice of their own
constexpr int64_t alignment = 16, max_slices = 16;
constexpr int64_t least_rows = 32;
constexpr int64_t least_extent = 128;  // each slice packs all of the other operand: narrower ones mostly pack

/// The extent of the slices of one product along the larger of m and n. A row or a few take as long as reading the
/// matrix: as long as `least_rows` rows.
int64_t slice_extent(int64_t m, int64_t n, int64_t k) {
  const int64_t larger = std::max(m, n), rows = std::max(std::min(m, n), least_rows);
  const double work = 2.0 * static_cast<double>(rows) * static_cast<double>(larger) * static_cast<double>(k);
  int64_t slices = 1;
  while (slices < max_slices && work / static_cast<double>(2 * slices) >= worthwhile &&
         larger >= 2 * slices * least_extent)
    slices *= 2;
  return ((larger + slices - 1) / slices + alignment - 1) / alignment * alignment;
}

/// What goes to minima's own kernels: float32 products of at least 2 rows, 4 columns and 2^18 multiply-adds. In smaller
/// ones packing counts. GFLOP/s of OpenBLAS and of own kernels, Zen 3, one thread, at a peak of 102: 80 and 83 for
/// 128 x 256 x 128, 85 and 90 for 128 x 1024 x 784 with a transposed b, 87 and 92 for 512 x 512 x 512. On two threads
/// OpenBLAS multiplies slices that each pack all of the other operand. With rows of a and of b that are not short, as
/// in a linear layer, own kernels are faster from 2^15 on: in 42 shapes they took .82 of OpenBLAS's time (the geometric
/// mean), 1.06 at worst (Zen 4, AVX2).
bool is_for_own_kernels(const Gemm& s) {
  const int64_t multiply_adds = s.m * s.n * s.k;
  if (s.m < 2 || s.n < 4) return false;
  return multiply_adds >= 1 << 18 || (multiply_adds >= 1 << 15 && !s.transpose_a && s.transpose_b && s.k >= 64);
}

/// c [rows, columns], `stride` elements from row to row
template <class T>
void set_rows(const T* bias, int64_t rows, int64_t columns, T* c, int64_t stride) {
  for (int64_t i = 0; i < rows; ++i) std::copy(bias, bias + columns, c + i * stride);
}
template <class T>
void activate(Activation activation, int64_t rows, int64_t columns, T* c, int64_t stride) {
  if (activation == Activation::none) return;
  for (int64_t i = 0; i < rows; ++i)
    for (T *at = c + i * stride, *end = at + columns; at < end; ++at) *at = *at < 0 ? T(0) : *at;
}

}  // namespace

template <class T>
void cpu::multiply(const Gemm& s, const T* a, const T* b, const T* bias, Activation activation, T* c) {
  const int64_t lda = s.transpose_a ? s.m : s.k, ldb = s.transpose_b ? s.k : s.n;
  if constexpr (std::is_same_v<T, float>)
    if (is_for_own_kernels(s))
      return gemm_tiles(s.transpose_a, s.transpose_b, s.m, s.n, s.k, a, lda, b, ldb, bias,
                        activation == Activation::relu, s.accumulate, c, s.n);
  const T beta = s.accumulate || bias ? T(1) : T(0);
  const bool by_rows = s.m >= s.n;
  parallel_for(by_rows ? s.m : s.n, slice_extent(s.m, s.n, s.k), [&](int64_t begin, int64_t end) {
    const int64_t rows = by_rows ? end - begin : s.m, columns = by_rows ? s.n : end - begin;
    const T* slice_a = by_rows ? a + (s.transpose_a ? begin : begin * lda) : a;
    const T* slice_b = by_rows ? b : b + (s.transpose_b ? begin * ldb : begin);
    T* slice = by_rows ? c + begin * s.n : c + begin;
    if (bias) set_rows(by_rows ? bias : bias + begin, rows, columns, slice, s.n);
    core::gemm(s.transpose_a, s.transpose_b, rows, columns, s.k, slice_a, lda, slice_b, ldb, beta, slice, s.n);
    activate(activation, rows, columns, slice, s.n);
  });
}
template void cpu::multiply(const Gemm&, const float*, const float*, const float*, Activation, float*);
template void cpu::multiply(const Gemm&, const double*, const double*, const double*, Activation, double*);

void CpuBackend::gemm(const Gemm& shape, const Tensor& a, const Tensor& b, const Tensor& bias, Activation activation,
                      Tensor& out) {
  if (out.numel() == 0) return;
  Gemm s = shape;
  if (!s.transpose_a && s.stride_b == 0 && s.stride_a == s.m * s.k) {  // one b for all: one tall product
    s.m *= s.batch;
    s.batch = 1;
  }
  dispatch_floating("matmul", out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T *from_a = cpu::read<T>(a), *from_b = cpu::read<T>(b),
            *start = bias.defined() ? cpu::read<T>(bias) : nullptr;
    T* to = cpu::write<T>(out);
    parallel_for(s.batch, cpu::grain_of(s.m * s.n * s.k / 16), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        cpu::multiply(s, from_a + i * s.stride_a, from_b + i * s.stride_b, start, activation, to + i * s.m * s.n);
    });
  });
}

}  // namespace minima::core
