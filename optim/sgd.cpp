#include "optim/sgd.h"

namespace minima::optim {

namespace {

// A momentum that is the constant 0 everywhere needs no velocity.
bool has_velocity(const std::vector<Group>& groups, const Schedule& momentum) {
  const auto is_zero = [](const Schedule& schedule) { return schedule.is_constant() && schedule(0) == 0; };
  for (const Group& group : groups)
    if (!is_zero(group.options.momentum.value_or(momentum))) return true;
  return false;
}

std::vector<const char*> velocity(bool present) {
  return present ? std::vector<const char*>{"velocity"} : std::vector<const char*>{};
}

}  // namespace

SGD::SGD(std::vector<Variable> parameters, const SgdOptions& options)
    : SGD(detail::single_group(std::move(parameters)), options) {}

SGD::SGD(const std::vector<Group>& groups, const SgdOptions& options)
    : BaseOptimizer({.name = "sgd",
                     .options = {"lr", "momentum", "dampening", "weight_decay", "rho"},
                     .states = velocity(has_velocity(groups, options.momentum)),
                     .max_gradient_norm = options.max_gradient_norm},
                    groups,
                    {.lr = options.lr,
                     .momentum = options.momentum,
                     .weight_decay = options.weight_decay,
                     .dampening = options.dampening}) {}

UpdateRule SGD::rule(const Hyperparameters& group, const Values& now) const {
  if (!has_momentum()) return GradientDescentRule{now.lr, group.weight_decay};
  const double dampening = steps() == 0 || now.momentum == 0 ? 0 : group.dampening;  // without momentum, the plain rule
  return SgdRule{now.lr, now.momentum, dampening, group.weight_decay};
}

Nesterov::Nesterov(std::vector<Variable> parameters, const NesterovOptions& options)
    : Nesterov(detail::single_group(std::move(parameters)), options) {}

Nesterov::Nesterov(const std::vector<Group>& groups, const NesterovOptions& options)
    : BaseOptimizer({.name = "nesterov",
                     .options = {"lr", "momentum", "weight_decay", "rho"},
                     .states = velocity(true),
                     .max_gradient_norm = options.max_gradient_norm},
                    groups, {.lr = options.lr, .momentum = options.momentum, .weight_decay = options.weight_decay}) {
  if (!has_velocity(groups, options.momentum))
    fail("nesterov", "momentum = 0", "a number in (0, 1)",
         "Without momentum there is nothing to look ahead along: use SGD.");
}

UpdateRule Nesterov::rule(const Hyperparameters& group, const Values& now) const {
  return NesterovRule{now.lr, now.momentum, group.weight_decay};
}

}  // namespace minima::optim
