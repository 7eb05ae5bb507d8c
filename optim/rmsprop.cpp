// SPDX-License-Identifier: MIT
#include "optim/rmsprop.h"

namespace minima::optim {

RMSprop::RMSprop(const ParameterGroups& groups, const RmsPropOptions& options)
    : BaseOptimizer("rmsprop", groups,
                    {{"lr", options.lr, Range::learning_rate},
                     {"alpha", options.alpha, Range::below_1},
                     {"epsilon", options.epsilon, Range::above_0},
                     {"momentum", options.momentum, Range::below_1},
                     {"weight_decay", options.weight_decay}},
                    {"velocity", "squares"}, options.max_gradient_norm) {
  kept().momentum_is_first_buffer = detail::is_used(groups, "momentum", options.momentum);
}

void RMSprop::update(const Tensor& gradient) {
  apply(kept(), gradient, [](const RuleContext& now) {
    return core::RmsPropRule{.lr = now["lr"],
                             .alpha = now["alpha"],
                             .epsilon = now["epsilon"],
                             .momentum = now["momentum"],
                             .weight_decay = now["weight_decay"]};
  });
}

Adagrad::Adagrad(const ParameterGroups& groups, const AdagradOptions& options)
    : BaseOptimizer("adagrad", groups,
                    {{"lr", options.lr, Range::learning_rate},
                     {"epsilon", options.epsilon, Range::above_0},
                     {"weight_decay", options.weight_decay}},
                    {"squares"}, options.max_gradient_norm) {
  kept().momentum_is_first_buffer = false;
}

void Adagrad::update(const Tensor& gradient) {
  apply(kept(), gradient, [](const RuleContext& now) {
    return core::AdagradRule{.lr = now["lr"], .epsilon = now["epsilon"], .weight_decay = now["weight_decay"]};
  });
}

}  // namespace minima::optim
