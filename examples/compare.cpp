// compare: the same network on the same data with several optimizers, and what can be told apart between them.
// For each seed all start from the same weights and see the same batches in the same order.
//   compare                                            the embedded digits, five optimizers
//   compare --data fashion-mnist --model cnn --epochs 5
//   compare --data my_table.csv --label species --tune
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "examples/compare/comparison.h"
#include "examples/compare/options.h"
#include "examples/kit/data.h"
#include "examples/kit/data_report.h"
#include "examples/kit/program.h"
#include "examples/kit/report.h"
#include "examples/kit/session.h"

using namespace minima;
using namespace minima::examples;

namespace {

constexpr int64_t tuning_seeds = 3;

/// Every trial of every optimizer's grid, on a part of the training data and judged on the rest of it.
Experiment trials_of(const CompareOptions& options, const Problem& problem) {
  const Problem validation = validation_problem(problem);
  std::vector<Setting> trials;
  for (const Setting& start : options.settings)
    for (Setting trial : tuning_grid(start)) {
      trial.steps = options.steps_for(validation, trial.optimizer);
      trials.push_back(trial);
    }
  return {.problems = validation,
          .settings = trials,
          .seeds = seeds_from(first_tuning_seed, tuning_seeds),
          .measures = {.every_epoch = false}};
}

/// Every optimizer with the values that tuning chose.
std::vector<Setting> as_tuned(const std::vector<Setting>& defaults, const Tuning& tuning) {
  std::vector<Setting> settings = defaults;
  for (Setting& setting : settings)
    for (const std::string& name : tuned_hyperparameters(setting.optimizer))
      setting.hyperparameters[name] = tuning.chosen(setting.optimizer).setting.value(name);
  return settings;
}

/// What each optimizer does without any tuning, beside its tuned row.
std::vector<Setting> untuned(std::vector<Setting> settings) {
  for (Setting& setting : settings) setting.label = setting.optimizer + " untuned", setting.dashed = true;
  return settings;
}

void write_report(const Comparison& comparison, const CompareOptions& options, const std::string& how_measured,
                  const std::string& no_figures, const datasets::Loaded& data) {
  Report report("minima: " + comparison.data + ", " + comparison.model);
  report.statement(verdict(comparison));
  report.table(result_table(comparison));
  for (const std::string& divergence : comparison.divergences()) report.paragraph(divergence);
  report.paragraph(how_measured);
  report.heading("Differences, paired by seed");
  report.paragraph(
      "Each difference compares runs with the same split, initial weights and batch order. \"Better in\" is the share "
      "of the seeds in which the test " +
      judged_name(comparison.quantities) + " is higher, equal ones counted half.");
  report.table(difference_table(comparison));
  report.paragraph(uncertainty_text(comparison));
  report.heading("Curves");
  if (!no_figures.empty()) report.paragraph(no_figures);
  if (no_figures.empty())
    for (const Figure& figure : figures_of(comparison)) report.figure(options.out + "/" + figure.file, figure.caption);
  if (!comparison.tuning.trials.empty()) {
    report.heading("Tuning");
    report.paragraph(tuning_text(comparison.tuning));
    report.table(trial_table(comparison.tuning));
  }
  report_data(report, comparison.data, data);
  report_quality(report, comparison.runs, data.split.test);
  report.heading("Configuration");
  Table configuration{{"option", "value"}};
  for (const auto& [name, value] : options.configuration())
    if (!value.empty()) configuration.push_back({name, value});
  configuration.insert(configuration.end(), {{"parameters", std::to_string(comparison.parameters())},
                                             {"threads", std::to_string(comparison.threads)},
                                             {"machine", comparison.machine}});
  report.table(configuration, Report::Cells::words);
  report.save(options.out + "/report.html");
}

/// Writes summary.json, figures and report, and prints the result. Returns the exit status.
int conclude(const Comparison& comparison, const CompareOptions& options, const Problem& problem) {
  const std::string how_measured = options.how_measured(comparison, problem);
  write_text(options.out + "/summary.json", summary_json(comparison));
  const std::string no_figures = write_figures(comparison, options.out);
  write_report(comparison, options, how_measured, no_figures, *problem.loaded);

  std::printf("\n%s\n%s\n\n", aligned(result_table(comparison)).c_str(), how_measured.c_str());
  if (comparison.runs.size() > 1) std::printf("%s\n", aligned(difference_table(comparison)).c_str());
  std::printf("%s\n\n", wrapped(verdict(comparison), 100).c_str());
  if (const std::string words = uncertainty_text(comparison); !words.empty())
    std::printf("%s\n\n", wrapped(words, 100).c_str());
  if (!no_figures.empty()) std::printf("%s\n", no_figures.c_str());
  std::printf("Everything is in %s: open report.html.\n", options.out.c_str());
  return comparison.divergences().empty() ? 0 : 1;
}

int compare(int argc, char** argv) {
  CompareOptions options;
  if (!options.parse(argc, argv)) return 0;
  const Problem problem = options.load();
  print_machine(problem.device);
  print_data(problem.data, *problem.loaded);
  for (const Setting& setting : options.settings) Run(problem, setting, /*seed=*/1);  // what cannot be built fails now

  Comparison comparison = comparison_of(problem, options.curvature_samples(problem));
  comparison.options = options.configuration();
  comparison.tuning.quantities = comparison.quantities;
  std::printf("%s\n\n", options.headline(comparison).c_str());
  if (!options.resume && std::filesystem::exists(options.out + "/report.html"))
    std::printf("This replaces the results of an earlier run in %s; --out FOLDER would keep both.\n\n",
                options.out.c_str());
  comparison.test_per_train = options.splits_anew(problem) ? test_per_train(problem) : 0;
  comparison.one_split = !problem.loaded->own_test_part && comparison.test_per_train == 0;
  Experiment experiment{.problems = options.problems(problem),
                        .settings = options.settings,
                        .seeds = seeds_from(1, options.seeds),
                        .measures = {.curvature_samples = comparison.curvature_samples, .costs = true},
                        .observe = [rows = comparison.test_per_train == 0](Run&) {
                          return Observer{.at_end = [rows](Run& run) {
                            note_quality(run);
                            if (rows) note_rows(run);
                          }};
                        }};
  if (options.tune)
    for (const Setting& setting : untuned(options.settings)) experiment.settings.push_back(setting);
  const int64_t tuning_work = options.tune ? expected_gradients(trials_of(options, problem)) : 0;
  Notes saved_with = options.configuration();
  saved_with["fingerprint of the data"] = fingerprint({problem.train, problem.test});
  Session session({.directory = options.out,
                   .configuration = saved_with,
                   .resume = options.resume,
                   .workers = options.workers,
                   .gradient_evaluations = tuning_work + expected_gradients(experiment)});
  try {
    if (options.tune) {
      comparison.tuning.trials = session.run(trials_of(options, problem));
      const std::vector<Setting> tuned = as_tuned(options.settings, comparison.tuning);
      std::copy(tuned.begin(), tuned.end(), experiment.settings.begin());
      session.clear_progress();
      std::printf("%s\n%s\n\n", aligned(trial_table(comparison.tuning)).c_str(),
                  tuning_text(comparison.tuning).c_str());
    }
    comparison.runs = session.run(experiment);
  } catch (const Interrupted&) {
    std::printf("Interrupted; the state is saved in %s. To go on:\n  %s\n", options.out.c_str(),
                options.resume_command().c_str());
    return exit_interrupted;
  }
  session.clear_progress();
  const int status = conclude(comparison, options, problem);
  session.complete();  // after all is written: where the disk is full, nothing is lost
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program([&] { return compare(argc, argv); });
}
