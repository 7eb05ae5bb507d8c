// SPDX-License-Identifier: MIT
// The rules of optimizers on the GPU. Those of update_rules.h are there; a rule of one's own gets there by one line in
// a .cu file that nvcc compiles and that is linked to the program:
//   static const minima::core::cuda::OnCuda<SignumRule> signum_on_cuda;
#pragma once

#include <typeinfo>
#include <utility>

#include "core/cuda/fold.cuh"
#include "core/update_rules.h"

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::core::cuda {

/// AlongWithUpdate, as a kernel needs it: the pointers are of the device, and may be null.
struct AlongOnDevice {
  double move;
  const double* scale;
  double* squares;
};

/// A rule over n elements, compiled for the device: one function for each type of weights.
template <class T>
using RunRule = void (*)(const void* rule, int64_t n, T* weight, const T* grad, T* const* states, const AlongOnDevice&);
struct RuleKernel {
  RunRule<float> float32;
  RunRule<double> float64;
};
void register_rule(const std::type_info& rule, const RuleKernel& kernel);

/// The numbers of an update, which change from step to step.
template <class Rule>
struct Numbers {
  Rule rule;
  double move;
};

/// One pass over memory, which also adds up the squares of the first state where they are wanted.
template <class Rule, class T, size_t... state>
struct Update : DoubleSum {
  const Numbers<Rule>* numbers;  // on the device
  T* weight;
  const T* grad;
  T* states[sizeof...(state) + 1];
  bool moves;
  const double* scale;
  double* squares;

  Update(const Numbers<Rule>* numbers, T* weight, const T* grad, T* const* states, const AlongOnDevice& also)
      : numbers(numbers),
        weight(weight),
        grad(grad),
        states{states[state]..., nullptr},
        moves(also.move != 0),
        scale(also.scale),
        squares(also.squares) {}
  __device__ void operator()(int64_t i) const {
    if (moves) weight[i] += T(scale ? numbers->move * *scale : numbers->move) * states[0][i];
    numbers->rule(weight[i], grad[i], states[state][i]...);
  }
  __device__ void add(double& total, int64_t, int64_t i, int64_t) const {
    (*this)(i);
    total += static_cast<double>(states[0][i]) * static_cast<double>(states[0][i]);
  }
  __device__ void finish(int64_t, int64_t, double total) const { *squares = total; }
};

template <class Rule, class T, size_t... state>
void run_rule(const void* rule, int64_t n, T* weight, const T* grad, T* const* states, const AlongOnDevice& also,
              std::index_sequence<state...>) {
  const Numbers<Rule> numbers{*static_cast<const Rule*>(rule), also.move};
  const Update<Rule, T, state...> op(queue().parameter(numbers), weight, grad, states, also);
  if (also.squares)
    fold_vector(op, n);
  else
    for_each(n, op);
}

template <class Rule>
RuleKernel rule_kernel() {
  using States = std::make_index_sequence<detail::states_of<Rule>()>;
  return {[](const void* rule, int64_t n, float* weight, const float* grad, float* const* states,
             const AlongOnDevice& also) { run_rule<Rule>(rule, n, weight, grad, states, also, States{}); },
          [](const void* rule, int64_t n, double* weight, const double* grad, double* const* states,
             const AlongOnDevice& also) { run_rule<Rule>(rule, n, weight, grad, states, also, States{}); }};
}

template <class Rule>
struct OnCuda {
  OnCuda() { register_rule(typeid(Rule), rule_kernel<Rule>()); }
};

}  // namespace minima::core::cuda
#pragma GCC visibility pop
