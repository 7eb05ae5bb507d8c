// Tuning: the same number of trials for every optimizer, judged on a validation split of the training set and never on
// the test set. Not here: running the trials (compare.cpp, the labs).
#pragma once

#include <vector>

#include "examples/kit/experiment.h"
#include "examples/kit/statistics.h"

namespace minima::examples {

/// One setting of lr and rho, over the tuning seeds.
struct Trial {
  RunSettings settings;  ///< its seed means nothing
  Interval loss, accuracy;
  bool diverged = false, chosen = false, at_edge = false;
  bool lowest_loss = false, most_accurate = false;  ///< of its optimizer
};

inline constexpr int64_t trials_per_optimizer = 15;

/// Rounded to three digits: a learning rate is not known better, and it can be typed again.
double three_digits(double value);

/// Settings to try around `start`: 15 learning rates in steps of sqrt(2); for an optimizer with rho, 5 learning rates
/// over the same range (none is held back by a narrower one) for each of 3 rhos in steps of 4.
std::vector<RunSettings> tuning_grid(const RunSettings& start);

/// Seeds of tuning runs start here, apart from the seeds 1, 2, ... of comparisons.
inline constexpr uint64_t first_tuning_seed = 1001;

/// The training set without a fifth of each class, and that fifth in the place of the test set.
Problem validation_problem(const Problem& problem);

/// Which trial of an optimizer is chosen: that with the lowest mean validation loss, which tells settings apart long
/// before accuracy does; or that with the highest mean accuracy, of equals that with the lower loss.
enum class JudgedBy { loss, accuracy };

/// Gathers runs by setting (in the order of first appearance) and marks, for each optimizer, the chosen trial.
std::vector<Trial> judge_trials(const std::vector<RunResult>& runs, JudgedBy what = JudgedBy::loss);

/// The chosen trial of an optimizer; an error if all of them diverged.
const Trial& chosen_trial(const std::vector<Trial>& trials, const std::string& optimizer);

}  // namespace minima::examples
