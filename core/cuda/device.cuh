// SPDX-License-Identifier: MIT
// The one GPU of this process: its stream, its cuBLAS handle, and how errors of CUDA become errors of minima.
// Not here: kernels (launch.cuh).
#pragma once

#include <cuda_runtime.h>

#include "core/cuda/blas.cuh"
#include "core/tensor.h"

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::core::cuda {

/// What a kernel could not say by an exception: an index that is out of range. It is written by the first kernel that
/// meets one and thrown by the next call that waits for the device.
struct Fault {
  int64_t index, position, end;  ///< values[position] == index, which is not in [0, end)
  int present;
};

struct DeviceState {
  cudaStream_t stream = nullptr;
  const Blas* blas = nullptr;
  cublasHandle_t handle = nullptr;  ///< of cuBLAS
  Fault* fault = nullptr;           ///< host memory that kernels can write to
  unsigned* reported = nullptr;     ///< device memory: whether a fault has been written
};

/// Set up at the first call; an error where cuda_unavailable_reason() gives one.
DeviceState& device();

/// Throws unless the call succeeded.
void check(cudaError_t error, const char* call);
void check(cublasStatus_t status, const char* call);
#define MINIMA_CUDA(call) ::minima::core::cuda::check((call), #call)

/// Where kernels put an index that is out of range.
struct FaultReport {
  Fault* fault;
  unsigned* reported;

  FaultReport() : fault(device().fault), reported(device().reported) {}
  __device__ void operator()(int64_t index, int64_t position, int64_t end) const {
    if (atomicCAS(reported, 0u, 1u) != 0) return;
    fault->index = index, fault->position = position, fault->end = end;
    fault->present = 1;
  }
};

}  // namespace minima::core::cuda
#pragma GCC visibility pop
