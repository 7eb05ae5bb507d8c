// SPDX-License-Identifier: MIT
#include "optim/sgd.h"

namespace minima::optim {

namespace {

std::vector<const char*> velocity(bool present) {
  return present ? std::vector<const char*>{"velocity"} : std::vector<const char*>{};
}

}  // namespace

SGD::SGD(const ParameterGroups& groups, const SgdOptions& options)
    : BaseOptimizer("sgd", groups,
                    {{"lr", options.lr, Range::learning_rate},
                     {"momentum", options.momentum.value_or(0), Range::below_1},
                     {"dampening", options.dampening, Range::below_1},
                     {"weight_decay", options.weight_decay}},
                    velocity(detail::is_used(groups, "momentum", options.momentum.value_or(0))),
                    options.max_gradient_norm) {}

void SGD::update(const Tensor& gradient) {
  if (!has_momentum()) {
    for (int i = 0; i < groups(); ++i)
      if (group(i).now("momentum") != 0)
        fail("sgd", text("momentum = ", group(i).now("momentum"), " in group ", i),
             "0, for this optimizer was made without momentum and has no buffer for it");
    return apply(kept(), gradient, [](const RuleContext& now) {
      return core::GradientDescentRule{.lr = now["lr"], .weight_decay = now["weight_decay"]};
    });
  }
  apply(kept(), gradient, [](const RuleContext& now) {
    const bool whole = now.steps == 0 || now["momentum"] == 0;  // the first gradient; without momentum, the plain rule
    return core::SgdRule{.lr = now["lr"],
                         .momentum = now["momentum"],
                         .dampening = whole ? 0 : now["dampening"],
                         .weight_decay = now["weight_decay"]};
  });
}

Nesterov::Nesterov(const ParameterGroups& groups, const SgdOptions& options)
    : BaseOptimizer("nesterov", groups,
                    {{"lr", options.lr, Range::learning_rate},
                     {"momentum", options.momentum.value_or(0.9), Range::below_1},
                     {"weight_decay", options.weight_decay}},
                    velocity(true), options.max_gradient_norm) {
  if (!detail::is_used(groups, "momentum", options.momentum.value_or(0.9)))
    fail("nesterov", "momentum = 0", "a number in (0, 1)",
         "Without momentum there is nothing to look ahead along: use SGD.");
  if (!options.dampening.is_constant() || options.dampening(0) != 0)
    fail("nesterov", "dampening", text("what nesterov reads: ", group(0).names()));
}

void Nesterov::update(const Tensor& gradient) {
  apply(kept(), gradient, [](const RuleContext& now) {
    return core::NesterovRule{.lr = now["lr"], .momentum = now["momentum"], .weight_decay = now["weight_decay"]};
  });
}

}  // namespace minima::optim
