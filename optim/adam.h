// Adam (Kingma & Ba, 2015) and AdamW (Loshchilov & Hutter, 2019). The rule is in core/update_rules.h. They differ in
// weight decay only: Adam adds weight_decay * weight to the gradient, AdamW shrinks the weights by 1 - lr *
// weight_decay.
#pragma once

#include "optim/optimizer.h"

namespace minima::optim {

/// lr > 0; beta1 (of the mean of gradients, the momentum) and beta2 (of the mean of squares) in [0, 1); epsilon > 0 is
/// added after the bias-corrected root; weight_decay >= 0.
struct AdamOptions {
  Schedule lr = 1e-3;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double weight_decay = 0;
  double max_gradient_norm = std::numeric_limits<double>::infinity();  ///< the rule sees the gradient scaled to this
};

class Adam : public BaseOptimizer {
 public:
  explicit Adam(std::vector<Variable> parameters, const AdamOptions& options = {});
  explicit Adam(const std::vector<Group>& groups, const AdamOptions& options = {});

 private:
  UpdateRule rule(const Hyperparameters& group, const Values& now) const override;
};

/// As AdamOptions, with PyTorch's default decay.
struct AdamWOptions {
  Schedule lr = 1e-3;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double weight_decay = 1e-2;
  double max_gradient_norm = std::numeric_limits<double>::infinity();
};

class AdamW : public BaseOptimizer {
 public:
  explicit AdamW(std::vector<Variable> parameters, const AdamWOptions& options = {});
  explicit AdamW(const std::vector<Group>& groups, const AdamWOptions& options = {});
  bool decay_in_gradient() const override { return false; }

 private:
  UpdateRule rule(const Hyperparameters& group, const Values& now) const override;
};

}  // namespace minima::optim
