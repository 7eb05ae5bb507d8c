// compare: the same network on the same data with several optimizers, and what can be told apart between them.
// For each seed all start from the same weights and see the same batches in the same order.
//   compare                                            the embedded digits, five optimizers
//   compare --data fashion-mnist --model cnn --epochs 5
//   compare --data my_table.csv --label species --tune
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "examples/kit/command_line.h"
#include "examples/kit/compare_options.h"
#include "examples/kit/comparison.h"
#include "examples/kit/figures.h"
#include "examples/kit/interrupt.h"
#include "examples/kit/machine.h"
#include "examples/kit/report.h"
#include "examples/kit/session.h"
#include "examples/kit/summary.h"

using namespace minima;
using namespace minima::examples;

namespace {

constexpr int64_t tuning_seeds = 3;

/// The shares of a budget: an epoch of SGD is the unit, and SAM's steps cost two gradients.
int64_t steps_for(const CompareOptions& options, const Problem& problem, const std::string& optimizer) {
  const int64_t steps = options.epochs * problem.steps_per_epoch();
  if (options.budget != "gradients") return steps;
  return std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(steps) / gradients_per_step(optimizer)));
}

std::vector<RunSettings> trials_of(const CompareOptions& options, const Problem& tuning) {
  std::vector<RunSettings> trials;
  for (const RunSettings& start : options.settings)
    for (RunSettings trial : tuning_grid(start)) {
      trial.steps = steps_for(options, tuning, trial.optimizer);
      for (int64_t i = 0; i < tuning_seeds; ++i) trial.seed = first_tuning_seed + i, trials.push_back(trial);
    }
  return trials;
}

/// Seeds outermost, so that whatever else the machine does meanwhile meets all optimizers alike.
std::vector<RunSettings> runs_of(const CompareOptions& options, const Problem& problem) {
  std::vector<RunSettings> runs;
  for (int64_t seed = 1; seed <= options.seeds; ++seed)
    for (RunSettings run : options.settings) {
      run.seed = static_cast<uint64_t>(seed);
      run.steps = steps_for(options, problem, run.optimizer);
      runs.push_back(run);
    }
  return runs;
}

int64_t gradient_evaluations(const std::vector<RunSettings>& runs) {
  int64_t total = 0;
  for (const RunSettings& run : runs) total += expected_gradients(run);
  return total;
}

void write_report(const Comparison& comparison, const CompareOptions& options, const std::string& no_figures) {
  Report report("minima: " + comparison.data + ", " + comparison.model);
  report.statement(verdict(comparison));
  report.table(result_table(comparison));
  for (const RunResult& run : comparison.runs)
    if (run.diverged()) report.paragraph(run.divergence);
  report.paragraph(options.how_measured(comparison));
  report.heading("Differences, paired by seed");
  report.paragraph(
      "Each difference compares runs with the same initial weights and batch order. Every interval holds "
      "at 95% on its own; of twenty comparisons without any effect, one is expected to look separated.");
  report.table(difference_table(comparison));
  report.heading("Curves");
  if (!no_figures.empty()) report.paragraph(no_figures);
  if (no_figures.empty())
    for (const Figure& figure : figures_of(comparison)) report.figure(options.out + "/" + figure.file, figure.caption);
  if (!comparison.trials.empty()) {
    report.heading("Tuning");
    report.paragraph(options.how_tuned(comparison));
    report.table(trial_table(comparison.trials));
  }
  report.heading("Configuration");
  Table configuration{{"option", "value"}};
  for (const auto& [name, value] : options.configuration())
    if (!value.empty()) configuration.push_back({name, value});
  configuration.insert(configuration.end(), {{"parameters", std::to_string(comparison.parameters)},
                                             {"threads", std::to_string(comparison.threads)},
                                             {"machine", comparison.machine}});
  report.table(configuration, Report::Cells::words);
  report.save(options.out + "/report.html");
}

/// Writes summary.json, figures and report, and prints the result. Returns the exit status.
int conclude(const Comparison& comparison, const CompareOptions& options) {
  write_text(options.out + "/summary.json", summary_json(comparison));
  const std::string no_figures = write_figures(comparison, options.out);
  write_report(comparison, options, no_figures);

  std::printf("\n%s\n%s\n\n", aligned(result_table(comparison)).c_str(), options.how_measured(comparison).c_str());
  if (comparison.optimizers.size() > 1) std::printf("%s\n", aligned(difference_table(comparison)).c_str());
  std::printf("%s\n\n", verdict(comparison).c_str());
  if (!no_figures.empty()) std::printf("%s\n", no_figures.c_str());
  std::printf("Everything is in %s: open report.html.\n", options.out.c_str());
  for (const RunResult& run : comparison.runs)
    if (run.diverged()) return 1;
  return 0;
}

int compare(int argc, char** argv) {
  CompareOptions options;
  if (!options.parse(argc, argv)) return 0;
  const Problem problem = options.load();
  print_machine(problem.device);

  const Problem tuning = options.tune ? validation_problem(problem) : Problem{};
  const std::vector<RunSettings> trials = options.tune ? trials_of(options, tuning) : std::vector<RunSettings>{};
  const int64_t work = gradient_evaluations(trials) + gradient_evaluations(runs_of(options, problem));
  for (const RunSettings& run : runs_of(options, problem))
    if (run.seed == 1) Run(problem, run);  // what cannot be built fails now

  Comparison comparison = options.describe(problem);
  std::printf("%s\n\n", options.headline(comparison).c_str());
  if (!options.resume && std::filesystem::exists(options.out + "/report.html"))
    std::printf("This replaces the results of an earlier run in %s; --out FOLDER would keep both.\n\n",
                options.out.c_str());
  Session session({.directory = options.out,
                   .configuration = options.configuration(),
                   .resume = options.resume,
                   .gradient_evaluations = work});
  try {
    if (options.tune) {
      std::vector<RunResult> tried;
      for (const RunSettings& trial : trials) tried.push_back(session.run(tuning, trial, {.every_epoch = false}));
      comparison.trials = judge_trials(tried);
      for (RunSettings& settings : options.settings) {
        const RunSettings& chosen = chosen_trial(comparison.trials, settings.optimizer).settings;
        settings.lr = chosen.lr, settings.rho = chosen.rho;
      }
      std::printf("%s\n%s\n\n", aligned(trial_table(comparison.trials)).c_str(), options.how_tuned(comparison).c_str());
    }
    for (const RunSettings& run : runs_of(options, problem))
      comparison.runs.push_back(session.run(problem, run, {.curvature_samples = comparison.curvature_samples}));
  } catch (const Interrupted&) {
    std::printf("Interrupted; the state is saved in %s. To go on:\n  %s\n", options.out.c_str(),
                options.resume_command().c_str());
    return exit_interrupted;
  }
  comparison.parameters = comparison.runs.front().parameters;
  session.complete();
  return conclude(comparison, options);
}

}  // namespace

int main(int argc, char** argv) {
  return run_program([&] { return compare(argc, argv); });
}
