// SPDX-License-Identifier: MIT
// RMSprop (Tieleman & Hinton, 2012) and Adagrad (Duchi, Hazan & Singer, 2011): each weight's step is divided by the
// root of its gradients' squares, a running mean of them or their sum. The rules are in core/update_rules.h.
#pragma once

#include "optim/optimizer.h"

namespace minima::optim {

/// lr > 0; alpha (of the mean of squares) and momentum in [0, 1); epsilon > 0 is added after the root; weight_decay >=
/// 0 is added to the gradient as weight_decay * weight. The mean of squares starts at 0 and is not corrected for that.
struct RmsPropOptions {
  Schedule lr = 1e-2;
  Schedule alpha = 0.99;
  Schedule epsilon = 1e-8;
  Schedule momentum = 0;  ///< with a constant 0 there is no momentum for MSAM to follow
  Schedule weight_decay = 0;
  double max_gradient_norm = std::numeric_limits<double>::infinity();  ///< the rule sees the gradient scaled to this
};

/// PyTorch's, without its option `centered`. Its velocity is a sum of scaled gradients, the direction of the update.
class RMSprop : public BaseOptimizer {
 public:
  explicit RMSprop(const ParameterGroups& groups, const RmsPropOptions& options = {});
  void update(const Tensor& gradient) override;
};

/// lr > 0; epsilon > 0 is added after the root; weight_decay >= 0 is added to the gradient as weight_decay * weight.
struct AdagradOptions {
  Schedule lr = 1e-2;
  Schedule epsilon = 1e-10;
  Schedule weight_decay = 0;
  double max_gradient_norm = std::numeric_limits<double>::infinity();  ///< the rule sees the gradient scaled to this
};

/// PyTorch's, whose lr_decay is a schedule of lr here. It has no momentum.
class Adagrad : public BaseOptimizer {
 public:
  explicit Adagrad(const ParameterGroups& groups, const AdagradOptions& options = {});
  void update(const Tensor& gradient) override;
};

}  // namespace minima::optim
