// The one seam to a matrix library: c = op(a) op(b) + beta c for row-major matrices, on the calling thread.
// Filled by cpu/gemm_openblas.cpp or, without OpenBLAS (MINIMA_BLAS=reference), by cpu/gemm_plain.cpp.
// Not here: batches and threads (cpu/matrix.cpp), tensors.
#pragma once

#include <cstdint>
#include <string>

namespace minima::core {

/// c [m, n] = op(a) [m, k] op(b) [k, n] + beta * c. a is stored [m, k] or, transposed, [k, m]; b as [k, n] or [n, k];
/// lda, ldb, ldc are the distances between stored rows. With beta = 0, c is not read. Any extent may be 0.
/// T is float or double.
template <class T>
void gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const T* a, int64_t lda, const T* b,
          int64_t ldb, T beta, T* c, int64_t ldc);

/// The same in plain loops: the tests' oracle, and all that a build without a matrix library needs.
template <class T>
void gemm_reference(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const T* a, int64_t lda,
                    const T* b, int64_t ldb, T beta, T* c, int64_t ldc);

/// What fills the seam in this build, for reports: "OpenBLAS 0.3.21 (Haswell)" or "plain loops".
std::string gemm_description();

}  // namespace minima::core
