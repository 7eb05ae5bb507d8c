// SPDX-License-Identifier: MIT
#include "optim/lion.h"

namespace minima::optim {

Lion::Lion(const ParameterGroups& groups, const LionOptions& options)
    : BaseOptimizer("lion", groups,
                    {{"lr", options.lr, Range::learning_rate},
                     {"beta1", options.beta1, Range::below_1},
                     {"beta2", options.beta2, Range::below_1},
                     {"weight_decay", options.weight_decay}},
                    {"m"}, options.max_gradient_norm) {
  kept().decay_in_gradient = false;
}

void Lion::update(const Tensor& gradient) {
  apply(kept(), gradient, [](const RuleContext& now) {
    return core::LionRule{
        .lr = now["lr"], .beta1 = now["beta1"], .beta2 = now["beta2"], .weight_decay = now["weight_decay"]};
  });
}

}  // namespace minima::optim
