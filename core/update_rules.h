// SPDX-License-Identifier: MIT
// The textbook rule of each optimizer, over one element, the same lines on CPU and GPU. Optimizers (optim/) choose the
// numbers; a backend runs the rule over flat buffers in one pass. A rule of one's own is such a struct, anywhere: its
// numbers, and operator()(weight, grad, states...) with up to six state elements.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "core/host_device.h"

namespace minima::core {

/// Stochastic gradient descent with momentum. The learning rate stays outside the velocity, as in PyTorch.
///   g        = grad + weight_decay * weight
///   velocity = momentum * velocity + (1 - dampening) * g        (the first step: velocity = g)
///   weight  -= lr * velocity
struct SgdRule {
  double lr, momentum, dampening, weight_decay;

  template <class T>
  MINIMA_HOST_DEVICE void operator()(T& weight, T grad, T& velocity) const {
    // BEGIN SOLUTION 3
    T g = grad + T(weight_decay) * weight;
    velocity = T(momentum) * velocity + T(1 - dampening) * g;
    weight -= T(lr) * velocity;
    // END SOLUTION
  }
};

/// Nesterov's accelerated gradient in PyTorch's form, whose weights are the look-ahead weights.
///   g        = grad + weight_decay * weight
///   velocity = momentum * velocity + g
///   weight  -= lr * (g + momentum * velocity)
struct NesterovRule {
  double lr, momentum, weight_decay;

  template <class T>
  MINIMA_HOST_DEVICE void operator()(T& weight, T grad, T& velocity) const {
    // BEGIN SOLUTION 3
    T g = grad + T(weight_decay) * weight;
    velocity = T(momentum) * velocity + g;
    weight -= T(lr) * (g + T(momentum) * velocity);
    // END SOLUTION
  }
};

/// Adam (Kingma & Ba, 2015) and, with decoupled decay, AdamW (Loshchilov & Hutter, 2019).
///   Adam : g = grad + weight_decay * weight           AdamW: weight *= 1 - lr * weight_decay, g = grad
///   m = beta1 * m + (1 - beta1) * g
///   s = beta2 * s + (1 - beta2) * g^2
///   weight -= lr * (m / correction1) / (sqrt(s / correction2) + epsilon)
/// with correction_i = 1 - beta_i^t, t = 1 at the first step.
struct AdamRule {
  double lr, beta1, beta2, epsilon, weight_decay;
  double correction1, correction2;
  bool decoupled;

  template <class T>
  MINIMA_HOST_DEVICE void operator()(T& weight, T grad, T& m, T& s) const {
    // BEGIN SOLUTION 4
    if (decoupled) weight *= T(1 - lr * weight_decay);
    T g = decoupled ? grad : grad + T(weight_decay) * weight;
    m = T(beta1) * m + T(1 - beta1) * g;
    s = T(beta2) * s + T(1 - beta2) * g * g;
    using std::sqrt;
    weight -= T(lr / correction1) * m / (sqrt(s * T(1 / correction2)) + T(epsilon));
    // END SOLUTION
  }
};

/// RMSprop (Tieleman & Hinton, 2012), with momentum as in PyTorch: the velocity sums scaled gradients.
///   g        = grad + weight_decay * weight
///   squares  = alpha * squares + (1 - alpha) * g^2
///   velocity = momentum * velocity + g / (sqrt(squares) + epsilon)
///   weight  -= lr * velocity
struct RmsPropRule {
  double lr, alpha, epsilon, momentum, weight_decay;

  template <class T>
  MINIMA_HOST_DEVICE void operator()(T& weight, T grad, T& velocity, T& squares) const {
    T g = grad + T(weight_decay) * weight;
    squares = T(alpha) * squares + T(1 - alpha) * g * g;
    using std::sqrt;
    velocity = T(momentum) * velocity + g / (sqrt(squares) + T(epsilon));
    weight -= T(lr) * velocity;
  }
};

/// Adagrad (Duchi, Hazan & Singer, 2011): the squares are a sum, so that steps only become shorter.
///   g        = grad + weight_decay * weight
///   squares += g^2
///   weight  -= lr * g / (sqrt(squares) + epsilon)
struct AdagradRule {
  double lr, epsilon, weight_decay;

