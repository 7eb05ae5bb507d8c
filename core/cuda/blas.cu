// SPDX-License-Identifier: MIT
// Loads cuBLAS.
#include "core/cuda/blas.cuh"

#include <cuda_runtime.h>
#include <dlfcn.h>

#include <string>

namespace minima::core::cuda {
namespace {

template <class Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

const Blas* load() {
  // The major version is that of CUDA. The folder is that of the CUDA runtime, which the program is linked to.
  const std::string name = "libcublas.so." + std::to_string(CUDART_VERSION / 1000);
  void* library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) return nullptr;
  static Blas blas;
  const bool complete =
      find(library, "cublasCreate_v2", blas.create) && find(library, "cublasSetStream_v2", blas.set_stream) &&
      find(library, "cublasSetMathMode", blas.set_math_mode) &&
      find(library, "cublasSetWorkspace_v2", blas.set_workspace) &&
      find(library, "cublasGetStatusName", blas.status_name) && find(library, "cublasSgemm_v2", blas.multiply_float) &&
      find(library, "cublasDgemm_v2", blas.multiply_double) &&
      find(library, "cublasSgemmStridedBatched", blas.multiply_float_batch) &&
      find(library, "cublasDgemmStridedBatched", blas.multiply_double_batch);
  return complete ? &blas : nullptr;
}

}  // namespace

const Blas* find_blas() {
  static const Blas* const blas = load();
  return blas;
}

}  // namespace minima::core::cuda
