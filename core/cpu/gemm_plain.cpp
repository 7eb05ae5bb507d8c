// SPDX-License-Identifier: MIT
// gemm without a matrix library: minima's own kernels for float32, the reference loops for float64 and for a few rows,
// for which b is hardly worth packing.
#include <type_traits>

#include "core/gemm.h"

namespace minima::core {

template <class T>
void gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const T* a, int64_t lda, const T* b,
          int64_t ldb, T beta, T* c, int64_t ldc) {
  constexpr int64_t enough_rows = 8;
  if constexpr (std::is_same_v<T, float>)
    if (m >= enough_rows && (beta == 0 || beta == 1))
      return gemm_tiles(transpose_a, transpose_b, m, n, k, a, lda, b, ldb, nullptr, false, beta == 1, c, ldc);
  gemm_reference(transpose_a, transpose_b, m, n, k, a, lda, b, ldb, beta, c, ldc);
}

template void gemm(bool, bool, int64_t, int64_t, int64_t, const float*, int64_t, const float*, int64_t, float, float*,
                   int64_t);
template void gemm(bool, bool, int64_t, int64_t, int64_t, const double*, int64_t, const double*, int64_t, double,
                   double*, int64_t);

std::string gemm_description() { return "minima's own kernels"; }

}  // namespace minima::core
