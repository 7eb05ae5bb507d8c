// SPDX-License-Identifier: MIT
// Schedules: a hyperparameter as a plain function of the step. Step 0 is the first; an optimizer samples each schedule
// once a step, before anything else. Any function from a step to a number will do:
//   optim::SGD optimizer{parameters, {.lr = [](int64_t step) { return 0.1 / (1 + step); }}};
// Not here: who uses the value (optimizer.h); epochs, of which an optimizer knows nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <type_traits>
#include <vector>

#include "core/error.h"

namespace minima::optim {

/// A constant, or a function of the step.
class Schedule {
 public:
  Schedule(double constant) : constant_(constant) {}  // NOLINT: implicit, so that .lr = 0.1 reads as it should
  template <class F>
    requires(std::is_invocable_r_v<double, const F&, int64_t> && !std::is_same_v<F, Schedule>)
  Schedule(F function) : function_(std::move(function)) {  // NOLINT: implicit from any function of the step
    if (!function_) fail("Schedule", "an empty function", "a number or a function of the step");
  }

  double operator()(int64_t step) const { return function_ ? function_(step) : constant_; }
  bool is_constant() const { return !function_; }

 private:
  double constant_ = 0;
  std::function<double(int64_t)> function_;
};

/// initial * factor^floor(step / every); PyTorch's StepLR. every >= 1.
Schedule step_decay(double initial, int64_t every, double factor = 0.1);

/// final + (initial - final) * (1 + cos(pi * step / steps)) / 2, half a period; PyTorch's CosineAnnealingLR. From
/// `steps` on it stays at `final` (PyTorch's would rise again). steps >= 1.
Schedule cosine(double initial, int64_t steps, double final = 0);

/// target * (start_factor + (1 - start_factor) * step / steps), from `steps` on target; PyTorch's LinearLR with its
/// default start. A start_factor of 0 makes the first step a step of size 0. steps >= 1.
Schedule linear_warmup(double target, int64_t steps, double start_factor = 1.0 / 3);

/// One schedule after another, each counting from its own beginning; PyTorch's SequentialLR. Schedule i + 1 takes over
/// at step milestones[i]; milestones increase, and there is one fewer than schedules.
///   join({linear_warmup(0.1, 100), cosine(0.1, 900)}, {100})
Schedule join(std::vector<Schedule> schedules, std::vector<int64_t> milestones);

}  // namespace minima::optim
