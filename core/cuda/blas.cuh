// SPDX-License-Identifier: MIT
// The functions of cuBLAS that minima calls. They are loaded when the GPU is first used: linked, cuBLAS's hundreds of
// megabytes would cost every start of every program a tenth of a second, on machines without a GPU too.
#pragma once

#include <cublas_v2.h>

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::core::cuda {

struct Blas {
  decltype(&cublasCreate) create;
  decltype(&cublasSetStream) set_stream;
  decltype(&cublasSetMathMode) set_math_mode;
  decltype(&cublasSetWorkspace) set_workspace;
  decltype(&cublasGetStatusName) status_name;
  decltype(&cublasSgemm) multiply_float;
  decltype(&cublasDgemm) multiply_double;
  decltype(&cublasSgemmStridedBatched) multiply_float_batch;
  decltype(&cublasDgemmStridedBatched) multiply_double_batch;
};

/// Null where the library is not found; the emulated device has its own.
const Blas* find_blas();

}  // namespace minima::core::cuda
#pragma GCC visibility pop
