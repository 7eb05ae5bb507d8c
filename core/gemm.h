// SPDX-License-Identifier: MIT
// Matrix products of row-major matrices: gemm, the one seam to a matrix library, on the calling thread; and gemm_tiles,
// minima's own in float32, on all threads. The seam is filled by cpu/gemm_openblas.cpp or, without OpenBLAS
// (MINIMA_BLAS=reference), by cpu/gemm_plain.cpp. Not here: batches, and which of the two a product goes to
// (cpu/matrix.cpp), tensors.
#pragma once

#include <cstdint>
#include <string>

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::core {

/// c [m, n] = op(a) [m, k] op(b) [k, n] + beta * c. a is stored [m, k] or, transposed, [k, m]; b as [k, n] or [n, k];
/// lda, ldb, ldc are the distances between stored rows. With beta = 0, c is not read. Any extent may be 0.
/// T is float or double.
template <class T>
[[gnu::visibility("hidden")]] void gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const T* a,
                                        int64_t lda, const T* b, int64_t ldb, T beta, T* c, int64_t ldc);

/// The same in plain loops: the tests' oracle, and float64 in a build without a matrix library.
template <class T>
[[gnu::visibility("hidden")]] void gemm_reference(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
                                                  const T* a, int64_t lda, const T* b, int64_t ldb, T beta, T* c,
                                                  int64_t ldc);

/// c = activation(op(a) op(b) + bias (+ c when `accumulate`)) in float32 by minima's own kernels (cpu/gemm_tiles.cpp),
/// on all threads; bias [n] may be null.
void gemm_tiles(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float* a, int64_t lda,
                const float* b, int64_t ldb, const float* bias, bool relu, bool accumulate, float* c, int64_t ldc);

/// What fills the seam in this build, for reports: "OpenBLAS 0.3.21 (Haswell)" or "minima's own kernels".
std::string gemm_description();

}  // namespace minima::core
#pragma GCC visibility pop
