#include "examples/kit/setting.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "examples/kit/metrics.h"

namespace minima::examples {

namespace {

const std::array<const char*, 2> averages{"ema", "swa"};

}  // namespace

std::string Setting::average() const {
  for (const char* average : averages)
    if (optimizer.ends_with(std::string("-") + average)) return average;
  return "";
}

std::string Setting::trainer() const {
  const std::string behind = average();
  return behind.empty() ? optimizer : optimizer.substr(0, optimizer.size() - behind.size() - 1);
}

void check_arm(const std::string& option, const std::string& optimizer) {
  const std::string trainer = Setting{.optimizer = optimizer}.trainer(), head = trainer.substr(0, trainer.find('+'));
  const std::vector<std::string> known = optim::optimizer_names();
  if (std::find(known.begin(), known.end(), head) == known.end())
    fail(option, optimizer, "one of " + joined(known), "-ema or -swa may stand behind it, and words such as +norms.");
  optim::gradients_per_step(trainer);  // refuses words that there are not
}

double Setting::value(const std::string& name) const {
  if (const auto given = hyperparameters.find(name); given != hyperparameters.end()) return given->second;
  const Hyperparameters defaults = optim::defaults_of(trainer(), base);
  const auto found = defaults.find(name);
  return found == defaults.end() ? 0 : found->second;
}

bool Setting::has(const std::string& name) const {
  return hyperparameters.count(name) > 0 || optim::defaults_of(trainer(), base).count(name) > 0;
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
  if (Setting{.optimizer = optimizer}.has("rho")) return {"lr", "rho"};
  return {"lr"};  // also of those that find their radius while training
}

std::unique_ptr<optim::Optimizer> optimizer_of(const Setting& setting, std::vector<Variable> parameters,
                                               const optim::Schedule& lr, uint64_t seed, const optim::Layers& layers,
                                               int64_t warmup_steps) {
  optim::Settings made{
      .base = setting.base, .seed = seed, .layers = layers, .steps = setting.steps, .warmup_steps = warmup_steps};
  made.hyperparameters.emplace("lr", lr);
  made.hyperparameters.insert(setting.hyperparameters.begin(), setting.hyperparameters.end());  // lr stays the schedule
  return optim::make_optimizer(setting.trainer(), std::move(parameters), made);
}

int64_t expected_gradients(const Setting& setting) {
  return std::llround(static_cast<double>(setting.steps) * optim::gradients_per_step(setting.trainer()));
}

}  // namespace minima::examples
