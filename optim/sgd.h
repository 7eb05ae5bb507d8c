// SPDX-License-Identifier: MIT
// Stochastic gradient descent with momentum, and Nesterov's accelerated gradient. The rules are in
// core/update_rules.h. The convention is PyTorch's: the learning rate multiplies outside the velocity, so that a drop
// of the rate acts at once; the velocity is a sum (v = momentum * v + g), not a mean.
#pragma once

#include <optional>

#include "optim/optimizer.h"

namespace minima::optim {

/// lr > 0; momentum and dampening in [0, 1); weight_decay >= 0 is added to the gradient as weight_decay * weight.
struct SgdOptions {
  Schedule lr = 0.1;
  std::optional<Schedule> momentum{};  ///< default: SGD 0, Nesterov 0.9. SGD with a constant 0 has no velocity at all
  /// SGD only: velocity = momentum * velocity + (1 - dampening) * g; g whole at first and without momentum.
  Schedule dampening = 0;
  Schedule weight_decay = 0;
  double max_gradient_norm = std::numeric_limits<double>::infinity();  ///< the rule sees the gradient scaled to this
};

class SGD : public BaseOptimizer {
 public:
  explicit SGD(const ParameterGroups& groups, const SgdOptions& options = {});
  void update(const Tensor& gradient) override;
};

/// Nesterov (1983) in PyTorch's form: its weights are the look-ahead points w - lr * momentum * v of the original
/// method, exactly as long as lr and momentum are constant. Its momentum must be positive.
class Nesterov : public BaseOptimizer {
 public:
  explicit Nesterov(const ParameterGroups& groups, const SgdOptions& options = {});
  void update(const Tensor& gradient) override;
};

}  // namespace minima::optim
