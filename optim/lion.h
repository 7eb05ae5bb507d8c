// SPDX-License-Identifier: MIT
// Lion (Chen et al., Symbolic Discovery of Optimization Algorithms, 2023, arXiv 2302.06675). The rule is in
// core/update_rules.h. Every weight moves by lr, whatever the size of its gradient, so lr is some ten times smaller and
// weight_decay ten times larger than AdamW's.
#pragma once

#include "optim/optimizer.h"

namespace minima::optim {

/// lr > 0; beta1 (of the average whose sign is taken) and beta2 (of the momentum that is kept) in [0, 1);
/// weight_decay >= 0 is decoupled, as AdamW's.
struct LionOptions {
  Schedule lr = 1e-4;
  Schedule beta1 = 0.9, beta2 = 0.99;
  Schedule weight_decay = 0;
  double max_gradient_norm = std::numeric_limits<double>::infinity();  ///< the rule sees the gradient scaled to this
};

class Lion : public BaseOptimizer {
 public:
  explicit Lion(const ParameterGroups& groups, const LionOptions& options = {});
  void update(const Tensor& gradient) override;
};

}  // namespace minima::optim
