#include "examples/pilot/runs.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "examples/kit/data_report.h"
#include "examples/kit/program.h"
#include "examples/kit/table.h"
#include "examples/pilot/verdict.h"

namespace minima::examples {

namespace {

constexpr double too_late = 1.1;  // of the budget: no run goes on beyond
constexpr int64_t probes_per_run = 120;
constexpr int most_extensions = 2;                     // of a grid, beyond the edge at which the best trial lies
constexpr double save_seconds = 5, save_share = 0.01;  // between saves: seconds, or a share of the budget if less
constexpr double usual_lr = 0.1, smallest_lr = 1e-9;   // at which costs are measured

int64_t milliseconds(double seconds) { return static_cast<int64_t>(1000 * seconds); }

/// What a final run notes; of each row where all studies share the test part.
Observer final_observer(int64_t steps, bool rows) {
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
  observer.at_end = [rows](Run& run) {
    note_quality(run);
    if (rows) note_rows(run);
  };
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

PilotSession::PilotSession(PilotClock& clock, const Options& options)
    : clock_(clock),
      directory_(options.directory),
      optimizers_(options.optimizers),
      session_({.directory = options.directory,
                .configuration = options.configuration,
                .resume = options.resume,
                .resumable = !options.directory.empty(),
                .workers = options.workers,
                .shows_progress = false,
                .seconds_between_saves = std::min(save_seconds, save_share * clock.budget()),
                .program = [this] { return program_notes(); },
                .meanwhile = [this] { meanwhile(); }}) {
  if (options.directory.empty()) return;
  if (options.resume) restore(session_.saved_by_program());
  progress_.emplace(milliseconds(clock.budget()), milliseconds(clock.elapsed()));
}

Notes PilotSession::program_notes() const {
  const PilotPlan& p = under_way_.plan;
  const nlohmann::json plan{p.grid.momenta, p.grid.lrs,       p.grid.rhos,     p.epochs, p.seeds,
                            p.studies,      p.curvature_runs, p.study_seconds, p.reserve};
  return {{"plan", plan.dump()},
          {"plan in words", under_way_.words},
          {"marks", nlohmann::json(marks_).dump()},
          {"seconds", number_text(clock_.elapsed())}};
}

void PilotSession::restore(const Notes& notes) {
  try {
    const auto plan = nlohmann::json::parse(notes.at("plan")).get<std::vector<double>>();
    const auto count = [&](size_t i, int least = 1) {
      if (!(plan.at(i) >= least && plan.at(i) < 1e9)) throw std::out_of_range(text(plan.at(i)));
      return static_cast<int64_t>(plan.at(i));
    };
    const auto few = [&](size_t i) { return static_cast<int>(count(i)); };
    const auto time = [](double seconds) {
      if (!(seconds >= 0 && seconds < 1e9)) throw std::out_of_range(text(seconds, " seconds"));
      return seconds;
    };
    resumed_ = {{.grid = {few(0), few(1), few(2)},
                 .epochs = count(3),
                 .seeds = count(4),
                 .studies = count(5),
                 .curvature_runs = count(6, 0),
                 .study_seconds = time(plan.at(7)),
                 .reserve = time(plan.at(8))},
                notes.at("plan in words")};
    marks_ = nlohmann::json::parse(notes.at("marks")).get<std::vector<double>>();
    for (const double mark : marks_) time(mark);
    clock_.count_earlier(time(std::stod(notes.at("seconds"))));
  } catch (const std::exception&) {  // of JSON, of a number, or of an entry that is not there
    fail("--resume", "a state without a plan, or with a damaged one", "the state of an interrupted pilot",
         "Run without --resume to start anew.");
  }
}

void PilotSession::meanwhile() {
  if (clock_.elapsed() > too_late * clock_.budget()) throw Late{};
  if (progress_) progress_->update(milliseconds(clock_.elapsed()), note_);
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
  for (const std::string& name : optimizers_) {
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
  costs.at_once = session_.at_once(runs[0]->peak_memory_bytes(), problem.device);
  return costs;
}

std::vector<Runs> PilotSession::run(Experiment experiment, const std::string& note) {
  note_ = note;
  experiment.measures.costs = true;
  return session_.run(experiment);
}

uint64_t study_seed(int64_t study, int64_t run) { return static_cast<uint64_t>(1000 * study + run); }

void PilotSession::try_once(std::span<Runs> trials, const Problem& problem, int64_t study, const std::string& note) {
  const auto seed = static_cast<uint64_t>(1000000 + 1000 * study + std::ssize(trials.front().results));
  const Problem tuning = validation_problem(problem, seed);
  Experiment experiment{.problems = tuning,
                        .settings = {},
                        .seeds = {seed},
                        .measures = {.every_epoch = false},
                        .finished = [&](const Setting& setting, const RunResult& result) {
                          if (trials_) trials_->write(trial_row(tuning, setting, result));
                        }};
  for (const Runs& trial : trials) experiment.settings.push_back(trial.setting);
  const std::vector<Runs> results = run(experiment, note);
  for (size_t i = 0; i < trials.size(); ++i) trials[i].results.push_back(results[i].results.front());
}

void PilotSession::tune(Tuning& tuning, const std::string& optimizer, const Problem& problem, const PilotPlan& plan,
                        int64_t study) {
  const std::string note = text("study ", study, ", tuning ", optimizer);
  const int64_t steps = plan.epochs * validation_problem(problem).steps_per_epoch();
  std::vector<Runs> trials;
  for (Setting trial : pilot_trials(optimizer, plan.grid)) {
    trial.steps = steps;
    trials.push_back({trial});
  }
  size_t alive = trials.size();
  const auto is_better = [&](const Runs& a, const Runs& b) {
    if ((a.diverged() > 0) != (b.diverged() > 0)) return b.diverged() > 0;
    return a.diverged() == 0 && better(a, b, tuning.judged_by);
  };
  for (int64_t rung = 0; rung < halving_rungs && (alive > 1 || rung == 0); ++rung, alive = (alive + 1) / 2) {
    try_once(std::span(trials).first(alive), problem, study, note);
    std::stable_sort(trials.begin(), trials.begin() + static_cast<std::ptrdiff_t>(alive), is_better);
  }
  tuning.trials.insert(tuning.trials.end(), trials.begin(), trials.end());
  for (int extension = 0; extension < most_extensions; ++extension) {
    const Runs* best = tuning.best(optimizer, tuning.judged_by);
    if (!best) return;
    const size_t seeds = best->results.size();
    std::vector<Runs> beyond;
    for (Setting& trial : tuning.beyond_the_edge(*best, optim::is_wrapper(optimizer) ? grid_spacing : 2.0))
      beyond.push_back({trial});
    if (beyond.empty()) return;
    while (beyond.front().results.size() < seeds) try_once(beyond, problem, study, note + ", beyond the grid");
    tuning.trials.insert(tuning.trials.end(), beyond.begin(), beyond.end());
  }
}

Study PilotSession::study(const Problem& problem, const PilotPlan& plan, JudgedBy judged_by, int64_t curvature_samples,
                          int64_t number, const std::vector<std::string>& optimizers) {
  const bool splits_shared = !problem.loaded || problem.loaded->own_test_part;
  Study study;
  study.tuning.judged_by = judged_by;
  study.tuning.validation_rows = validation_problem(problem).test.size();
  for (const std::string& name : optimizers) {
    tune(study.tuning, name, problem, plan, number);
    Setting chosen = study.tuning.chosen(name).setting;
    chosen.steps = plan.epochs * problem.steps_per_epoch();
    study.runs.push_back({chosen});
  }
  const auto run_seeds = [&](int64_t first, int64_t count, int64_t samples) {
    if (count < 1) return;
    Experiment experiment{
        .problems = problem,
        .settings = {},
        .seeds = seeds_from(study_seed(number, first), count),
        .measures = {.curvature_samples = samples},
        .observe = [splits_shared](Run& run) { return final_observer(run.setting().steps, splits_shared); },
        .finished =
            [&](const Setting&, const RunResult& result) {
              if (result.diverged() && progress_) progress_->line(result.divergence);
            }};
    for (const Runs& runs : study.runs) experiment.settings.push_back(runs.setting);
    const std::vector<Runs> results = run(experiment, text("study ", number, ", testing"));
    for (size_t i = 0; i < results.size(); ++i)
      study.runs[i].results.insert(study.runs[i].results.end(), results[i].results.begin(), results[i].results.end());
  };
  // The curvature is measured in the first runs of the pilot.
  const int64_t with_curvature = std::clamp(plan.curvature_runs - (number - 1) * plan.seeds, int64_t{0}, plan.seeds);
  run_seeds(1, with_curvature, curvature_samples);
  run_seeds(1 + with_curvature, plan.seeds - with_curvature, 0);
  return study;
}

std::vector<Study> PilotSession::studies(const Problems& problems, const Planned& planned, JudgedBy judged_by,
                                         int64_t curvature_samples) {
  under_way_ = planned;
  if (!directory_.empty()) trials_.emplace(directory_, "trials");
  const double until = clock_.budget() - planned.plan.reserve;
  if (marks_.empty()) marks_.push_back(clock_.elapsed());
  std::vector<Study> all;
  try {
    if (!resumed_ && trials_) session_.save();  // the plan: from now on it can be resumed
    for (int64_t number = 1; number <= most_pilot_studies; ++number) {
      const auto n = static_cast<size_t>(number);
      const double start = marks_[n - 1], last = n > 1 ? start - marks_[n - 2] : 0;
      const bool was_finished = marks_.size() > n;
      if (number > fewest_replicates && !was_finished && start + last > until) break;
      all.push_back(study(problems.of_seed(n), planned.plan, judged_by, curvature_samples, number, optimizers_));
      if (!was_finished) marks_.push_back(clock_.elapsed());
      progress_->plain_line(text("study ", number, " done"));
    }
  } catch (const Late&) {
    if (trials_) session_.save();  // the time that was used counts
  } catch (const Interrupted&) { stopped_ = true; }
  return all;
}

}  // namespace minima::examples
