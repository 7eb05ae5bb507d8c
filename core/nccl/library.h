// SPDX-License-Identifier: MIT
// The functions of NCCL that minima calls. They are loaded when they are first needed, as cuBLAS is: linked, NCCL's
// hundreds of megabytes would be mapped at every start of a program, on machines without a GPU too.
#pragma once

#include <nccl.h>

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::core::cuda {

struct Nccl {
  decltype(&ncclGetVersion) version;
  decltype(&ncclGetUniqueId) unique_id;
  decltype(&ncclCommInitRank) join;
  decltype(&ncclCommDestroy) leave;
  decltype(&ncclAllReduce) all_reduce;
  decltype(&ncclBroadcast) broadcast;
  decltype(&ncclGetErrorString) error_text;
  decltype(&ncclGetLastError) last_error;
};

/// Null where the library is not found; the emulated device has its own.
const Nccl* find_nccl();

}  // namespace minima::core::cuda
#pragma GCC visibility pop
