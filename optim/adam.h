// SPDX-License-Identifier: MIT
// Adam (Kingma & Ba, 2015) and AdamW (Loshchilov & Hutter, 2019). The rule is in core/update_rules.h. They differ in
// weight decay only: Adam adds weight_decay * weight to the gradient, AdamW multiplies the weights by 1 - lr *
// weight_decay.
#pragma once

#include <optional>

#include "optim/optimizer.h"

namespace minima::optim {

/// lr > 0; beta1 (of the mean of gradients, the momentum) and beta2 (of the mean of squares) in [0, 1) and constant;
/// epsilon > 0 is added after the bias-corrected root; weight_decay >= 0.
struct AdamOptions {
  Schedule lr = 1e-3;
  double beta1 = 0.9, beta2 = 0.999;
  Schedule epsilon = 1e-8;
  std::optional<Schedule> weight_decay{};                              ///< default: Adam 0, AdamW 0.01, as in PyTorch
  double max_gradient_norm = std::numeric_limits<double>::infinity();  ///< the rule sees the gradient scaled to this
};

/// The bias correction of a parameter counts the steps that this parameter has had: one that was frozen starts as a
/// new one does.
class Adam : public BaseOptimizer {
 public:
  explicit Adam(const ParameterGroups& groups, const AdamOptions& options = {});
  void update(const Tensor& gradient) override;
};

class AdamW : public BaseOptimizer {
 public:
  explicit AdamW(const ParameterGroups& groups, const AdamOptions& options = {});
  void update(const Tensor& gradient) override;
};

}  // namespace minima::optim
