// The runs of a pilot, kept to a time budget: what a step costs here, tuning in rounds of one trial of each optimizer,
// then seed after seed of all three while there is time. A machine that slows down gets fewer rounds and seeds, equally
// many for each optimizer. Ctrl-C ends it early, with what has been finished.
// Not here: what is planned (plan.h), what the results mean (verdict.h, report.h).
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "examples/kit/json.h"
#include "examples/kit/progress.h"
#include "examples/pilot/plan.h"

namespace minima::examples {

// What a final run notes (RunResult::seen). At one in some steps, of the gradient g of a batch that the momentum v does
// not contain yet, g at the weights for SGD and SAM, and at the perturbed point for MSAM:
//   epoch
//   cosine       cos(v, g)
//   slope        <v, g> / |v|: what the loss of that batch falls by along the coming update, per length
// and at the end, for each row of the test part:
//   row_correct  1 or 0
//   row_loss     cross entropy

/// Wall time since the program began, against its budget.
class PilotClock {
 public:
  explicit PilotClock(double budget_seconds) : budget_(budget_seconds) {}
  double elapsed() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }
  double budget() const { return budget_; }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double budget_;
};

class PilotSession {
 public:
  /// Writes trials.csv and metrics.csv (and .jsonl) in `directory`.
  PilotSession(const PilotClock& clock, const std::string& directory);

  /// Times some steps of each optimizer in turn, a measurement and the curvature: medians, so that a moment in which
  /// the machine does something else does not count. Where the usual lr diverges, a tenth of it is taken, and so on.
  PilotCosts measure_costs(const Problem& problem, int64_t curvature_samples);

  /// Tries the plan's grid until `until` seconds at the latest. Every optimizer gets the same number of trials: they
  /// take turns, in an order of the grid that is shuffled, so that what is cut off leaves a grid that is thinner, not
  /// one-sided; what the last seed has not finished is left out. At least one round is done.
  std::vector<Runs> tune(const Problem& tuning, const PilotPlan& plan, double until);

  /// Runs of the chosen settings, seed after seed, as long as another seed is expected to end before `until`, at most
  /// most_pilot_seeds. The fewest seeds that a verdict needs are tried for a tenth of the budget longer. Empty where
  /// not one seed was finished.
  std::vector<Runs> compare(const Problem& problem, const PilotPlan& plan, const std::vector<Setting>& chosen,
                            int64_t curvature_samples, double until);

  bool stopped_early() const { return stopped_; }  ///< by Ctrl-C
  void clear_progress() { progress_.clear(); }

 private:
  struct Out {};  ///< thrown where a run is given up: Ctrl-C, or far past the budget
  PilotCosts measure_costs(const Problem& problem, int64_t curvature_samples, double lr);
  void tell(const std::string& note);
  void check_time() const;
  /// One run, given up where the time is up.
  RunResult run(const Problem& problem, const Setting& setting, uint64_t seed, Observer observer,
                const Measures& measures, const std::string& note);

  const PilotClock& clock_;
  MetricsWriter trials_, metrics_;
  Progress progress_;
  bool stopped_ = false;
};

}  // namespace minima::examples
