#include "core/backend.h"

#include "core/cpu/cpu_backend.h"

namespace minima::core {

Backend& backend(Device device) {
  // Never destroyed: tensors with static lifetime return their memory after main.
  static CpuBackend& cpu = *new CpuBackend;
  return device == Device::cpu ? cpu : cuda_backend();
}

}  // namespace minima::core
