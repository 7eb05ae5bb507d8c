// SPDX-License-Identifier: MIT
#include "optim/hyperparameters.h"

#include <algorithm>
#include <cmath>

namespace minima::optim {

namespace {

struct Bounds {
  bool (*hold)(double value);
  const char* words;
};

Bounds bounds_of(Range range) {
  switch (range) {
    case Range::finite: break;
    case Range::at_least_0:
    case Range::learning_rate:
      return {[](double x) { return x >= 0 && std::isfinite(x); }, "a finite number of at least 0"};
    case Range::above_0: return {[](double x) { return x > 0 && std::isfinite(x); }, "a number above 0"};
    case Range::below_1:
    case Range::decay_rate: return {[](double x) { return x >= 0 && x < 1; }, "a number in [0, 1)"};
  }
  return {[](double x) { return std::isfinite(x); }, "a finite number"};
}

}  // namespace

Hyperparameters::Hyperparameters(std::string owner, int group, std::vector<Hyperparameter> all)
    : owner_(std::move(owner)), group_(group) {
  for (const Hyperparameter& h : all) extend(owner_, h);
}

bool Hyperparameters::has(std::string_view name) const {
  return std::any_of(all_.begin(), all_.end(), [&](const Hyperparameter& h) { return h.name == name; });
}

std::string Hyperparameters::names() const {
  std::vector<std::string> names;
  for (const Hyperparameter& h : all_) names.emplace_back(h.name);
  return joined(names);
}

size_t Hyperparameters::index_of(std::string_view name) const {
  for (size_t i = 0; i < all_.size(); ++i)
    if (all_[i].name == name) return i;
  fail(owner_, text(std::string(name), " in group ", group_), text("what ", owner_, " reads: ", names()));
}

void Hyperparameters::extend(const std::string& owner, const Hyperparameter& more) {
  if (has(more.name))
    fail(owner, text("a second hyperparameter \"", more.name, "\", beside that of ", owner_), "names that differ");
  owner_ = owner;
  all_.push_back(more);
}

void Hyperparameters::check_constants() const {
  for (const Hyperparameter& h : all_) {
    if (!h.schedule.is_constant()) {
      if (h.range == Range::decay_rate)
        fail(owner_, text("a schedule for ", h.name, " in group ", group_), "a constant",
             "The bias correction assumes one.");
      continue;
    }
    const double value = h.schedule(0);
    if (h.range == Range::learning_rate && !(value > 0))
      fail(owner_, text(h.name, " = ", value, " in group ", group_), "a number above 0");
    check(h, value);
  }
}

void Hyperparameters::sample(int64_t step) {
  for (Hyperparameter& h : all_) {
    if (h.range == Range::decay_rate && !h.schedule.is_constant()) check_constants();
    const double value = h.schedule(step);
    check(h, value, step);
    h.now = value;
  }
}

void Hyperparameters::check(const Hyperparameter& h, double value, std::optional<int64_t> step) const {
  const Bounds bounds = bounds_of(h.range);
  if (bounds.hold(value)) return;
  const std::string when = step ? text(" at step ", *step, " (counted from 0)") : "";
  fail(owner_, text(h.name, " = ", value, " in group ", group_, when), bounds.words);
}

}  // namespace minima::optim
