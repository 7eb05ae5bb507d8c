// SPDX-License-Identifier: MIT
// Loads NCCL.
#include "core/nccl/library.h"

#include <dlfcn.h>

namespace minima::core::cuda {
namespace {

template <class Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

const Nccl* load() {
  void* library = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
  if (!library) return nullptr;
  static Nccl nccl;
  const bool complete =
      find(library, "ncclGetVersion", nccl.version) && find(library, "ncclGetUniqueId", nccl.unique_id) &&
      find(library, "ncclCommInitRank", nccl.join) && find(library, "ncclCommDestroy", nccl.leave) &&
      find(library, "ncclAllReduce", nccl.all_reduce) && find(library, "ncclBroadcast", nccl.broadcast) &&
      find(library, "ncclGetErrorString", nccl.error_text) && find(library, "ncclGetLastError", nccl.last_error);
  return complete ? &nccl : nullptr;
}

}  // namespace

const Nccl* find_nccl() {
  static const Nccl* const nccl = load();
  return nccl;
}

}  // namespace minima::core::cuda
