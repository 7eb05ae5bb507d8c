// What a pilot tries and for how long. A pilot repeats a study as often as the time allows: tune SGD, SAM and MSAM on a
// split of the training part, starting from grids of equally many trials, then train the chosen settings with new seeds
// and test them. The plan is the largest that fits a time budget, from what a step and a measurement cost here.
// Not here: measuring those costs and keeping to the plan (runs.h).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "examples/kit/tuning.h"

namespace minima::examples {

/// The optimizers of every pilot, in the order of its tables: sgd, sam, msam.
const std::vector<std::string>& pilot_optimizers();
/// Those that are compared on request, behind them in the tables: msam+auto, sam+auto. Their radius is found while
/// training (optim/radius.h), so that it needs no trials.
const std::vector<std::string>& further_pilot_optimizers();
/// An error in the name of `option` unless each is one of them, and given once.
void check_further(const std::string& option, const std::vector<std::string>& names);

/// A grid over momentum, and for each momentum over lr and rho. Learning rates are given as lr / (1 - momentum), the
/// length of a step when gradients agree, so that every momentum gets the range that suits it.
struct PilotGrid {
  int momenta, lrs, rhos;
  int trials() const { return momenta * lrs * rhos; }
  /// Of this optimizer: fewer where no radius is tried.
  int trials(const std::string& optimizer) const;
};

/// Between neighbours of a grid with rho; learning rates of a grid without rho are 2 apart or closer.
inline constexpr double grid_spacing = 4;

/// The trials of one optimizer. One with rho gets `lrs` learning rates, each 4 times the one before, and `rhos` radii,
/// likewise, around `lr_per_momentum` * (1 - momentum) and around its starting rho. SGD gets as many trials: the same
/// range of learning rates, lrs * rhos of them. One whose radius is automatic gets the `lrs` learning rates alone.
std::vector<Setting> pilot_trials(const std::string& optimizer, const PilotGrid& grid);

/// What was measured before planning, in seconds.
struct PilotCosts {
  std::map<std::string, double> step;  ///< by optimizer
  double measurement = 0;              ///< of training and test loss
  double curvature = 0;                ///< of the largest eigenvalue
  int64_t at_once = 1;                 ///< runs that are done side by side
  double all_steps() const;            ///< one step of each optimizer
};

/// How many runs successive halving makes of a grid: every trial with one seed, the better half with a second one, and
/// so on, until two are left or the last rung is done.
int64_t halving_runs(int64_t trials);
inline constexpr int64_t halving_rungs = 5;

struct PilotPlan {
  PilotGrid grid{};
  int64_t epochs = 0;
  int64_t seeds = 0;           ///< of each optimizer's chosen setting, in each study
  int64_t studies = 0;         ///< as expected; more are made if there is time
  int64_t curvature_runs = 0;  ///< in how many seeds curvature is measured
  double study_seconds = 0;    ///< as expected
  double reserve = 0;          ///< seconds of the budget that are kept for the report
  double seconds() const { return static_cast<double>(studies) * study_seconds; }
};

/// Studies without which a plan is too small, and beyond which no more are made.
inline constexpr int64_t fewest_pilot_studies = 5, most_pilot_studies = 40;

/// The largest plan of a fixed ladder that fits into `seconds`, with room for a machine that becomes a fifth slower.
/// `epochs` > 0 fixes the length of the runs. An error in the name of --minutes says what the smallest plan needs:
/// `spent` seconds are gone already, and `reserve` are kept for the report.
PilotPlan plan_pilot(const PilotCosts& costs, int64_t steps_per_epoch, double seconds, int64_t epochs, double spent,
                     double reserve);

}  // namespace minima::examples
