// Tuning: the same number of trials for every optimizer, judged on a validation split of the training set and never on
// the test set. Not here: doing the trials (session.h).
#pragma once

#include <string>
#include <vector>

#include "examples/kit/runs.h"
#include "examples/kit/table.h"

namespace minima::examples {

inline constexpr int64_t trials_per_optimizer = 15;

/// Seeds of tuning runs start here, apart from the seeds 1, 2, ... of comparisons.
inline constexpr uint64_t first_tuning_seed = 1001;

/// The share of each class, of the groups (--group) or of the rows in order of time (--time) that tuning holds out.
inline constexpr double validation_fraction = 0.2;

/// The training set without that share, and that share in the place of the test set, by the rule that split the data
/// (Dataset::split); `seed` draws it, but for the latest rows.
Problem validation_problem(const Problem& problem, uint64_t seed = first_tuning_seed);

/// Rounded to three digits: a learning rate is not known better, and it can be typed again.
double three_digits(double value);

/// Settings to try around `start`: 15 learning rates in steps of sqrt(2); for an optimizer with rho, 5 learning rates
/// over the same range (none is held back by a narrower one) for each of 3 rhos in steps of 4.
std::vector<Setting> tuning_grid(const Setting& start);

/// Which trial of an optimizer is chosen, of those with the most seeds: that with the lowest mean validation loss,
/// which tells settings apart long before accuracy does; or by accuracy: of the trials whose mean accuracy is below the
/// highest by no more than a standard error of the difference, or than one validation row, that with the lowest loss.
/// What accuracy cannot tell apart is not left to luck.
enum class JudgedBy { loss, accuracy };

/// Whether the means of trial a are better than those of b: by loss, or by accuracy and, of equals, by loss.
bool better(const Runs& a, const Runs& b, JudgedBy by);

/// What was tried: a trial is the runs of one setting. One that diverged with any seed is not chosen.
struct Tuning {
  std::vector<Runs> trials{};
  JudgedBy judged_by = JudgedBy::loss;
  int64_t validation_rows = 0;  ///< 0: not known
  bool quantities = false;      ///< what is called accuracy is R2

  /// The chosen trial of an optimizer; an error if all of them diverged.
  const Runs& chosen(const std::string& optimizer) const;
  /// Its best trial by this measure, null if all diverged.
  const Runs* best(const std::string& optimizer, JudgedBy by) const;
  /// Whether a trial has the smallest or largest step length, lr / (1 - momentum), or radius that its optimizer was
  /// tried with, as far as they were varied.
  bool at_edge(const Runs& trial) const;
  /// The settings one step, a factor of `spacing`, beyond each edge that a trial is at, the rest as it is.
  std::vector<Setting> beyond_the_edge(const Runs& trial, double spacing) const;
  /// The optimizers whose chosen trial is at the edge, in the order of their trials.
  std::vector<std::string> chosen_at_edge() const;
  /// The trials of each optimizer, and their seeds.
  int64_t trials_each() const;
  int64_t seeds() const { return trials.empty() ? 0 : static_cast<int64_t>(trials.front().results.size()); }
};

/// The accuracy and loss that a trial is judged by.
Interval validation_loss(const Runs& trial);
Interval validation_accuracy(const Runs& trial);
/// The length of a step when all gradients agree, lr / (1 - momentum).
double step_length(const Setting& setting);

Table trial_table(const Tuning& tuning);
}  // namespace minima::examples
