// cuBLAS of the emulated device: its rules about arguments, and minima's own product behind them.
#include <cublas_v2.h>

#include <cstdlib>

#include "core/cuda/blas.cuh"
#include "core/gemm.h"
#include "tests/emulation/machine.h"

using namespace minima::emulation;

struct cublasContext {
  cudaStream_t stream = nullptr;
  cublasPointerMode_t mode = CUBLAS_POINTER_MODE_HOST;
};

namespace {

void check_scalar(const cublasContext& handle, const void* scalar) {
  if (is_device(scalar) != (handle.mode == CUBLAS_POINTER_MODE_DEVICE))
    stop("a scalar of cuBLAS lies on the %s, and the pointer mode says otherwise",
         is_device(scalar) ? "device" : "host");
}

/// Elements from the first to the last of a matrix whose columns lie `ld` apart.
int64_t extent(int rows, int columns, int ld) {
  return rows > 0 && columns > 0 ? static_cast<int64_t>(columns - 1) * ld + rows : 0;
}

template <class T>
cublasStatus_t multiply(cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k,
                        const T* alpha, const T* a, int lda, long long stride_a, const T* b, int ldb,
                        long long stride_b, const T* beta, T* c, int ldc, long long stride_c, int batch) {
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (is_lost()) return CUBLAS_STATUS_EXECUTION_FAILED;
  const bool transpose_a = ta == CUBLAS_OP_T, transpose_b = tb == CUBLAS_OP_T;
  const int a_rows = transpose_a ? k : m, a_columns = transpose_a ? m : k;
  const int b_rows = transpose_b ? n : k, b_columns = transpose_b ? k : n;
  if (m < 0 || n < 0 || k < 0 || batch < 0 || lda < std::max(1, a_rows) || ldb < std::max(1, b_rows) ||
      ldc < std::max(1, m))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (m == 0 || n == 0 || batch == 0) return CUBLAS_STATUS_SUCCESS;
  check_scalar(*handle, alpha);
  check_scalar(*handle, beta);
  if (handle->mode == CUBLAS_POINTER_MODE_DEVICE || *alpha != T(1)) stop("gemm: alpha other than 1 is not emulated");
  for (int i = 0; i < batch; ++i) {
    check_range(a + i * stride_a, static_cast<size_t>(extent(a_rows, a_columns, lda)) * sizeof(T), "gemm: A");
    check_range(b + i * stride_b, static_cast<size_t>(extent(b_rows, b_columns, ldb)) * sizeof(T), "gemm: B");
    check_range(c + i * stride_c, static_cast<size_t>(extent(m, n, ldc)) * sizeof(T), "gemm: C");
  }
  if (batch > 1 && std::llabs(stride_c) < extent(m, n, ldc)) stop("gemm: matrices of a batch of C overlap");
  const T beta_now = *beta;
  // Column by column, C = op(A) op(B) is, row by row, C' = op(B)' op(A)'.
  const auto product = [=] {
    for (int i = 0; i < batch; ++i)
      minima::core::gemm<T>(transpose_b, transpose_a, n, m, k, b + i * stride_b, ldb, a + i * stride_a, lda, beta_now,
                            c + i * stride_c, ldc);
    check_canaries();
  };
  enqueue(handle->stream, product, /*is_kernel=*/true);
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace

const char* cublasGetStatusName(cublasStatus_t status) {
  return status == CUBLAS_STATUS_SUCCESS         ? "CUBLAS_STATUS_SUCCESS"
         : status == CUBLAS_STATUS_INVALID_VALUE ? "CUBLAS_STATUS_INVALID_VALUE"
                                                 : "CUBLAS_STATUS_EXECUTION_FAILED";
}
cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  *handle = new cublasContext;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetMathMode(cublasHandle_t, cublasMath_t) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t mode) {
  handle->mode = mode;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t, void* workspace, size_t bytes) {
  check_range(workspace, bytes, "the workspace of cuBLAS");
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k,
                              const float* alpha, const float* a, int lda, const float* b, int ldb, const float* beta,
                              float* c, int ldc) {
  return multiply(handle, ta, tb, m, n, k, alpha, a, lda, 0, b, ldb, 0, beta, c, ldc, 0, 1);
}
cublasStatus_t cublasDgemm_v2(cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k,
                              const double* alpha, const double* a, int lda, const double* b, int ldb,
                              const double* beta, double* c, int ldc) {
  return multiply(handle, ta, tb, m, n, k, alpha, a, lda, 0, b, ldb, 0, beta, c, ldc, 0, 1);
}
cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb, int m,
                                         int n, int k, const float* alpha, const float* a, int lda, long long stride_a,
                                         const float* b, int ldb, long long stride_b, const float* beta, float* c,
                                         int ldc, long long stride_c, int batch) {
  return multiply(handle, ta, tb, m, n, k, alpha, a, lda, stride_a, b, ldb, stride_b, beta, c, ldc, stride_c, batch);
}
cublasStatus_t cublasDgemmStridedBatched(cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb, int m,
                                         int n, int k, const double* alpha, const double* a, int lda,
                                         long long stride_a, const double* b, int ldb, long long stride_b,
                                         const double* beta, double* c, int ldc, long long stride_c, int batch) {
  return multiply(handle, ta, tb, m, n, k, alpha, a, lda, stride_a, b, ldb, stride_b, beta, c, ldc, stride_c, batch);
}

namespace minima::core::cuda {
const Blas* find_blas() {
  static const Blas blas{cublasCreate,       cublasSetStream,           cublasSetMathMode,
                         cublasSetWorkspace, cublasGetStatusName,       cublasSgemm,
                         cublasDgemm,        cublasSgemmStridedBatched, cublasDgemmStridedBatched};
  return &blas;
}
}  // namespace minima::core::cuda
