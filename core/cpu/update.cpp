// Optimizer rules over flat buffers: one pass over memory.
#include "core/cpu/cpu_backend.h"

namespace minima::core {

void CpuBackend::update(const UpdateKernel& rule, Tensor& weight, const Tensor& grad, Tensor* states) {
  dispatch_floating("update", weight.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* memory[UpdateKernel::most_states];
    for (int i = 0; i < rule.states; ++i) memory[i] = cpu::write<T>(states[i]);
    parallel_for(weight.numel(), cpu::grain, [&](int64_t begin, int64_t end) {
      rule.run(cpu::write<T>(weight), cpu::read<T>(grad), memory, begin, end);
    });
  });
}

}  // namespace minima::core
