#include "examples/pilot/plan.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "examples/kit/table.h"

namespace minima::examples {

namespace {

constexpr double central_step = 0.5;      // lr / (1 - momentum) at the centre: optim's 0.05 with momentum 0.9
constexpr double slower = 1.2;            // how much slower the machine may become before a plan no longer fits
constexpr double curvature_share = 0.15;  // of the budget, at most

/// Points around `centre`, `count` of them over the range of `steps` spacings.
double grid_point(double centre, int index, int count, double range) {
  if (count == 1) return centre;
  return centre * std::pow(range, static_cast<double>(index) / (count - 1) - 0.5);
}

const std::vector<double>& momenta(int count) {
  static const std::vector<double> two{0.8, 0.95}, three{0.8, 0.9, 0.95};  // 1 - momentum: 1/5, (1/10,) 1/20
  return count == 2 ? two : three;
}

/// The radius in the middle of the grid. SAM's and MSAM's do not compare: SAM's gradient is uphill everywhere.
double central_rho(const std::string& optimizer) { return 2 * Setting{.optimizer = optimizer}.value("rho"); }

/// Whether no radius is tried, for it is found while training.
bool is_automatic(const std::string& optimizer) {
  return optim::is_wrapper(optimizer) && !Setting{.optimizer = optimizer}.has("rho");
}

/// A plan of the ladder.
struct Extent {
  PilotGrid grid;
  int64_t seeds, studies, epochs, steps;  ///< runs of so many epochs, or of so many steps if that is more
};

constexpr PilotGrid smallest{2, 2, 2}, small{2, 3, 3}, middle{3, 3, 3}, large{3, 4, 4};
const Extent ladder[] = {
    {smallest, 1, 5, 3, 60},  {smallest, 1, 5, 5, 100},  {smallest, 1, 5, 8, 200},  {smallest, 2, 5, 12, 300},
    {small, 2, 5, 12, 300},   {small, 2, 6, 20, 500},    {small, 2, 10, 20, 500},   {small, 3, 10, 30, 700},
    {middle, 3, 10, 30, 700}, {middle, 3, 15, 40, 1000}, {middle, 3, 20, 50, 1500}, {large, 3, 20, 50, 2000},
};

/// The runs of each rung of successive halving.
std::vector<int64_t> rungs(int64_t trials) {
  std::vector<int64_t> runs;
  for (; std::ssize(runs) < halving_rungs && (trials > 1 || runs.empty()); trials = (trials + 1) / 2)
    runs.push_back(trials);
  return runs;
}

/// How many times as long as one run so many take, where some are done at once.
double turns(int64_t runs, int64_t at_once) {
  constexpr double undisturbed = 0.85;  // of their speed, that runs side by side keep
  const double each = static_cast<double>(runs) / static_cast<double>(at_once);
  return at_once == 1 ? each : std::max(std::ceil(each), each / undisturbed);
}

/// The plan of one extent and its time.
PilotPlan plan_of(const Extent& extent, const PilotCosts& costs, int64_t steps_per_epoch, double seconds,
                  int64_t epochs) {
  constexpr double extension = 1.25;  // beyond the edges of the grid
  PilotPlan plan{.grid = extent.grid, .seeds = extent.seeds, .studies = extent.studies};
  plan.epochs = epochs > 0 ? epochs : std::max(extent.epochs, (extent.steps + steps_per_epoch - 1) / steps_per_epoch);
  const auto steps = static_cast<double>(plan.epochs * steps_per_epoch);
  const auto optimizers = static_cast<int64_t>(costs.step.size());
  const auto count = static_cast<double>(optimizers);
  const double run = steps * costs.all_steps() + count * static_cast<double>(plan.epochs + 1) * costs.measurement;
  const double affordable = curvature_share * seconds / (count * costs.curvature);
  plan.curvature_runs = static_cast<int64_t>(std::clamp(std::floor(affordable), 0.0, 5.0));
  double trials = 0;
  for (const auto& [name, step] : costs.step)
    for (const int64_t runs : rungs(plan.grid.trials(name)))
      trials += turns(runs, costs.at_once) * (0.8 * steps * step + costs.measurement);
  // An optimizer's trials have turns of their own; all share those of the final runs, of which SAM's are half or less.
  const double finals = std::max(turns(optimizers * plan.seeds, costs.at_once) / count, 0.5);
  plan.study_seconds =
      extension * trials + finals * run +
      count * costs.curvature * static_cast<double>(plan.curvature_runs) / static_cast<double>(plan.studies);
  return plan;
}

double needed(const PilotPlan& plan) { return slower * plan.seconds(); }

}  // namespace

const std::vector<std::string>& pilot_optimizers() {
  static const std::vector<std::string> names{"sgd", "sam", "msam"};
  return names;
}

const std::vector<std::string>& further_pilot_optimizers() {
  static const std::vector<std::string> names{"msam+auto", "sam+auto"};
  return names;
}

void check_further(const std::string& option, const std::vector<std::string>& names) {
  const std::vector<std::string>& known = further_pilot_optimizers();
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      fail(option, name, "some of " + joined(known), joined(pilot_optimizers()) + " are always compared.");
    if (std::count(names.begin(), names.end(), name) > 1) fail(option, name + " twice", "each of them once");
  }
}

