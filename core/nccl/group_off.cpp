// SPDX-License-Identifier: MIT
// What stands in for NCCL in a build without it: a clear error.
#include "core/nccl/group.h"

namespace minima {

std::string core::nccl_description() { return "this build has no NCCL"; }

void core::join_gpus(std::unique_ptr<Communicator>&) {
  fail("distributed", "--device cuda in a build without NCCL", "one with it",
       "Install CUDA and NCCL (NVIDIA's packages: cuda-toolkit and libnccl-dev), then build again with "
       "-DMINIMA_USE_NCCL=ON. Or use --device cpu.");
}

}  // namespace minima
