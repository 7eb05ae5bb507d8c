// Stochastic gradient descent with momentum, and Nesterov's accelerated gradient. The rules are in
// core/update_rules.h. The convention is PyTorch's: the learning rate multiplies outside the velocity, so that a drop
// of the rate acts at once; the velocity is a sum (v = momentum * v + g), not a mean.
#pragma once

#include "optim/optimizer.h"

namespace minima::optim {

/// lr > 0; momentum and dampening in [0, 1); weight_decay >= 0 is added to the gradient as weight_decay * weight.
struct SgdOptions {
  Schedule lr = 0.1;
  Schedule momentum = 0;  ///< a constant 0 means no velocity at all
  double dampening =
      0;  ///< velocity = momentum * velocity + (1 - dampening) * g; g whole at first and without momentum
  double weight_decay = 0;
  double max_gradient_norm = std::numeric_limits<double>::infinity();  ///< the rule sees the gradient scaled to this
};

class SGD : public BaseOptimizer {
 public:
  explicit SGD(std::vector<Variable> parameters, const SgdOptions& options = {});
  explicit SGD(const std::vector<Group>& groups, const SgdOptions& options = {});

 private:
  UpdateRule rule(const Hyperparameters& group, const Values& now) const override;
};

/// As SgdOptions; momentum must be positive.
struct NesterovOptions {
  Schedule lr = 0.1;
  Schedule momentum = 0.9;
  double weight_decay = 0;
  double max_gradient_norm = std::numeric_limits<double>::infinity();
};

/// Nesterov (1983) in PyTorch's form: its weights are the look-ahead points w - lr * momentum * v of the original
/// method, exactly as long as lr and momentum are constant.
class Nesterov : public BaseOptimizer {
 public:
  explicit Nesterov(std::vector<Variable> parameters, const NesterovOptions& options = {});
  explicit Nesterov(const std::vector<Group>& groups, const NesterovOptions& options = {});

 private:
  UpdateRule rule(const Hyperparameters& group, const Values& now) const override;
};

}  // namespace minima::optim
