#include "optim/make.h"

#include <algorithm>

#include "optim/adam.h"
#include "optim/along.h"
#include "optim/esam.h"
#include "optim/looksam.h"
#include "optim/msam.h"
#include "optim/sam.h"
#include "optim/sgd.h"

namespace minima::optim {

namespace {

const std::vector<std::string>& base_names() {
  static const std::vector<std::string> names{"sgd", "nesterov", "adam", "adamw"};
  return names;
}

/// What perturbs the weights: its name, its default radius, and how to make it.
struct WrapperKind {
  std::string name;
  double rho, gradients_per_step;
  std::function<std::unique_ptr<Optimizer>(std::unique_ptr<BaseOptimizer>, const Schedule& rho, uint64_t seed)> make;
};

WrapperKind along(double rho, const std::function<Direction(uint64_t seed)>& direction) {
  const Direction example = direction(0);
  return {"along-" + example.name, rho, example.needs_gradient ? 2.0 : 1.0,
          [direction](auto base, const Schedule& rho, uint64_t seed) {
            return std::make_unique<Along>(std::move(base), direction(seed), AlongOptions{.rho = rho});
          }};
}

const std::vector<WrapperKind>& wrapper_kinds() {
  static const std::vector<WrapperKind> kinds{
      {"sam", 0.05, 2,
       [](auto base, const Schedule& rho, uint64_t) {
         return std::make_unique<SAM>(std::move(base), SamOptions{.rho = rho});
       }},
      {"asam", 0.5, 2,
       [](auto base, const Schedule& rho, uint64_t) {
         return std::make_unique<ASAM>(std::move(base), AsamOptions{.rho = rho});
       }},
      {"msam", 0.5, 1,
       [](auto base, const Schedule& rho, uint64_t) {
         return std::make_unique<MSAM>(std::move(base), MsamOptions{.rho = rho});
       }},
      {"looksam", 0.05, 1 + 1.0 / LookSamOptions{}.period,
       [](auto base, const Schedule& rho, uint64_t) {
         return std::make_unique<LookSAM>(std::move(base), LookSamOptions{.rho = rho});
       }},
      {"esam", 0.05, 2,
       [](auto base, const Schedule& rho, uint64_t seed) {
         return std::make_unique<ESAM>(std::move(base), EsamOptions{.rho = rho, .seed = seed});
       }},
      along(0.05, [](uint64_t) { return directions::gradient(); }),
      along(0.5, [](uint64_t) { return directions::momentum(); }),
      along(0.5, [](uint64_t) { return directions::last_gradient(); }),
      along(0.5, [](uint64_t seed) { return directions::random(seed); }),
      along(0.9, [](uint64_t) { return directions::lr_momentum(); }),
  };
  return kinds;
}

/// Null where there is none of this name.
const WrapperKind* wrapper_kind(const std::string& name) {
  for (const WrapperKind& kind : wrapper_kinds())
    if (kind.name == name) return &kind;
  return nullptr;
}

bool is_known(const std::string& name) {
  const std::vector<std::string>& names = optimizer_names();
  return std::find(names.begin(), names.end(), name) != names.end();
}

void check_names(const std::string& name, const std::string& base) {
  if (!is_known(name))
    fail("make_optimizer", "the unknown optimizer \"" + name + "\"", "one of " + joined(optimizer_names()));
  if (!is_wrapper(name) || (is_known(base) && !is_wrapper(base))) return;
  fail("make_optimizer", "the base \"" + base + "\" for " + name, "one of " + joined(base_names()));
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
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all = base_names();
    for (const WrapperKind& kind : wrapper_kinds()) all.push_back(kind.name);
    return all;
  }();
  return names;
}

bool is_wrapper(const std::string& name) { return wrapper_kind(name) != nullptr; }

double gradients_per_step(const std::string& name) {
  check_names(name, "sgd");
  return is_wrapper(name) ? wrapper_kind(name)->gradients_per_step : 1;
}

Defaults defaults_of(const std::string& name, const std::string& base) {
  check_names(name, base);
  const std::string& rule = is_wrapper(name) ? base : name;
  const double rho = is_wrapper(name) ? wrapper_kind(name)->rho : 0;
  if (rule == "adam") return {.lr = 1e-3, .momentum = 0.9, .weight_decay = 0, .rho = rho};
  if (rule == "adamw") return {.lr = 1e-3, .momentum = 0.9, .weight_decay = 1e-2, .rho = rho};
  return {.lr = 0.05, .momentum = 0.9, .weight_decay = 5e-4, .rho = rho};
}

std::unique_ptr<Optimizer> make_optimizer(const std::string& name, std::vector<Variable> parameters,
                                          const Settings& settings) {
  check_names(name, settings.base);
  const WrapperKind* kind = wrapper_kind(name);
  if (!kind) {
    if (settings.rho) fail("make_optimizer", "rho for " + name, "rho for an optimizer that perturbs the weights only");
    return make_base(name, std::move(parameters), settings);
  }
  return kind->make(make_base(settings.base, std::move(parameters), settings), settings.rho.value_or(kind->rho),
                    settings.seed);
}

}  // namespace minima::optim
