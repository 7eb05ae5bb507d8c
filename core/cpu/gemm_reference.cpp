// SPDX-License-Identifier: MIT
// gemm in plain loops, blocked so that the part of b in use stays in the first-level cache.
#include <algorithm>

#include "core/gemm.h"

namespace minima::core {

static constexpr int64_t block_k = 64, block_n = 128;

template <class T>
void gemm_reference(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const T* a, int64_t lda,
                    const T* b, int64_t ldb, T beta, T* c, int64_t ldc) {
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) c[i * ldc + j] = beta == 0 ? T(0) : beta * c[i * ldc + j];

  T packed[block_k * block_n];
  for (int64_t j0 = 0; j0 < n; j0 += block_n) {
    const int64_t width = std::min(block_n, n - j0);
    for (int64_t p0 = 0; p0 < k; p0 += block_k) {
      const int64_t depth = std::min(block_k, k - p0);
      for (int64_t p = 0; p < depth; ++p)
        for (int64_t j = 0; j < width; ++j)
          packed[p * block_n + j] = transpose_b ? b[(j0 + j) * ldb + p0 + p] : b[(p0 + p) * ldb + j0 + j];
      for (int64_t i = 0; i < m; ++i) {
        T* row = c + i * ldc + j0;
        for (int64_t p = 0; p < depth; ++p) {
          const T scale = transpose_a ? a[(p0 + p) * lda + i] : a[i * lda + p0 + p];
          for (int64_t j = 0; j < width; ++j) row[j] += scale * packed[p * block_n + j];
        }
      }
    }
  }
}

template void gemm_reference(bool, bool, int64_t, int64_t, int64_t, const float*, int64_t, const float*, int64_t, float,
                             float*, int64_t);
template void gemm_reference(bool, bool, int64_t, int64_t, int64_t, const double*, int64_t, const double*, int64_t,
                             double, double*, int64_t);

}  // namespace minima::core