int PilotGrid::trials(const std::string& optimizer) const { return is_automatic(optimizer) ? momenta * lrs : trials(); }

std::vector<Setting> pilot_trials(const std::string& optimizer, const PilotGrid& grid) {
  const bool with_rho = Setting{.optimizer = optimizer}.has("rho");
  const int rhos = with_rho ? grid.rhos : 1, lrs = grid.trials(optimizer) / grid.momenta / rhos;
  std::vector<Setting> trials;
  for (const double momentum : momenta(grid.momenta)) {
    for (int i = 0; i < lrs; ++i) {
      for (int j = 0; j < rhos; ++j) {
        const double step = grid_point(central_step, i, lrs, std::pow(grid_spacing, grid.lrs - 1));
        Setting trial{.optimizer = optimizer,
                      .hyperparameters = {{"momentum", momentum}, {"lr", three_digits((1 - momentum) * step)}}};
        if (with_rho)
          trial.hyperparameters["rho"] =
              three_digits(grid_point(central_rho(optimizer), j, rhos, std::pow(grid_spacing, grid.rhos - 1)));
        trials.push_back(trial);
      }
    }
  }
  return trials;
}

int64_t halving_runs(int64_t trials) {
  const std::vector<int64_t> all = rungs(trials);
  return std::accumulate(all.begin(), all.end(), int64_t{0});
}

double PilotCosts::all_steps() const {
  double total = 0;
  for (const auto& [name, seconds] : step) total += seconds;
  return total;
}

PilotPlan plan_pilot(const PilotCosts& costs, int64_t steps_per_epoch, double seconds, int64_t epochs, double spent,
                     double reserve) {
  const double available = seconds - spent - reserve;
  std::optional<PilotPlan> best;
  for (const Extent& extent : ladder) {
    const PilotPlan plan = plan_of(extent, costs, steps_per_epoch, seconds, epochs);
    if (needed(plan) <= available) best = plan, best->reserve = reserve;
  }
  if (best) return *best;
  const PilotPlan least = plan_of(ladder[0], costs, steps_per_epoch, seconds, epochs);
  const double minutes = std::ceil(10 * 1.1 * (needed(least) + spent + reserve) / 60) / 10;
  std::string further;
  for (const std::string& name : further_pilot_optimizers())
    if (costs.step.count(name) > 0) further += text(" and ", least.grid.trials(name), " for ", name);
  fail("--minutes", number_text(seconds / 60), text("at least ", number_text(minutes)),
       text("The smallest plan is ", least.grid.trials(), " trials for each of three optimizers", further,
            " in each of ", least.studies, " studies, in runs of ", least.epochs, " epochs, and a step of all ",
            further.empty() ? "three" : text(costs.step.size()), " takes ", fixed(1000 * costs.all_steps(), 2),
            " ms here. A smaller --model", epochs > 0 ? ", fewer --epochs" : "", " or a larger --batch costs less."));
}

}  // namespace minima::examples
