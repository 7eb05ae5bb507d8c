// A setting: an optimizer with its hyperparameters, as experiments compare it with others. Each setting is trained with
// several seeds, so a seed is no part of it.
// Not here: one training (run.h), the results of a setting (runs.h).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "optim/make.h"

namespace minima::examples {

class Run;

/// Values by optim's names: {{"lr", 0.05}, {"rho", 0.5}}.
using Hyperparameters = std::map<std::string, double>;

struct Setting {
  std::string optimizer = "sgd";      ///< a name of optim's, words included; also with "-ema" or "-swa" behind it
  std::string base = "sgd";           ///< what sam, msam and their like wrap; the others ignore it
  Hyperparameters hyperparameters{};  ///< what is not given takes optim's default
  int64_t steps = 0;
  std::string label{};                  ///< in tables and figures; empty: the optimizer's name
  std::string style{};                  ///< in figures, a name that line_style knows; empty: the optimizer's name
  bool dashed = false;                  ///< in figures
  std::function<void(Run&)> prepare{};  ///< changes a run before its first step: a schedule for rho, other weights

  /// What trains: the optimizer without the average that is measured, "sgd" of "sgd-ema".
  std::string trainer() const;
  /// "ema" (the exponential moving average of the weights, with a memory of an epoch), "swa" (the mean of the weights
  /// over the last quarter of the steps, in which the learning rate stays what it is at their beginning), or empty.
  std::string average() const;
  /// Whether the trainer wraps a base, and what moves the weights: that base, or else the trainer.
  bool wraps() const { return optim::is_wrapper(trainer()); }
  std::string rule() const { return wraps() ? base : trainer(); }

  /// A hyperparameter as given, else optim's default; 0 where the optimizer has none of this name, as a radius for SGD.
  double value(const std::string& name) const;
  bool has(const std::string& name) const;
  /// The value as text; "-" where the optimizer has none.
  std::string value_text(const std::string& name) const;
  std::string name() const { return label.empty() ? optimizer : label; }
  /// "msam lr 0.05 rho 0.5", or the label.
  std::string words() const;
};

/// An error that begins with `option` unless a setting's optimizer may have this name: one of optim's, with words
/// behind it ("msam+norms"), with "-ema" or "-swa" behind that.
void check_arm(const std::string& option, const std::string& optimizer);

/// The hyperparameters that programs have options for; each is a column of the metrics.
const std::vector<std::string>& hyperparameter_options();
/// Those of them that tuning chooses for an optimizer: the learning rate, and the radius where there is one.
std::vector<std::string> tuned_hyperparameters(const std::string& optimizer);

/// The one place where a setting becomes an optimizer. `lr` is the schedule, whose height is the setting's lr; `seed`
/// is for what the optimizer draws at random; layers and warm-up for words behind its name. A hyperparameter that it
/// does not read is an error.
std::unique_ptr<optim::Optimizer> optimizer_of(const Setting& setting, std::vector<Variable> parameters,
                                               const optim::Schedule& lr, uint64_t seed,
                                               const optim::Layers& layers = {}, int64_t warmup_steps = 0);

/// Gradients that the training will take (on average, where that depends on the draw).
int64_t expected_gradients(const Setting& setting);

}  // namespace minima::examples
