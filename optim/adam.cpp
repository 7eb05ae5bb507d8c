// SPDX-License-Identifier: MIT
#include "optim/adam.h"

#include <cmath>

namespace minima::optim {

namespace {

std::vector<Hyperparameter> hyperparameters(const AdamOptions& options, double default_decay) {
  return {{"lr", options.lr, Range::learning_rate},
          {"beta1", options.beta1, Range::decay_rate},
          {"beta2", options.beta2, Range::decay_rate},
          {"epsilon", options.epsilon, Range::above_0},
          {"weight_decay", options.weight_decay.value_or(default_decay)}};
}

core::AdamRule adam_rule(const RuleContext& now, bool decoupled) {
  // BEGIN SOLUTION 4
  const double t = static_cast<double>(now.steps + 1);
  return {.lr = now["lr"],
          .beta1 = now["beta1"],
          .beta2 = now["beta2"],
          .epsilon = now["epsilon"],
          .weight_decay = now["weight_decay"],
          .correction1 = 1 - std::pow(now["beta1"], t),
          .correction2 = 1 - std::pow(now["beta2"], t),
          .decoupled = decoupled};
  // END SOLUTION
}

}  // namespace

Adam::Adam(const ParameterGroups& groups, const AdamOptions& options)
    : BaseOptimizer("adam", groups, hyperparameters(options, 0), {"m", "s"}, options.max_gradient_norm) {}

void Adam::update(const Tensor& gradient) {
  apply(kept(), gradient, [](const RuleContext& now) { return adam_rule(now, false); });
}

AdamW::AdamW(const ParameterGroups& groups, const AdamOptions& options)
    : BaseOptimizer("adamw", groups, hyperparameters(options, 1e-2), {"m", "s"}, options.max_gradient_norm) {
  kept().decay_in_gradient = false;
}

void AdamW::update(const Tensor& gradient) {
  apply(kept(), gradient, [](const RuleContext& now) { return adam_rule(now, true); });
}

}  // namespace minima::optim
