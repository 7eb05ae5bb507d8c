// Optimizer rules over flat buffers: one pass over memory.
#include <type_traits>

#include "core/cpu/cpu_backend.h"

namespace minima::core {
namespace {

/// Runs the rule on elements [begin, end); how many states it takes is written in its signature. The rule comes by
/// value, so that its constants are converted once, before the loop.
template <class T, class Rule>
void run(Rule rule, T* weight, const T* grad, Tensor* states, int64_t begin, int64_t end) {
  if constexpr (std::is_invocable_v<Rule, T&, T>) {
    for (int64_t i = begin; i < end; ++i) rule(weight[i], grad[i]);
  } else if constexpr (std::is_invocable_v<Rule, T&, T, T&>) {
    T* first = cpu::write<T>(states[0]);
    for (int64_t i = begin; i < end; ++i) rule(weight[i], grad[i], first[i]);
  } else {
    T *first = cpu::write<T>(states[0]), *second = cpu::write<T>(states[1]);
    for (int64_t i = begin; i < end; ++i) rule(weight[i], grad[i], first[i], second[i]);
  }
}

}  // namespace

void CpuBackend::update(const UpdateRule& rule, Tensor& weight, const Tensor& grad, Tensor* states) {
  dispatch_floating("update", weight.dtype(), [&](auto zero) {
    using T = decltype(zero);
    std::visit(
        [&](const auto& r) {
          parallel_for(weight.numel(), cpu::grain, [&](int64_t begin, int64_t end) {
            run(r, cpu::write<T>(weight), cpu::read<T>(grad), states, begin, end);
          });
        },
        rule);
  });
}

}  // namespace minima::core
