// SPDX-License-Identifier: MIT
// Optimizer rules over flat buffers: one pass over memory.
#include <cxxabi.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <typeindex>

#include "core/cuda/cuda_backend.h"
#include "core/cuda/rules.cuh"

namespace minima::core {

using namespace cuda;

namespace cuda {
namespace {

struct Rules {
  std::mutex mutex;
  std::map<std::type_index, RuleKernel> kernels{
      {typeid(SgdRule), rule_kernel<SgdRule>()},
      {typeid(NesterovRule), rule_kernel<NesterovRule>()},
      {typeid(AdamRule), rule_kernel<AdamRule>()},
      {typeid(RmsPropRule), rule_kernel<RmsPropRule>()},
      {typeid(AdagradRule), rule_kernel<AdagradRule>()},
      {typeid(LionRule), rule_kernel<LionRule>()},
      {typeid(GradientDescentRule), rule_kernel<GradientDescentRule>()},
      {typeid(AverageRule), rule_kernel<AverageRule>()},
  };
};

Rules& rules() {
  static Rules& all = *new Rules;
  return all;
}

/// As it is written in C++.
std::string name_of(const std::type_info& type) {
  char* readable = abi::__cxa_demangle(type.name(), nullptr, nullptr, nullptr);
  const std::string name = readable ? readable : type.name();
  std::free(readable);
  return name;
}

RuleKernel kernel_of_type(const std::type_info& type) {
  Rules& all = rules();
  std::lock_guard lock(all.mutex);
  const auto found = all.kernels.find(type);
  if (found == all.kernels.end())
    fail("update", text("the rule ", name_of(type), " on the GPU"), "a rule that was compiled for it",
         text("Put a line  static const minima::core::cuda::OnCuda<", name_of(type),
              "> on_cuda;  into a .cu file of your program (docs/gpu.md), or train on Device::cpu."));
  return found->second;
}

}  // namespace

void register_rule(const std::type_info& rule, const RuleKernel& kernel) {
  Rules& all = rules();
  std::lock_guard lock(all.mutex);
  all.kernels[rule] = kernel;
}

}  // namespace cuda

void CudaBackend::update(const UpdateKernel& rule, Tensor& weight, const Tensor& grad, Tensor* states,
                         const AlongWithUpdate& also) {
  const RuleKernel kernel = kernel_of_type(*rule.type);  // an error before anything has moved
  Tensor squares = also.squares;
  const AlongOnDevice along{also.move, also.scale.defined() ? read<double>(also.scale) : nullptr,
                            squares.defined() ? write<double>(squares) : nullptr};
  dispatch_floating("update", weight.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* memory[UpdateKernel::most_states];
    for (int i = 0; i < rule.states; ++i) memory[i] = write<T>(states[i]);
    if constexpr (std::is_same_v<T, float>)
      kernel.float32(rule.rule, weight.numel(), write<T>(weight), read<T>(grad), memory, along);
    else
      kernel.float64(rule.rule, weight.numel(), write<T>(weight), read<T>(grad), memory, along);
  });
}

}  // namespace minima::core
