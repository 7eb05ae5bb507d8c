#include "examples/pilot/runs.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

#include "examples/kit/interrupt.h"
#include "examples/kit/table.h"
#include "examples/pilot/verdict.h"

namespace minima::examples {

namespace {

constexpr double too_late = 1.1;  // of the budget: no run goes on beyond
constexpr int64_t probes_per_run = 120;
constexpr double smallest_lr = 1e-9;  // at which costs are measured

int64_t milliseconds(double seconds) { return static_cast<int64_t>(1000 * seconds); }

/// Correctness and cross entropy of every row, in eval mode at the present weights.
void measure_rows(nn::Module& model, const Problem& problem, PilotRun& run) {
  NoGrad no_grad;
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
      run.row_loss.push_back(-row[label]);
      run.row_correct.push_back(std::max_element(row, row + static_cast<std::ptrdiff_t>(classes)) - row == label);
    }
  }
  model.train(was_training);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Row trial_row(const Problem& problem, const RunResult& run) {
  Row row = metrics_row(problem, run.settings, run.last());
  for (auto& [name, value] : row)  // the test part here is the validation split
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
  for (double lr = RunSettings{}.lr;; lr /= 10) {  // what a step costs does not depend on it
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
    const double rho = optim::defaults_of(name).rho;
    runs.push_back(std::make_unique<Run>(
        problem, RunSettings{.optimizer = name, .base = "sgd", .lr = lr, .rho = rho, .steps = 1000000}));
    runs.back()->step();  // memory is fetched in the first
  }
  std::map<std::string, std::vector<double>> step_seconds;
  std::vector<double> measurement_seconds;
  for (int turn = 0; turn < turns; ++turn) {
    for (const auto& run : runs) {
      const double start = clock_.elapsed();
      int64_t steps = 0;
      while (steps < 1 || (steps < 1000 && clock_.elapsed() - start < turn_seconds)) run->step(), ++steps;
      step_seconds[run->result().settings.optimizer].push_back((clock_.elapsed() - start) / static_cast<double>(steps));
    }
    const double start = clock_.elapsed();
    if (turn < 3) runs[0]->measure(), measurement_seconds.push_back(clock_.elapsed() - start);
    if (interrupted() || clock_.elapsed() > 0.1 * clock_.budget()) break;  // a step is long: one turn tells enough
  }
  PilotCosts costs;
  for (auto& [name, seconds] : step_seconds) costs.step[name] = median(seconds);
  costs.measurement = median(measurement_seconds);
  const double start = clock_.elapsed();
  runs[0]->measure_curvature(curvature_samples);
  costs.curvature = clock_.elapsed() - start;
  return costs;
}

RunResult PilotSession::try_out(const Problem& tuning, const RunSettings& settings, const std::string& note) {
  Run run(tuning, settings);
  RunResult result;
  try {
    while (!run.finished()) run.step(), check_time(), tell(note);
    run.measure();
    result = run.result();
  } catch (const Diverged& diverged) {
    result = run.result();
    result.divergence = diverged.what();
  }
  trials_.write(trial_row(tuning, result));
  return result;
}

std::vector<Trial> PilotSession::tune(const Problem& tuning, const PilotPlan& plan, JudgedBy what, double until) {
  std::vector<std::vector<RunSettings>> grids;
  for (const std::string& name : pilot_optimizers()) grids.push_back(pilot_trials(name, plan.grid));
  // Each optimizer's grid in an order of its own, the same for every seed.
  std::vector<std::vector<int64_t>> orders;
  for (size_t k = 0; k < grids.size(); ++k)
    orders.push_back(Generator{first_tuning_seed + k, 0}.permutation(plan.grid.trials()));

  std::vector<RunResult> kept, of_this_seed;
  const double start = clock_.elapsed();
  int64_t rounds = 0;
  const int64_t in_all = plan.grid.trials() * plan.tuning_seeds;
  const auto time_for_another = [&] {
    const double now = clock_.elapsed();
    return rounds == 0 || now + (now - start) / static_cast<double>(rounds) < until;
  };
  try {
    for (int64_t seed = 0; seed < plan.tuning_seeds; ++seed) {
      of_this_seed.clear();
      for (int64_t i = 0; i < plan.grid.trials(); ++i, ++rounds) {
        if (!time_for_another()) throw Out{};
        std::vector<RunResult> round;  // counted when all optimizers have done it
        for (size_t k = 0; k < grids.size(); ++k) {
          RunSettings settings = grids[k][static_cast<size_t>(orders[k][static_cast<size_t>(i)])];
          settings.seed = first_tuning_seed + static_cast<uint64_t>(seed);
          settings.steps = plan.epochs * tuning.steps_per_epoch();
          round.push_back(try_out(tuning, settings, text("tuning, round ", rounds + 1, " of ", in_all)));
        }
        of_this_seed.insert(of_this_seed.end(), round.begin(), round.end());
        progress_.plain_line(text("tuning: ", rounds + 1, " of ", in_all, " rounds"));
      }
      kept.insert(kept.end(), of_this_seed.begin(), of_this_seed.end());
      tuning_seeds_done_ = seed + 1;
    }
  } catch (const Out&) { stopped_ = interrupted(); }
  if (kept.empty()) kept = of_this_seed, tuning_seeds_done_ = kept.empty() ? 0 : 1;
  trials_done_ = static_cast<int64_t>(kept.size() / grids.size()) / std::max<int64_t>(1, tuning_seeds_done_);
  return judge_pilot(kept, what);
}

PilotRun PilotSession::run(const Problem& problem, const RunSettings& settings, int64_t curvature_samples) {
  PilotRun out;
  Run run(problem, settings);
  const int64_t every = std::max<int64_t>(1, settings.steps / probes_per_run);
  const auto per_epoch = static_cast<double>(problem.steps_per_epoch());
  const std::string name = text(settings.optimizer, ", seed ", settings.seed);
  try {
    while (!run.finished()) {
      const bool probe = run.steps_done() % every == every - 1;
      run.optimizer().measure(probe ? optim::Measure::norms : optim::Measure::nothing);
      run.step();
      const optim::StepStatistics& step = run.optimizer().last_step();
      if (probe && std::isfinite(step.cosine))
        out.probes.push_back(
            {static_cast<double>(run.steps_done()) / per_epoch, step.cosine, step.cosine * step.gradient_norm});
      if (run.measurement_due()) metrics_.write(metrics_row(problem, settings, run.measure()));
      check_time();
      tell(name);
    }
    measure_rows(run.model(), problem, out);
    if (curvature_samples > 0) run.measure_curvature(curvature_samples);
    out.result = run.result();
  } catch (const Diverged& diverged) {
    out.result = run.result();
    out.result.divergence = diverged.what();
    progress_.line(diverged.what());
  }
  return out;
}

std::vector<PilotRun> PilotSession::compare(const Problem& problem, const PilotPlan& plan,
                                            const std::vector<RunSettings>& chosen, int64_t curvature_samples,
                                            double until) {
  std::vector<PilotRun> runs;
  double last_round = 0;
  for (int64_t seed = 1; seed <= most_pilot_seeds && !interrupted(); ++seed) {
    const double start = clock_.elapsed();
    if (seed > fewest_seeds && start + last_round > until) break;
    std::vector<PilotRun> round;
    try {
      for (RunSettings settings : chosen) {
        settings.seed = static_cast<uint64_t>(seed);
        settings.steps = plan.epochs * problem.steps_per_epoch();
        round.push_back(run(problem, settings, seed <= plan.curvature_seeds ? curvature_samples : 0));
      }
    } catch (const Out&) { break; }
    runs.insert(runs.end(), round.begin(), round.end());
    last_round = clock_.elapsed() - start;
    progress_.plain_line(text("final comparison: seed ", seed, " done"));
  }
  stopped_ = interrupted();
  return runs;
}

}  // namespace minima::examples
