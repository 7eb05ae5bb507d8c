#include "examples/kit/setting.h"

#include <cmath>

#include "examples/kit/metrics.h"

namespace minima::examples {

namespace {

Hyperparameters defaults_of(const Setting& s) {
  const optim::Defaults d = optim::defaults_of(s.optimizer, s.base);
  Hyperparameters values{{"lr", d.lr}, {"momentum", d.momentum}, {"weight_decay", d.weight_decay}};
  if (optim::is_wrapper(s.optimizer)) values["rho"] = d.rho;
  return values;
}

}  // namespace

double Setting::value(const std::string& name) const {
  if (const auto given = hyperparameters.find(name); given != hyperparameters.end()) return given->second;
  const Hyperparameters defaults = defaults_of(*this);
  const auto found = defaults.find(name);
  return found == defaults.end() ? 0 : found->second;
}

bool Setting::has(const std::string& name) const {
  return hyperparameters.count(name) > 0 || defaults_of(*this).count(name) > 0;
}

std::string Setting::value_text(const std::string& name) const { return has(name) ? number_text(value(name)) : "-"; }

std::string Setting::words() const {
  if (!label.empty()) return label;
  std::string words = optimizer;
  for (const std::string& name : tuned_hyperparameters(optimizer)) words += " " + name + " " + value_text(name);
  return words;
}

const std::vector<std::string>& hyperparameter_options() {
  static const std::vector<std::string> names{"lr", "momentum", "rho", "weight_decay"};
  return names;
}

std::vector<std::string> tuned_hyperparameters(const std::string& optimizer) {
  if (optim::is_wrapper(optimizer)) return {"lr", "rho"};
  return {"lr"};
}

std::unique_ptr<optim::Optimizer> optimizer_of(const Setting& setting, std::vector<Variable> parameters,
                                               const optim::Schedule& lr, uint64_t seed) {
  optim::Settings made{.base = setting.base, .lr = lr, .seed = seed};
  for (const auto& [name, value] : setting.hyperparameters) {
    if (name == "lr") continue;
    if (name == "momentum")
      made.momentum = value;
    else if (name == "rho")
      made.rho = value;
    else if (name == "weight_decay")
      made.weight_decay = value;
    else
      fail(setting.optimizer, "the hyperparameter \"" + name + "\"", "one of " + joined(hyperparameter_options()));
  }
  return optim::make_optimizer(setting.optimizer, std::move(parameters), made);
}

int64_t expected_gradients(const Setting& setting) {
  return std::llround(static_cast<double>(setting.steps) * optim::gradients_per_step(setting.optimizer));
}

}  // namespace minima::examples
