#include "examples/kit/tuning.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace minima::examples {

namespace {

/// Whether the accuracy of `trial` is below that of `best` by no more than a standard error of the difference, or than
/// one row.
bool about_as_accurate(const Runs& trial, const Runs& best, int64_t rows) {
  const Interval below = best.minus(trial, at_end(&Measurement::test_accuracy));
  const double error = below.count < 2 ? 0 : below.half_width / student_t_975(below.count - 1);
  const double row = rows > 0 ? 1.0 / static_cast<double>(rows) : 0;
  return below.mean <= std::max(error, 1.000001 * row);
}

/// -1 or 1 where a value is the smallest or the largest of those tried, if they differ; else 0. Learning rates are
/// rounded to a percent.
int edge(double value, const std::vector<double>& tried) {
  const auto [low, high] = std::minmax_element(tried.begin(), tried.end());
  const double same = 0.01 * std::abs(value);
  if (*low == *high) return 0;
  return value - same <= *low ? -1 : value + same >= *high ? 1 : 0;
}

/// The step lengths and the radii of the trials of one optimizer.
std::pair<std::vector<double>, std::vector<double>> tried(const std::vector<Runs>& trials,
                                                          const std::string& optimizer) {
  std::vector<double> lengths, radii;
  for (const Runs& trial : trials) {
    if (trial.setting.optimizer != optimizer) continue;
    lengths.push_back(step_length(trial.setting)), radii.push_back(trial.setting.value("rho"));
  }
  return {lengths, radii};
}

}  // namespace

bool better(const Runs& a, const Runs& b, JudgedBy by) {
  const double x = validation_accuracy(a).mean, y = validation_accuracy(b).mean;
  if (by == JudgedBy::accuracy && x != y) return x > y;
  return validation_loss(a).mean < validation_loss(b).mean;
}

Problem validation_problem(const Problem& problem, uint64_t seed) {
  Problem result = problem;
  const datasets::Split split = problem.train.split(validation_fraction, seed);
  result.train = split.train, result.test = split.test;
  return result;
}

double three_digits(double value) { return std::strtod(short_text(value, 3).c_str(), nullptr); }

std::vector<Setting> tuning_grid(const Setting& start) {
  std::vector<Setting> grid;
  const bool with_rho = start.has("rho");
  for (int64_t i = 0; i < trials_per_optimizer; ++i) {
    Setting trial = start;
    double& lr = trial.hyperparameters["lr"] = start.value("lr");
    if (with_rho) {
      lr = three_digits(lr * std::pow(2.0, 1.75 * static_cast<double>(i / 3 - 2)));
      trial.hyperparameters["rho"] = three_digits(start.value("rho") * std::pow(4.0, static_cast<double>(i % 3 - 1)));
    } else {
      lr = three_digits(lr * std::pow(2.0, static_cast<double>(i - trials_per_optimizer / 2) / 2));
    }
    grid.push_back(trial);
  }
  return grid;
}

Interval validation_loss(const Runs& trial) { return trial.mean_of_all(at_end(&Measurement::test_loss)); }
Interval validation_accuracy(const Runs& trial) { return trial.mean_of_all(at_end(&Measurement::test_accuracy)); }
double step_length(const Setting& setting) { return setting.value("lr") / (1 - setting.value("momentum")); }

const Runs* Tuning::best(const std::string& optimizer, JudgedBy by) const {
  std::vector<const Runs*> candidates;
  size_t most_seeds = 0;
  for (const Runs& trial : trials)
    if (trial.setting.optimizer == optimizer && trial.diverged() == 0) {
      candidates.push_back(&trial);
      most_seeds = std::max(most_seeds, trial.results.size());
    }
  std::erase_if(candidates, [&](const Runs* trial) { return trial->results.size() < most_seeds; });
  const auto best_of = [&](JudgedBy measure) {
    const Runs* best = nullptr;
    for (const Runs* trial : candidates)
      if (!best || better(*trial, *best, measure)) best = trial;
    return best;
  };
  const Runs* best = best_of(by);
  if (!best || by == JudgedBy::loss) return best;
  std::erase_if(candidates, [&](const Runs* trial) { return !about_as_accurate(*trial, *best, validation_rows); });
  return best_of(JudgedBy::loss);
}

const Runs& Tuning::chosen(const std::string& optimizer) const {
  if (const Runs* found = best(optimizer, judged_by)) return *found;
  fail("tuning", "no trial of " + optimizer + " that stayed finite", "one at least",
       "Even the lowest learning rate was too high: look for values in the data that are far too large.");
}

bool Tuning::at_edge(const Runs& trial) const {
  const auto [lengths, radii] = tried(trials, trial.setting.optimizer);
  return edge(step_length(trial.setting), lengths) != 0 || edge(trial.setting.value("rho"), radii) != 0;
}

std::vector<Setting> Tuning::beyond_the_edge(const Runs& trial, double spacing) const {
  const auto [lengths, radii] = tried(trials, trial.setting.optimizer);
  std::vector<Setting> settings;
  const auto add = [&](const std::string& name, int side) {
    if (side == 0) return;
    Setting next = trial.setting;
    next.hyperparameters[name] = three_digits(trial.setting.value(name) * std::pow(spacing, side));
    settings.push_back(next);
  };
  add("lr", edge(step_length(trial.setting), lengths));
  add("rho", edge(trial.setting.value("rho"), radii));
  return settings;
}

std::vector<std::string> Tuning::chosen_at_edge() const {
  std::vector<std::string> names;
  for (const Runs& trial : trials)
    if (best(trial.setting.optimizer, judged_by) == &trial && at_edge(trial)) names.push_back(trial.setting.optimizer);
  return names;
}

int64_t Tuning::trials_each() const {
  return std::count_if(trials.begin(), trials.end(),
                       [&](const Runs& trial) { return trial.setting.optimizer == trials.front().setting.optimizer; });
}

Table trial_table(const Tuning& tuning) {
  Table table{
      {"optimizer", "lr", "rho", "validation loss", tuning.quantities ? "validation R2 %" : "validation acc %", ""}};
  for (const Runs& trial : tuning.trials) {
    const Setting& s = trial.setting;
    std::string note;
    if (&trial == tuning.best(s.optimizer, tuning.judged_by))
      note = tuning.at_edge(trial) ? "chosen, at the edge of the grid" : "chosen";
    else if (&trial == tuning.best(s.optimizer, JudgedBy::accuracy))
      note = tuning.quantities ? "highest R2" : "most accurate";
    else if (&trial == tuning.best(s.optimizer, JudgedBy::loss))
      note = "lowest loss";
    table.push_back({s.optimizer, s.value_text("lr"), s.value_text("rho"),
                     trial.diverged() > 0 ? "diverged" : interval_text(validation_loss(trial)),
                     interval_text(validation_accuracy(trial), 100), note});
  }
  return table;
}

}  // namespace minima::examples
