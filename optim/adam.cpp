#include "optim/adam.h"

#include <cmath>

namespace minima::optim {

namespace {

template <class Options>
BaseOptimizer::Setup setup(const char* name, const Options& options) {
  return {.name = name,
          .options = {"lr", "beta1", "beta2", "epsilon", "weight_decay", "rho"},
          .states = {"m", "s"},
          .max_gradient_norm = options.max_gradient_norm};
}

template <class Options>
Hyperparameters hyperparameters(const Options& options) {
  return {.lr = options.lr,
          .weight_decay = options.weight_decay,
          .beta1 = options.beta1,
          .beta2 = options.beta2,
          .epsilon = options.epsilon};
}

UpdateRule adam_rule(const Hyperparameters& group, double lr, int64_t steps, bool decoupled) {
  const double t = static_cast<double>(steps + 1);
  return AdamRule{.lr = lr,
                  .beta1 = group.beta1,
                  .beta2 = group.beta2,
                  .epsilon = group.epsilon,
                  .weight_decay = group.weight_decay,
                  .correction1 = 1 - std::pow(group.beta1, t),
                  .correction2 = 1 - std::pow(group.beta2, t),
                  .decoupled = decoupled};
}

}  // namespace

Adam::Adam(std::vector<Variable> parameters, const AdamOptions& options)
    : Adam(detail::single_group(std::move(parameters)), options) {}

Adam::Adam(const std::vector<Group>& groups, const AdamOptions& options)
    : BaseOptimizer(setup("adam", options), groups, hyperparameters(options)) {}

UpdateRule Adam::rule(const Hyperparameters& group, const Values& now) const {
  return adam_rule(group, now.lr, steps(), false);
}

AdamW::AdamW(std::vector<Variable> parameters, const AdamWOptions& options)
    : AdamW(detail::single_group(std::move(parameters)), options) {}

AdamW::AdamW(const std::vector<Group>& groups, const AdamWOptions& options)
    : BaseOptimizer(setup("adamw", options), groups, hyperparameters(options)) {}

UpdateRule AdamW::rule(const Hyperparameters& group, const Values& now) const {
  return adam_rule(group, now.lr, steps(), true);
}

}  // namespace minima::optim
