// SPDX-License-Identifier: MIT
// The rules of optimizers on the GPU. Those of update_rules.h are there; a rule of one's own gets there by one line in
// a .cu file that nvcc compiles and that is linked to the program:
//   static const minima::core::cuda::OnCuda<SignumRule> signum_on_cuda;
#pragma once

#include <typeinfo>
#include <utility>

#include "core/cuda/launch.cuh"
#include "core/update_rules.h"

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::core::cuda {

/// A rule over n elements, compiled for the device: one function for each type of weights.
struct RuleKernel {
  void (*float32)(const void* rule, int64_t n, float* weight, const float* grad, float* const* states);
  void (*float64)(const void* rule, int64_t n, double* weight, const double* grad, double* const* states);
};
void register_rule(const std::type_info& rule, const RuleKernel& kernel);

template <class Rule, class T, size_t... state>
struct Update {
  const Rule* rule;  // on the device: its numbers change from step to step
  T* weight;
  const T* grad;
  T* states[sizeof...(state) + 1];
  __device__ void operator()(int64_t i) const { (*rule)(weight[i], grad[i], states[state][i]...); }
};

template <class Rule, class T, size_t... state>
void run_rule(const void* rule, int64_t n, T* weight, const T* grad, T* const* states, std::index_sequence<state...>) {
  for_each(n, Update<Rule, T, state...>{
                  queue().parameter(*static_cast<const Rule*>(rule)), weight, grad, {states[state]..., nullptr}});
}

template <class Rule>
RuleKernel rule_kernel() {
  using States = std::make_index_sequence<detail::states_of<Rule>()>;
  return {[](const void* rule, int64_t n, float* weight, const float* grad, float* const* states) {
            run_rule<Rule>(rule, n, weight, grad, states, States{});
          },
          [](const void* rule, int64_t n, double* weight, const double* grad, double* const* states) {
            run_rule<Rule>(rule, n, weight, grad, states, States{});
          }};
}

template <class Rule>
struct OnCuda {
  OnCuda() { register_rule(typeid(Rule), rule_kernel<Rule>()); }
};

}  // namespace minima::core::cuda
#pragma GCC visibility pop
