#include "examples/pilot/runs.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

#include "examples/kit/program.h"
#include "examples/kit/table.h"
#include "examples/pilot/verdict.h"

namespace minima::examples {

namespace {

constexpr double too_late = 1.1;  // of the budget: no run goes on beyond
constexpr int64_t probes_per_run = 120;
constexpr double usual_lr = 0.1, smallest_lr = 1e-9;  // at which costs are measured

int64_t milliseconds(double seconds) { return static_cast<int64_t>(1000 * seconds); }

/// Correctness and cross entropy of every row, in eval mode at the present weights.
void note_rows(Run& run) {
  NoGrad no_grad;
  nn::Module& model = run.model();
  const Problem& problem = run.problem();
  const bool was_training = model.training;
  model.eval();
  const int64_t batch = std::min<int64_t>(500, problem.test.size());
  for (const auto& [x, y] : datasets::Loader(problem.test, {.batch_size = batch, .shuffle = false}).epoch(0)) {
    const Tensor log_probabilities = log_softmax(model(x.to(problem.device))).value().to(Device::cpu);
    const std::vector<double> values = log_probabilities.to_vector<double>();
    const auto classes = static_cast<size_t>(log_probabilities.shape()[1]);
    for (size_t i = 0; i < static_cast<size_t>(y.numel()); ++i) {
      const auto row = values.begin() + static_cast<std::ptrdiff_t>(i * classes);
      const auto label = static_cast<std::ptrdiff_t>(y.at(static_cast<int64_t>(i)));
      run.note("row_loss", -row[label]);
      run.note("row_correct", std::max_element(row, row + static_cast<std::ptrdiff_t>(classes)) - row == label);
    }
  }
  model.train(was_training);
}

/// What a final run notes.
Observer final_observer(int64_t steps) {
  const int64_t every = std::max<int64_t>(1, steps / probes_per_run);
  const auto probed = [every](int64_t step) { return step % every == 0; };  // counted from 1
  Observer observer;
  observer.before_step = [=](Run& run) {
    run.optimizer().measure(probed(run.steps_done() + 1) ? optim::Measure::norms : optim::Measure::nothing);
  };
  observer.after_step = [=](Run& run) {
    const optim::StepStatistics& step = run.optimizer().last_step();
    if (!probed(run.steps_done()) || !std::isfinite(step.cosine)) return;
    run.note("epoch", static_cast<double>(run.steps_done()) / static_cast<double>(run.problem().steps_per_epoch()));
    run.note("cosine", step.cosine), run.note("slope", step.cosine * step.gradient_norm);
  };
  observer.at_end = note_rows;
  return observer;
}

double middle(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// The test part is the validation split here.
Row trial_row(const Problem& problem, const Setting& setting, const RunResult& run) {
  Row row = metrics_row(problem, setting, run.seed, run.last());
  for (auto& [name, value] : row)
    if (name.rfind("test_", 0) == 0) name = "validation_" + name.substr(5);
  return row;
}

}  // namespace

PilotSession::PilotSession(const PilotClock& clock, const std::string& directory)
    : clock_(clock), trials_(directory, "trials"), metrics_(directory), progress_(milliseconds(clock.budget())) {
  catch_interrupts();
}

void PilotSession::tell(const std::string& note) { progress_.update(milliseconds(clock_.elapsed()), note); }

void PilotSession::check_time() const {
  if (interrupted() || clock_.elapsed() > too_late * clock_.budget()) throw Out{};
}

PilotCosts PilotSession::measure_costs(const Problem& problem, int64_t curvature_samples) {
  for (double lr = usual_lr;; lr /= 10) {  // what a step costs does not depend on it
    try {
      return measure_costs(problem, curvature_samples, lr);
    } catch (const Diverged&) {
      if (lr < smallest_lr) throw;
    }
  }
}

PilotCosts PilotSession::measure_costs(const Problem& problem, int64_t curvature_samples, double lr) {
  constexpr int turns = 5;
  const double turn_seconds = std::min(0.4, 0.01 * clock_.budget()) / turns;
  std::vector<std::unique_ptr<Run>> runs;
  for (const std::string& name : pilot_optimizers()) {
    const Setting setting{.optimizer = name, .hyperparameters = {{"lr", lr}}, .steps = 1000000};
    runs.push_back(std::make_unique<Run>(problem, setting, /*seed=*/1));
    runs.back()->step();  // memory is fetched in the first
  }
  std::map<std::string, std::vector<double>> step_seconds;
  std::vector<double> measurement_seconds;
  for (int turn = 0; turn < turns; ++turn) {
    for (const auto& run : runs) {
      const double start = clock_.elapsed();
      int64_t steps = 0;
      while (steps < 1 || (steps < 1000 && clock_.elapsed() - start < turn_seconds)) run->step(), ++steps;
      step_seconds[run->setting().optimizer].push_back((clock_.elapsed() - start) / static_cast<double>(steps));
    }
    const double start = clock_.elapsed();
    if (turn < 3) runs[0]->measure(), measurement_seconds.push_back(clock_.elapsed() - start);
    if (interrupted() || clock_.elapsed() > 0.1 * clock_.budget()) break;  // a step is long: one turn tells enough
  }
  PilotCosts costs;
  for (auto& [name, seconds] : step_seconds) costs.step[name] = middle(seconds);
  costs.measurement = middle(measurement_seconds);
  const double start = clock_.elapsed();
  runs[0]->measure_curvature(curvature_samples);
  costs.curvature = clock_.elapsed() - start;
  return costs;
}

RunResult PilotSession::run(const Problem& problem, const Setting& setting, uint64_t seed, Observer observer,
                            const Measures& measures, const std::string& note) {
  Run run(problem, setting, seed);
  observer.after_step = [&, look = observer.after_step](Run& run) {
    if (look) look(run);
    check_time();
    tell(note);
  };
  if (measures.every_epoch)
    observer.after_measurement = [&](Run& run) {
      metrics_.write(metrics_row(problem, setting, seed, run.result().last()));
    };
  return train_to_end(run, observer, measures);
}

std::vector<Runs> PilotSession::tune(const Problem& tuning, const PilotPlan& plan, double until) {
  std::vector<std::vector<Runs>> grids;  // each optimizer's, in an order of its own, the same for every seed
  for (size_t k = 0; k < pilot_optimizers().size(); ++k) {
    const std::vector<Setting> trials = pilot_trials(pilot_optimizers()[k], plan.grid);
    std::vector<Runs>& grid = grids.emplace_back();
    for (const int64_t i : Generator{first_tuning_seed + k, 0}.permutation(plan.grid.trials())) {
      grid.push_back({trials[static_cast<size_t>(i)]});
      grid.back().setting.steps = plan.epochs * tuning.steps_per_epoch();
    }
  }
  const double start = clock_.elapsed();
  const int64_t in_all = plan.grid.trials() * plan.tuning_seeds;
  const auto time_for = [&](int64_t round) {
    const double now = clock_.elapsed();
    return round == 0 || now + (now - start) / static_cast<double>(round) < until;
  };
  int64_t round = 0;
  try {
    for (; round < in_all; ++round) {
      if (!time_for(round)) throw Out{};
      const auto trial = static_cast<size_t>(round % plan.grid.trials());
      const uint64_t seed = first_tuning_seed + static_cast<uint64_t>(round / plan.grid.trials());
      const std::string note = text("tuning, round ", round + 1, " of ", in_all);
      std::vector<RunResult> results;  // counted when all optimizers have done it
      for (const std::vector<Runs>& grid : grids) {
        const Setting& setting = grid[trial].setting;
        results.push_back(run(tuning, setting, seed, {}, {.every_epoch = false}, note));
        trials_.write(trial_row(tuning, setting, results.back()));
      }
      for (size_t k = 0; k < grids.size(); ++k) grids[k][trial].results.push_back(results[k]);
      progress_.plain_line(text("tuning: ", round + 1, " of ", in_all, " rounds"));
    }
  } catch (const Out&) { stopped_ = interrupted(); }
  // Whole seeds alone, or as much as there is of the first.
  const auto whole_seeds = static_cast<size_t>(std::max<int64_t>(1, round / plan.grid.trials()));
  std::vector<Runs> tried;
  for (const std::vector<Runs>& grid : grids)
    for (Runs trial : grid) {
      if (trial.results.size() > whole_seeds) trial.results.resize(whole_seeds);
      if (!trial.results.empty()) tried.push_back(trial);
    }
  return tried;
}

std::vector<Runs> PilotSession::compare(const Problem& problem, const PilotPlan& plan,
                                        const std::vector<Setting>& chosen, int64_t curvature_samples, double until) {
  std::vector<Runs> all;
  for (Setting setting : chosen) {
    setting.steps = plan.epochs * problem.steps_per_epoch();
    all.push_back({setting});
  }
  double last_round = 0;
  int64_t seed = 1;
  for (; seed <= most_pilot_seeds && !interrupted(); ++seed) {
    const double start = clock_.elapsed();
    if (seed > fewest_seeds && start + last_round > until) break;
    std::vector<RunResult> round;
    try {
      for (const Runs& runs : all) {
        const Measures measures{.curvature_samples = seed <= plan.curvature_seeds ? curvature_samples : 0};
        round.push_back(run(problem, runs.setting, static_cast<uint64_t>(seed), final_observer(runs.setting.steps),
                            measures, text(runs.name(), ", seed ", seed)));
        if (round.back().diverged()) progress_.line(round.back().divergence);
      }
    } catch (const Out&) { break; }
    for (size_t k = 0; k < all.size(); ++k) all[k].results.push_back(round[k]);
    last_round = clock_.elapsed() - start;
    progress_.plain_line(text("final comparison: seed ", seed, " done"));
  }
  stopped_ = interrupted();
  if (seed == 1) all.clear();
  return all;
}

}  // namespace minima::examples
