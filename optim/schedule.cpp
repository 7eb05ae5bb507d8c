// SPDX-License-Identifier: MIT
#include "optim/schedule.h"

#include <algorithm>
#include <cmath>

namespace minima::optim {

namespace {
constexpr double pi = 3.14159265358979323846;

void require_positive(const char* where, const char* what, int64_t steps) {
  if (steps < 1) fail(where, text(what, " = ", steps), "at least 1");
}
}  // namespace

Schedule step_decay(double initial, int64_t every, double factor) {
  require_positive("step_decay", "every", every);
  return [=](int64_t step) {
    const int64_t drops = step / every;
    return initial * std::pow(factor, static_cast<double>(drops));
  };
}

Schedule cosine(double initial, int64_t steps, double final) {
  require_positive("cosine", "steps", steps);
  return [=](int64_t step) {
    if (step >= steps) return final;
    const double progress = static_cast<double>(step) / static_cast<double>(steps);
    return final + (initial - final) * (1 + std::cos(pi * progress)) / 2;
  };
}

Schedule linear_warmup(double target, int64_t steps, double start_factor) {
  require_positive("linear_warmup", "steps", steps);
  if (!(start_factor >= 0 && start_factor <= 1))
    fail("linear_warmup", text("start_factor = ", start_factor), "a number in [0, 1]");
  return [=](int64_t step) {
    const double progress = static_cast<double>(std::min(step, steps)) / static_cast<double>(steps);
    return target * (start_factor + (1 - start_factor) * progress);
  };
}

Schedule join(std::vector<Schedule> schedules, std::vector<int64_t> milestones) {
  if (schedules.empty() || schedules.size() != milestones.size() + 1)
    fail("join", text(schedules.size(), " schedules and ", milestones.size(), " milestones"),
         "one milestone fewer than schedules");
  for (size_t i = 0; i < milestones.size(); ++i)
    if (milestones[i] <= (i == 0 ? 0 : milestones[i - 1]))
      fail("join", text("milestone ", milestones[i], " after ", i == 0 ? 0 : milestones[i - 1]),
           "milestones that increase from above 0");
  return [schedules = std::move(schedules), milestones = std::move(milestones)](int64_t step) {
    const auto next = std::upper_bound(milestones.begin(), milestones.end(), step);
    const auto i = next - milestones.begin();
    return schedules[static_cast<size_t>(i)](i == 0 ? step : step - *(next - 1));
  };
}

}  // namespace minima::optim