  template <class T>
  MINIMA_HOST_DEVICE void operator()(T& weight, T grad, T& squares) const {
    T g = grad + T(weight_decay) * weight;
    squares += g * g;
    using std::sqrt;
    weight -= T(lr) * g / (sqrt(squares) + T(epsilon));
  }
};

/// Lion (Chen et al., 2023): the sign of an average of momentum and gradient, with decoupled decay.
///   c       = beta1 * m + (1 - beta1) * grad
///   weight -= lr * (sign(c) + weight_decay * weight)
///   m       = beta2 * m + (1 - beta2) * grad
struct LionRule {
  double lr, beta1, beta2, weight_decay;

  template <class T>
  MINIMA_HOST_DEVICE void operator()(T& weight, T grad, T& m) const {
    const T c = T(beta1) * m + T(1 - beta1) * grad;
    weight -= T(lr) * (T((c > 0) - (c < 0)) + T(weight_decay) * weight);
    m = T(beta2) * m + T(1 - beta2) * grad;
  }
};

/// Plain gradient descent: no state.
struct GradientDescentRule {
  double lr, weight_decay;

  template <class T>
  MINIMA_HOST_DEVICE void operator()(T& weight, T grad) const {
    // BEGIN SOLUTION 3
    weight -= T(lr) * (grad + T(weight_decay) * weight);
    // END SOLUTION
  }
};

/// A mean of weights that is kept up while they move, over the average in place of the weight. With share = 1 / n in
/// the n-th update it is the plain mean, with a constant share an exponential moving average.
///   average += share * (weight - average)
struct AverageRule {
  double share;

  template <class T>
  MINIMA_HOST_DEVICE void operator()(T& average, T weight) const {
    average += T(share) * (weight - average);
  }
};

/// Any rule, as a backend gets it: a backend knows neither the rules nor their number.
struct UpdateKernel {
  static constexpr int most_states = 6;

  const void* rule;            ///< the rule's struct; it must outlive the call
  const std::type_info* type;  ///< of the rule: a device that cannot run `float32` finds its own kernel by it
  int states;                  ///< how many state elements the rule takes
  /// The rule on elements [begin, end) of weight, grad and states, compiled for the CPU.
  void (*float32)(const void* rule, float*, const float*, float* const*, int64_t begin, int64_t end);
  void (*float64)(const void* rule, double*, const double*, double* const*, int64_t begin, int64_t end);

  void run(float* weight, const float* grad, float* const* states, int64_t begin, int64_t end) const {
    float32(rule, weight, grad, states, begin, end);
  }
  void run(double* weight, const double* grad, double* const* states, int64_t begin, int64_t end) const {
    float64(rule, weight, grad, states, begin, end);
  }
};

namespace detail {

template <class Rule, class Indices>
inline constexpr bool takes = false;
template <class Rule, size_t... i>
inline constexpr bool takes<Rule, std::index_sequence<i...>> =
    std::is_invocable_v<const Rule&, double&, double, decltype(double(i), std::declval<double&>())...>;

/// How many state elements a rule takes: written in its signature.
template <class Rule, int n = 0>
constexpr int states_of() {
  static_assert(n <= UpdateKernel::most_states, "a rule is operator()(weight, grad, states...), const, up to 6 states");
  if constexpr (takes<Rule, std::make_index_sequence<n>>)
    return n;
  else
    return states_of<Rule, n + 1>();
}

template <class Rule, class T, size_t... i>
MINIMA_VECTOR_LOOP void run_rule(const void* given, T* weight, const T* grad, T* const* states, int64_t begin,
                                 int64_t end) {
  const Rule rule = *static_cast<const Rule*>(given);  // a copy: its numbers are converted once, before the loop
  T* const memory[] = {states[i]..., nullptr};
  for (int64_t k = begin; k < end; ++k) rule(weight[k], grad[k], memory[i][k]...);
}

template <class Rule, size_t... i>
UpdateKernel kernel_of(const Rule& rule, std::index_sequence<i...>) {
  return {&rule, &typeid(Rule), sizeof...(i), run_rule<Rule, float, i...>, run_rule<Rule, double, i...>};
}

}  // namespace detail

template <class Rule>
UpdateKernel kernel_of(const Rule& rule) {
  return detail::kernel_of(rule, std::make_index_sequence<detail::states_of<Rule>()>());
}

}  // namespace minima::core
