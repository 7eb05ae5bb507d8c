// What a pilot tries and for how long: grids of equally many trials for SGD, SAM and MSAM, and the largest plan that
// fits a time budget, from what a step and a measurement cost on this machine.
// Not here: measuring those costs and keeping to the plan (runs.h).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "examples/kit/tuning.h"

namespace minima::examples {

/// The optimizers of a pilot, in the order of its tables: sgd, sam, msam.
const std::vector<std::string>& pilot_optimizers();

/// A grid over momentum, and for each momentum over lr and rho. Learning rates are given as lr / (1 - momentum), the
/// length of a step when gradients agree, so that every momentum gets the range that suits it.
struct PilotGrid {
  int momenta, lrs, rhos;
  int trials() const { return momenta * lrs * rhos; }
};

/// The trials of one optimizer. One with rho gets `lrs` learning rates, each 4 times the one before, and `rhos` radii,
/// likewise, around `lr_per_momentum` * (1 - momentum) and around its starting rho. One without gets as many trials:
/// the same range of learning rates, lrs * rhos of them.
std::vector<Setting> pilot_trials(const std::string& optimizer, const PilotGrid& grid);

/// What was measured before planning, in seconds.
struct PilotCosts {
  std::map<std::string, double> step;  ///< by optimizer
  double measurement = 0;              ///< of training and test loss
  double curvature = 0;                ///< of the largest eigenvalue
  double all_steps() const;            ///< one step of each optimizer
};

struct PilotPlan {
  PilotGrid grid{};
  int64_t tuning_seeds = 0, epochs = 0;
  int64_t seeds = 0;            ///< of the final comparison, as expected; more are run if there is time
  int64_t curvature_seeds = 0;  ///< in how many of them curvature is measured
  double tuning_seconds = 0, final_seconds = 0;  ///< as expected
};

/// What cannot be had in less: seeds of the final comparison that allow a verdict, and the smallest grid.
inline constexpr int64_t fewest_pilot_seeds = 5, most_pilot_seeds = 30;

/// The largest plan of a fixed ladder that fits into `seconds`, with room for a machine that becomes a fifth slower.
/// `epochs` > 0 fixes the length of the runs. An error in the name of --minutes says what the smallest plan needs:
/// `spent` seconds are gone already, and `reserve` are kept for the report.
PilotPlan plan_pilot(const PilotCosts& costs, int64_t steps_per_epoch, double seconds, int64_t epochs, double spent,
                     double reserve);

}  // namespace minima::examples
