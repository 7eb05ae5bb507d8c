#include "optim/make.h"

#include <algorithm>

#include "optim/adam.h"
#include "optim/msam.h"
#include "optim/sam.h"
#include "optim/sgd.h"

namespace minima::optim {

namespace {

bool is_known(const std::string& name) {
  const std::vector<std::string>& names = optimizer_names();
  return std::find(names.begin(), names.end(), name) != names.end();
}

void check_names(const std::string& name, const std::string& base) {
  if (!is_known(name))
    fail("make_optimizer", "the unknown optimizer \"" + name + "\"", "one of " + joined(optimizer_names()));
  if (!is_wrapper(name) || (is_known(base) && !is_wrapper(base))) return;
  std::vector<std::string> bases = optimizer_names();
  bases.erase(std::remove_if(bases.begin(), bases.end(), is_wrapper), bases.end());
  fail("make_optimizer", "the base \"" + base + "\" for " + name, "one of " + joined(bases));
}

double beta1(const std::string& name, const Schedule& momentum) {
  if (!momentum.is_constant())
    fail("make_optimizer", "a momentum schedule for " + name, "a constant", "Its bias correction assumes one.");
  return momentum(0);
}

std::unique_ptr<BaseOptimizer> make_base(const std::string& name, std::vector<Variable> parameters,
                                         const Settings& settings) {
  const Defaults defaults = defaults_of(name);
  const Schedule lr = settings.lr.value_or(defaults.lr), momentum = settings.momentum.value_or(defaults.momentum);
  const double weight_decay = settings.weight_decay.value_or(defaults.weight_decay);
  const double clip = settings.max_gradient_norm;
  if (name == "sgd")
    return std::make_unique<SGD>(
        std::move(parameters),
        SgdOptions{.lr = lr, .momentum = momentum, .weight_decay = weight_decay, .max_gradient_norm = clip});
  if (name == "nesterov")
    return std::make_unique<Nesterov>(
        std::move(parameters),
        NesterovOptions{.lr = lr, .momentum = momentum, .weight_decay = weight_decay, .max_gradient_norm = clip});
  if (name == "adam")
    return std::make_unique<Adam>(
        std::move(parameters),
        AdamOptions{.lr = lr, .beta1 = beta1(name, momentum), .weight_decay = weight_decay, .max_gradient_norm = clip});
  return std::make_unique<AdamW>(
      std::move(parameters),
      AdamWOptions{.lr = lr, .beta1 = beta1(name, momentum), .weight_decay = weight_decay, .max_gradient_norm = clip});
}

}  // namespace

const std::vector<std::string>& optimizer_names() {
  static const std::vector<std::string> names{"sgd", "nesterov", "adam", "adamw", "sam", "asam", "msam"};
  return names;
}

bool is_wrapper(const std::string& name) { return name == "sam" || name == "asam" || name == "msam"; }

Defaults defaults_of(const std::string& name, const std::string& base) {
  check_names(name, base);
  const std::string& rule = is_wrapper(name) ? base : name;
  const double rho = name == "sam" ? 0.05 : name == "asam" || name == "msam" ? 0.5 : 0;
  if (rule == "adam") return {.lr = 1e-3, .momentum = 0.9, .weight_decay = 0, .rho = rho};
  if (rule == "adamw") return {.lr = 1e-3, .momentum = 0.9, .weight_decay = 1e-2, .rho = rho};
  return {.lr = 0.05, .momentum = 0.9, .weight_decay = 5e-4, .rho = rho};
}

std::unique_ptr<Optimizer> make_optimizer(const std::string& name, std::vector<Variable> parameters,
                                          const Settings& settings) {
  check_names(name, settings.base);
  if (!is_wrapper(name)) {
    if (settings.rho) fail("make_optimizer", "rho for " + name, "rho for sam, asam or msam only");
    return make_base(name, std::move(parameters), settings);
  }
  std::unique_ptr<BaseOptimizer> base = make_base(settings.base, std::move(parameters), settings);
  const Schedule rho = settings.rho.value_or(defaults_of(name, settings.base).rho);
  if (name == "sam") return std::make_unique<SAM>(std::move(base), SamOptions{.rho = rho});
  if (name == "asam") return std::make_unique<ASAM>(std::move(base), AsamOptions{.rho = rho});
  return std::make_unique<MSAM>(std::move(base), MsamOptions{.rho = rho});
}

}  // namespace minima::optim
