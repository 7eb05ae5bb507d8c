// SPDX-License-Identifier: MIT
// What stands in for the CUDA backend in a build without it: a clear error.
#include "core/backend.h"

namespace minima {

std::string cuda_unavailable_reason() { return "this build has no CUDA backend"; }

std::string core::cuda_description() { return ""; }

core::Backend& core::cuda_backend() {
  fail("device", "cuda, but " + cuda_unavailable_reason(), "a device of this build", "Use Device::cpu.");
}

}  // namespace minima
