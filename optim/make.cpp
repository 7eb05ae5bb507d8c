// SPDX-License-Identifier: MIT
#include "optim/make.h"

#include <algorithm>

#include "optim/adam.h"
#include "optim/directions/along.h"
#include "optim/directions/esam.h"
#include "optim/directions/looksam.h"
#include "optim/lion.h"
#include "optim/msam.h"
#include "optim/rmsprop.h"
#include "optim/sam.h"
#include "optim/sgd.h"

namespace minima::optim {

namespace {

using Defaults = std::map<std::string, double>;

struct BaseKind {
  std::string name;
  Defaults defaults;
  MakeBase make;
};

template <class T>
std::unique_ptr<BaseOptimizer> make(const ParameterGroups& groups) {
  return std::make_unique<T>(groups);
}

std::vector<BaseKind>& base_kinds() {
  static std::vector<BaseKind> kinds{
      {"sgd", {{"lr", 0.05}, {"momentum", 0.9}, {"weight_decay", 5e-4}}, make<SGD>},
      {"nesterov", {{"lr", 0.05}, {"momentum", 0.9}, {"weight_decay", 5e-4}}, make<Nesterov>},
      {"adam", {{"lr", 1e-3}, {"beta1", 0.9}, {"weight_decay", 0}}, make<Adam>},
      {"adamw", {{"lr", 1e-3}, {"beta1", 0.9}, {"weight_decay", 1e-2}}, make<AdamW>},
      {"rmsprop", {{"lr", 2e-4}, {"momentum", 0.9}, {"weight_decay", 0}}, make<RMSprop>},
      {"adagrad", {{"lr", 1e-2}, {"weight_decay", 0}}, make<Adagrad>},
      {"lion", {{"lr", 2e-4}, {"beta1", 0.9}, {"weight_decay", 0.1}}, make<Lion>},
  };
  return kinds;
}

struct WrapperKind {
  std::string name;
  double rho;  ///< its default
  double gradients_per_step;
  std::function<std::unique_ptr<Optimizer>(std::unique_ptr<BaseOptimizer>, const Schedule& rho, uint64_t seed)> make;
};

template <class W, class Options>
WrapperKind wrapper(const std::string& name, double rho, double gradients_per_step) {
  return {name, rho, gradients_per_step, [](auto base, const Schedule& rho, uint64_t) {
            return std::make_unique<W>(std::move(base), Options{.rho = rho});
          }};
}

WrapperKind along(double rho, const std::function<Direction(uint64_t seed)>& direction) {
  const Direction example = direction(0);
  return {"along-" + example.name, rho, example.needs_gradient ? 2.0 : 1.0,
          [direction](auto base, const Schedule& rho, uint64_t seed) {
            return std::make_unique<Along>(std::move(base), direction(seed), AlongOptions{.rho = rho});
          }};
}

const std::vector<WrapperKind>& wrapper_kinds() {
  static const std::vector<WrapperKind> kinds{
      wrapper<SAM, SamOptions>("sam", 0.05, 2),
      wrapper<ASAM, AsamOptions>("asam", 0.5, 2),
      wrapper<MSAM, MsamOptions>("msam", 0.5, 1),
      wrapper<LookSAM, LookSamOptions>("looksam", 0.05, 1 + 1.0 / LookSamOptions{}.period),
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
template <class Kind>
const Kind* find(const std::vector<Kind>& kinds, const std::string& name) {
  const auto found = std::find_if(kinds.begin(), kinds.end(), [&](const Kind& kind) { return kind.name == name; });
  return found == kinds.end() ? nullptr : &*found;
}

std::vector<std::string> base_names() {
  std::vector<std::string> names;
  for (const BaseKind& kind : base_kinds()) names.push_back(kind.name);
  return names;
}

/// The kinds that a name, and a base where the name is a wrapper's, stand for.
struct Kinds {
  const WrapperKind* wrapper;  ///< null: the base alone
  const BaseKind* base;
};

Kinds kinds_of(const std::string& name, const std::string& base) {
  const WrapperKind* wrapper = find(wrapper_kinds(), name);
  const BaseKind* rule = find(base_kinds(), wrapper ? base : name);
  if (!wrapper && !rule)
    fail("make_optimizer", "the unknown optimizer \"" + name + "\"", "one of " + joined(optimizer_names()));
  if (!find(base_kinds(), base))
    fail("make_optimizer", "the base \"" + base + "\" for " + name, "one of " + joined(base_names()));
  return {wrapper, rule};
}

// Whether "momentum" means beta1.
bool momentum_is_beta1(const BaseKind& kind) {
  return kind.defaults.count("beta1") && !kind.defaults.count("momentum");
}

template <class Map>
void rename(Map& map, const char* from, const char* to) {
  if (auto entry = map.extract(from)) {
    entry.key() = to;
    map.insert(std::move(entry));
  }
}

std::unique_ptr<BaseOptimizer> make_base(const BaseKind& kind, std::vector<Variable> parameters,
                                         NamedSchedules hyperparameters) {
  if (momentum_is_beta1(kind)) {
    if (hyperparameters.count("momentum") && hyperparameters.count("beta1"))
      fail("make_optimizer", "momentum and beta1 for " + kind.name, "one of them: they are the same");
    rename(hyperparameters, "momentum", "beta1");
  }
  for (const auto& [name, value] : kind.defaults) hyperparameters.emplace(name, value);  // where nothing was given
  return kind.make(ParameterGroups{
      {Group{.parameters = std::move(parameters), .own = {hyperparameters.begin(), hyperparameters.end()}}}});
}

}  // namespace

void detail::register_optimizer(const std::string& name, std::map<std::string, double> defaults, MakeBase make) {
  if (find(base_kinds(), name) || find(wrapper_kinds(), name))
    fail("register_optimizer", "the name \"" + name + "\"", "one that is not taken: " + joined(optimizer_names()));
  base_kinds().push_back({name, std::move(defaults), make});
}

std::vector<std::string> optimizer_names() {
  std::vector<std::string> all = base_names();
  for (const WrapperKind& kind : wrapper_kinds()) all.push_back(kind.name);
  return all;
}

bool is_wrapper(const std::string& name) { return find(wrapper_kinds(), name) != nullptr; }

double gradients_per_step(const std::string& name) {
  const Kinds kinds = kinds_of(name, "sgd");
  return kinds.wrapper ? kinds.wrapper->gradients_per_step : 1;
}

std::map<std::string, double> defaults_of(const std::string& name, const std::string& base) {
  const Kinds kinds = kinds_of(name, base);
  Defaults defaults = kinds.base->defaults;
  if (momentum_is_beta1(*kinds.base)) rename(defaults, "beta1", "momentum");
  if (kinds.wrapper) defaults["rho"] = kinds.wrapper->rho;
  return defaults;
}

std::unique_ptr<Optimizer> make_optimizer(const std::string& name, std::vector<Variable> parameters,
                                          const Settings& settings) {
  const Kinds kinds = kinds_of(name, settings.base);
  NamedSchedules hyperparameters = settings.hyperparameters;
  Schedule rho = kinds.wrapper ? kinds.wrapper->rho : 0;
  if (kinds.wrapper)
    if (const auto given = hyperparameters.extract("rho")) rho = given.mapped();
  auto base = make_base(*kinds.base, std::move(parameters), std::move(hyperparameters));
  if (!kinds.wrapper) return base;
  return kinds.wrapper->make(std::move(base), rho, settings.seed);
}

}  // namespace minima::optim
