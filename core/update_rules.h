// The textbook rule of each optimizer, over one element, the same lines on CPU and GPU. Optimizers (optim/) choose the
// numbers; a backend runs the rule over flat buffers in one pass.
#pragma once

#include <cmath>
#include <variant>

#include "core/host_device.h"

namespace minima {

/// Stochastic gradient descent with momentum. The learning rate stays outside the velocity, as in PyTorch.
///   g        = grad + weight_decay * weight
///   velocity = momentum * velocity + (1 - dampening) * g        (the first step: velocity = g)
///   weight  -= lr * velocity
struct SgdRule {
  double lr, momentum, dampening, weight_decay;

  template <class T>
  MINIMA_HOST_DEVICE void operator()(T& weight, T grad, T& velocity) const {
    T g = grad + T(weight_decay) * weight;
    velocity = T(momentum) * velocity + T(1 - dampening) * g;
    weight -= T(lr) * velocity;
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
    T g = grad + T(weight_decay) * weight;
    velocity = T(momentum) * velocity + g;
    weight -= T(lr) * (g + T(momentum) * velocity);
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
    if (decoupled) weight *= T(1 - lr * weight_decay);
    T g = decoupled ? grad : grad + T(weight_decay) * weight;
    m = T(beta1) * m + T(1 - beta1) * g;
    s = T(beta2) * s + T(1 - beta2) * g * g;
    using std::sqrt;
    weight -= T(lr / correction1) * m / (sqrt(s) / T(sqrt(correction2)) + T(epsilon));
  }
};

/// Plain gradient descent: no state.
struct GradientDescentRule {
  double lr, weight_decay;

  template <class T>
  MINIMA_HOST_DEVICE void operator()(T& weight, T grad) const {
    weight -= T(lr) * (grad + T(weight_decay) * weight);
  }
};

using UpdateRule = std::variant<GradientDescentRule, SgdRule, NesterovRule, AdamRule>;

}  // namespace minima
