// SPDX-License-Identifier: MIT
// Hyperparameters: the numbers of an optimizer's rule (lr, momentum, rho ...) by name, one set for each parameter
// group. Each is a constant or a schedule, may be changed between steps, and is checked against its range.
//   optimizer.group(0)["lr"] = 0.01;
// Not here: which ones an optimizer has (its own header lists them), schedules (schedule.h).
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "optim/schedule.h"

namespace minima::optim {

/// The values that a hyperparameter may take.
enum class Range : uint8_t {
  finite,      ///< any finite number
  at_least_0,  ///< a finite number of at least 0
  above_0,
  below_1,       ///< in [0, 1)
  decay_rate,    ///< in [0, 1), and a constant: bias correction assumes one
  learning_rate  ///< above 0 when the optimizer is made; a schedule may reach 0
};

struct Hyperparameter {
  const char* name;
  Schedule schedule;
  Range range = Range::at_least_0;
  double now = std::numeric_limits<double>::quiet_NaN();  ///< the value in the present step
};

/// A name together with a value of one's own, for a group: {"weight_decay", 0}.
using NamedSchedule = std::pair<std::string, Schedule>;

class Hyperparameters {
 public:
  /// `owner` is the optimizer's name, for errors; `group` is the number of the group.
  Hyperparameters(std::string owner, int group, std::vector<Hyperparameter> all);

  /// The constant or schedule of this name. A name that the optimizer does not read is an error that lists those it
  /// reads.
  Schedule& operator[](std::string_view name) { return all_[index_of(name)].schedule; }
  const Schedule& operator[](std::string_view name) const { return all_[index_of(name)].schedule; }
  bool has(std::string_view name) const;
  /// The value in the present step.
  double now(std::string_view name) const { return all_[index_of(name)].now; }
  std::string names() const;  ///< "lr, momentum, weight_decay"
  const std::vector<Hyperparameter>& all() const { return all_; }

  // ---- for optimizers
  /// One more, which a wrapper called `owner` reads.
  void extend(const std::string& owner, const Hyperparameter& more);
  /// Checks what does not depend on the step.
  void check_constants() const;
  /// Sets `now` to the values at this step and checks them.
  void sample(int64_t step);

 private:
  size_t index_of(std::string_view name) const;
  /// An error unless the value is in range; `step` is the one that it was sampled for.
  void check(const Hyperparameter& h, double value, std::optional<int64_t> step = {}) const;

  std::string owner_;
  int group_;
  std::vector<Hyperparameter> all_;
};

}  // namespace minima::optim
