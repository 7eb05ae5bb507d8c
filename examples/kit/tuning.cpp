#include "examples/kit/tuning.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace minima::examples {

namespace {

bool same_setting(const RunSettings& a, const RunSettings& b) {
  return a.optimizer == b.optimizer && a.lr == b.lr && a.momentum == b.momentum && a.rho == b.rho;
}

bool better(const Trial& a, const Trial& b, JudgedBy what) {
  if (what == JudgedBy::accuracy && a.accuracy.mean != b.accuracy.mean) return a.accuracy.mean > b.accuracy.mean;
  return a.loss.mean < b.loss.mean;
}

}  // namespace

double three_digits(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.3g", value);
  return std::strtod(buffer, nullptr);
}

std::vector<RunSettings> tuning_grid(const RunSettings& start) {
  std::vector<RunSettings> grid;
  const bool with_rho = optim::is_wrapper(start.optimizer);
  for (int64_t i = 0; i < trials_per_optimizer; ++i) {
    RunSettings settings = start;
    if (with_rho) {
      settings.lr = three_digits(start.lr * std::pow(2.0, 1.75 * static_cast<double>(i / 3 - 2)));
      settings.rho = three_digits(start.rho * std::pow(4.0, static_cast<double>(i % 3 - 1)));
    } else {
      settings.lr = three_digits(start.lr * std::pow(2.0, static_cast<double>(i - trials_per_optimizer / 2) / 2));
    }
    grid.push_back(settings);
  }
  return grid;
}

Problem validation_problem(const Problem& problem) {
  constexpr double validation_fraction = 0.2;
  Problem result = problem;
  const datasets::Split split = problem.train.split(validation_fraction, first_tuning_seed);
  result.train = split.train, result.test = split.test;
  return result;
}

std::vector<Trial> judge_trials(const std::vector<RunResult>& runs, JudgedBy what) {
  std::vector<Trial> trials;
  std::vector<std::vector<double>> losses, accuracies;
  for (const RunResult& run : runs) {
    const auto found = std::find_if(trials.begin(), trials.end(),
                                    [&](const Trial& t) { return same_setting(t.settings, run.settings); });
    const size_t at = found - trials.begin();
    if (found == trials.end())
      trials.push_back({.settings = run.settings}), losses.push_back({}), accuracies.push_back({});
    if (run.diverged()) trials[at].diverged = true;
    losses[at].push_back(run.last().test_loss), accuracies[at].push_back(run.last().test_accuracy);
  }
  for (size_t i = 0; i < trials.size(); ++i)
    if (!trials[i].diverged) trials[i].loss = interval_95(losses[i]), trials[i].accuracy = interval_95(accuracies[i]);
  for (Trial& trial : trials) {
    bool lowest_loss = !trial.diverged, most_accurate = lowest_loss;
    double low = trial.settings.lr, high = low, low_rho = trial.settings.rho, high_rho = low_rho;
    for (const Trial& other : trials) {
      if (other.settings.optimizer != trial.settings.optimizer) continue;
      if (!other.diverged && better(other, trial, JudgedBy::loss)) lowest_loss = false;
      if (!other.diverged && better(other, trial, JudgedBy::accuracy)) most_accurate = false;
      low = std::min(low, other.settings.lr), high = std::max(high, other.settings.lr);
      low_rho = std::min(low_rho, other.settings.rho), high_rho = std::max(high_rho, other.settings.rho);
    }
    trial.lowest_loss = lowest_loss, trial.most_accurate = most_accurate;
    trial.chosen = what == JudgedBy::loss ? lowest_loss : most_accurate;
    trial.at_edge = (low < high && (trial.settings.lr == low || trial.settings.lr == high)) ||
                    (low_rho < high_rho && (trial.settings.rho == low_rho || trial.settings.rho == high_rho));
  }
  return trials;
}

const Trial& chosen_trial(const std::vector<Trial>& trials, const std::string& optimizer) {
  for (const Trial& trial : trials)
    if (trial.chosen && trial.settings.optimizer == optimizer) return trial;
  fail("tuning", "no trial of " + optimizer + " that stayed finite", "one at least",
       "Even the lowest learning rate was too high: look for values in the data that are far too large.");
}

}  // namespace minima::examples
