// pilot: should I switch to MSAM? Tuned and compared on your own data within a time budget, with a recommendation.
//   pilot flowers.csv --label species
//   pilot photos --minutes 30              a folder with a folder of images for each class
//   pilot --warnings                       two synthetic examples where MSAM's advantage goes away
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "examples/kit/data_report.h"
#include "examples/kit/program.h"
#include "examples/kit/report.h"
#include "examples/pilot/figures.h"
#include "examples/pilot/plain_words.h"
#include "examples/pilot/report.h"
#include "examples/pilot/warnings.h"

using namespace minima;
using namespace minima::examples;

namespace {

constexpr double report_seconds = 3;  // figures and report, of the budget

struct Options {
  std::string data, label, model = "mlp", measure = "accuracy", language = "en", device = "cpu", out;
  std::vector<std::string> also;  ///< further optimizers
  double minutes = 5, margin = -1;
  int64_t batch = 0, epochs = 0, threads = 0, workers = 0;
  datasets::LoadOptions how;  ///< the other options of the data
  bool warnings = false, resume = false;
  PilotRule rule;
  Prices prices{.per_month = 40};

  bool parse(int argc, const char* const* argv);
  /// What changes runs, and the rule: the same in a pilot that is resumed.
  Notes configuration(const Problem& problem) const;
  std::vector<std::string> optimizers() const;
  /// The command line with --resume.
  std::string resume_command() const;

 private:
  void check() const;
  std::vector<std::string> command_;
};

bool Options::parse(int argc, const char* const* argv) {
  CommandLine line(
      "pilot",
      "Should I switch to MSAM? Tunes SGD, SAM and MSAM alike on parts of the training data, compares what "
      "was chosen on test rows, repeats both as often as the minutes given allow, and recommends. " +
          rule_text({}));
  line.option("data", data,
              "a table (.csv, ...), a folder with a folder of images for each class, or " + joined(datasets::names()));
  line.option("--label", label, "column of a table that is to be predicted");
  line.option("--minutes", minutes, "time for all of it; that which an interrupted pilot has used counts");
  line.option("--model", model, joined(nn::model_names()));
  line.option(
      "--also", also,
      "compares " + joined(further_pilot_optimizers(), " or ") +
          " as well, or both: the radius is found while training, and only learning rate and momentum are tuned");
  line.option("--measure", measure,
              "what decides: accuracy (of quantities R2) or loss, on the test part; trials are chosen by the same (of "
              "quantities by loss)");
  line.option("--margin", margin,
              "smallest gain that matters: points of accuracy or R2 (default: 0.5), or percent of SGD's "
              "loss (default: 5)");
  line.option("--batch", batch, "samples in a step (0: 64, fewer for few data)");
  line.option("--epochs", epochs, "length of every run (0: what the minutes allow)");
  line.option("--hourly-cost", prices.per_hour, "price of an hour of this machine, in any currency (0: not known)");
  line.option("--runs-per-month", prices.per_month, "training runs a month, for what the switch costs");
  line.option("--language", language, "of the half page that opens the report: en or ja");
  line.option("--threads", threads, "0: all CPUs");
  line.option("--workers", workers, workers_help);
  line.option("--device", device, "cpu or cuda");
  line.option("--out", out, "directory for results (default: runs/pilot-DATA)");
  line.flag("--resume", resume, "go on with an interrupted pilot in --out, by its plan; --minutes may be more now");
  line.flag("--warnings", warnings, "two synthetic examples where MSAM's advantage goes away, instead of your data");
  add_data_options(line, how);
  if (!line.parse(argc, argv)) return false;
  command_.assign(argv, argv + argc);
  how.label = label;
  rule = {measure == "loss", margin >= 0 ? margin : measure == "loss" ? 5 : 0.5};
  if (out.empty()) {
    std::string name = std::filesystem::path(data.substr(0, data.find_last_not_of('/') + 1)).filename().string();
    out = "runs/pilot-" + (warnings ? "warnings" : name.substr(0, name.find('.')));
  }
  check();
  return true;
}

void Options::check() const {
  if (!(minutes > 0) || minutes > 1e5)
    fail("--minutes", number_text(minutes), "a time above 0, in minutes", "A small table needs about one.");
  if (measure != "accuracy" && measure != "loss") fail("--measure", measure, "accuracy or loss");
  if (margin != -1 && !(margin >= 0 && margin < 100))
    fail("--margin", number_text(margin), "a number from 0 to below 100");
  if (batch < 0) fail("--batch", std::to_string(batch), "a whole number of at least 1, or 0");
  if (epochs < 0) fail("--epochs", std::to_string(epochs), "a whole number of at least 1, or 0");
  if (threads < 0 || threads > 1024) fail("--threads", std::to_string(threads), "0 to 1024");
  check_workers(workers);
  for (const auto& [name, value] :
       {std::pair{"--hourly-cost", prices.per_hour}, {"--runs-per-month", prices.per_month}})
    if (!(value >= 0 && value < 1e9)) fail(name, number_text(value), "a number from 0 to below 1e9");
  check_language(language);
  check_further("--also", also);
  if (warnings && !also.empty()) fail("--warnings", "--also beside it", "a pilot on data");
  if (warnings && resume) fail("--resume", "--warnings beside it", "a pilot on data to go on with");
  if (warnings && !data.empty()) fail("--warnings", "\"" + data + "\" beside it", "no data: it makes its own");
  if (!warnings && data.empty())
    fail("pilot", "no data", "FILE.csv --label COLUMN, or a folder of images by class",
         "`" + called_as("pilot") + " --help` says more.");
  check_label(data, label);
}

Notes Options::configuration(const Problem& problem) const {
  Notes notes = data_configuration(how);
  notes.merge(Notes{{"data", data},
                    {"--label", label},
                    {"--model", model},
                    {"--also", joined(also, ",")},
                    {"--measure", measure},
                    {"--margin", number_text(rule.margin)},
                    {"--batch", std::to_string(batch)},
                    {"--epochs", std::to_string(epochs)},
                    {"--device", device},
                    {"fingerprint of the data", fingerprint({problem.train, problem.test})}});
  return notes;
}

std::vector<std::string> Options::optimizers() const {
  std::vector<std::string> names = pilot_optimizers();
  names.insert(names.end(), also.begin(), also.end());
  return names;
}

std::string Options::resume_command() const {
  const std::string command = shell_command(command_);
  return resume ? command : command + " --resume";
}

/// `study` draws the split, where the data are split here.
Problem load(const Options& options, uint64_t study) {
  datasets::LoadOptions how = options.how;
  how.seed += study - 1;
  const auto loaded = std::make_shared<const datasets::Loaded>(datasets::load_all(options.data, how));
  const auto& [train, test] = loaded->split;
  std::vector<int64_t> counts(static_cast<size_t>(train.classes())), all = counts;
  for (const int64_t label : train.labels()) ++counts[static_cast<size_t>(label)], ++all[static_cast<size_t>(label)];
  for (const int64_t label : test.labels()) ++all[static_cast<size_t>(label)];
  for (size_t c = 0; c < counts.size(); ++c) {
    if (counts[c] >= 2) continue;
    const bool drawn = !loaded->own_test_part && options.how.group.empty();
    fail(options.data,
         text(all[c], all[c] == 1 ? " sample" : " samples", " of class \"", train.class_names()[c], "\"",
              drawn ? "" : text(", ", counts[c], " of them in the training part")),
         drawn ? "at least 3, one each for training, validation and test"
               : "at least 2 in the training part, for training and validation",
         drawn ? "Add samples or leave that class out." : "Choose another test part, or leave that class out.");
  }
  Problem problem{.data = options.data,
                  .model = options.model,
                  .train = train,
                  .test = test,
                  .device = parse_device(options.device),
                  .split_seed = how.seed,
                  .loaded = loaded};
  // Of whole groups it may be less. What cannot be split again, as tuning does, fails now.
  const int64_t validated =
      std::min(static_cast<int64_t>(0.8 * static_cast<double>(train.size())), validation_problem(problem).train.size());
  problem.batch = options.batch > 0 ? options.batch : default_batch(validated);
  if (problem.batch > validated)
    fail("--batch", std::to_string(options.batch), text("at most ", validated, ", the training samples while tuning"));
  return problem;
}

void print_paragraph(const std::string& text) {
  if (!text.empty()) std::printf("%s\n", wrapped(text, 110).c_str());
}

void show(const PilotSection& section, Report& report) {
  std::printf("\n-- %s\n", section.heading.c_str());
  report.heading(section.heading);
  print_paragraph(section.text);
  if (!section.text.empty()) report.paragraph(section.text);
  if (!section.table.empty()) std::printf("%s", aligned(section.table).c_str()), report.table(section.table);
  print_paragraph(section.remark);
  if (!section.details.empty()) report.table(section.details);
  if (!section.remark.empty()) report.paragraph(section.remark);
}

/// Prints the results and writes summary.json, pilot.json, figures and report.html.
void conclude(const Pilot& pilot, const Options& options, const datasets::Loaded& data, const std::string& plan) {
  write_text(options.out + "/summary.json", summary_json(pilot.comparison));
  write_text(options.out + "/pilot.json", pilot_json(pilot));
  std::string no_figures;
  const std::vector<Figure> figures = draw_pilot(pilot, options.out, no_figures);

  Report report("Should I switch to MSAM? " + options.data);
  const PlainWords words = plain_words(pilot, options.language);
  report.answers(words.title, words.answers, words.language);
  report.statement(recommendation(pilot));
  report.paragraph(rule_text(pilot.rule, pilot.further()));
  report.paragraph(plan);
  std::vector<PilotSection> sections = pilot_sections(pilot);
  for (const PilotSection& section : sections) {
    if (section.heading == "Tuning") {
      report.heading("Figures");
      if (!no_figures.empty()) report.paragraph(no_figures);
      for (const Figure& figure : figures) report.figure(options.out + "/" + figure.file, figure.caption);
    }
    show(section, report);
  }
  report_data(report, options.data, data);
  report_quality(report, pilot.comparison.runs, data.split.test);
  report.paragraph(pilot.comparison.machine);
  report.save(options.out + "/report.html");
  std::printf("\n-- %s\n", words.title.c_str());
  for (const auto& [question, answer] : words.answers)  // Japanese has no spaces at which a line may end
    std::printf("%s\n  %s\n", question.c_str(), words.language == "en" ? wrapped(answer, 108).c_str() : answer.c_str());
  std::printf("\n%s\n\n", wrapped(recommendation(pilot), 110).c_str());
  if (!no_figures.empty()) std::printf("%s\n", no_figures.c_str());
  std::printf("Everything is in %s: open report.html.\n", options.out.c_str());
}

std::string plan_text(const Options& options, const Problem& problem, const PilotCosts& costs, const PilotPlan& plan) {
  std::string steps;
  for (const std::string& name : options.optimizers())
    steps += (steps.empty() ? "" : ", ") + name + " " + fixed(1000 * costs.step.at(name), 2) + " ms";
  const PilotGrid& g = plan.grid;
  std::string further;
  for (const std::string& name : options.also)
    further += text(", and ", g.trials(name), " for ", name, ", of learning rates and momenta alone");
  const std::string kinds =
      problem.train.has_targets()
          ? std::string("a quantity")
          : text(problem.train.classes(), " classes (guessing: ", fixed(100 * largest_share(problem.test), 1), "%)");
  return text(options.data, ": ", problem.train.size(), " training and ", problem.test.size(), " test samples",
              !problem.loaded->own_test_part ? ", split anew in each study, " : ", ", kinds, "; ", problem.model,
              ", batches of ", problem.batch, ". A step takes: ", steps, ". The plan, made for ",
              clock_time(60 * options.minutes), ": about ", plan.studies,
              " studies, more while there is time, at most ", most_pilot_studies, ". Each study: ", g.trials(),
              " trials for each of sgd, sam and msam (", g.momenta, " momenta; ", g.lrs, " learning rates by ", g.rhos,
              " radii for sam and msam, ", g.lrs * g.rhos, " learning rates for sgd)", further,
              ", halved from seed to seed, by ", problem.train.has_targets() ? "loss" : options.measure,
              " on validation splits; then ", plan.seeds, plan.seeds == 1 ? " seed" : " seeds",
              " of the best of each on the test part. Every run has ", plan.epochs, " epochs.");
}

/// The plan of this pilot, from what is measured now, and its words.
PilotSession::Planned new_plan(PilotSession& session, const PilotClock& clock, const Options& options,
                               const Problem& problem, int64_t curvature_samples) {
  const PilotCosts costs = session.measure_costs(problem, curvature_samples);
  const PilotPlan plan = plan_pilot(costs, problem.steps_per_epoch(), clock.budget(), options.epochs, clock.elapsed(),
                                    report_seconds + costs.measurement);
  return {plan, plan_text(options, problem, costs, plan)};
}

int pilot_on_data(const Options& options) {
  PilotClock clock(60 * options.minutes);
  if (options.threads > 0) set_num_threads(static_cast<int>(options.threads));
  const Problem problem = load(options, 1);
  if (options.resume) check_resumable(options.out);
  print_machine(problem.device);
  print_data(problem.data, *problem.loaded);
  PilotRule rule = options.rule;
  rule.quantities = problem.train.has_targets();
  print_paragraph(rule_text(rule, options.also));

  PilotSession session(clock, {.directory = options.out,
                               .configuration = options.configuration(problem),
                               .resume = options.resume,
                               .workers = options.workers,
                               .optimizers = options.optimizers()});
  const bool convolutional = options.model.rfind("mlp", 0) != 0;
  const int64_t curvature_samples = std::min<int64_t>(convolutional ? 128 : 1000, problem.train.size());
  const auto earlier = session.resumed();
  const PilotSession::Planned planned =
      earlier ? *earlier : new_plan(session, clock, options, problem, curvature_samples);
  // What is refused before leaves no directory, and what an earlier pilot left as it is.
  make_output_directory(options.out, {options.data, options.how.test});
  print_paragraph(planned.words);
  if (earlier)
    std::printf("Goes on after %s of %s.\n", clock_time(clock.elapsed()).c_str(), clock_time(clock.budget()).c_str());

  Pilot pilot{.comparison = comparison_of(problem, curvature_samples),
              .rule = rule,
              .plan = planned.plan,
              .prices = options.prices,
              .budget = clock.budget()};
  const Problems problems = !problem.loaded->own_test_part ? Problems([&](uint64_t study) {
    return with_usable_split(study, [&](uint64_t split) { return load(options, split); });
  })
                                                           : Problems(problem);
  pilot.comparison.compared_with = "sgd";
  pilot.comparison.options = data_configuration(options.how);
  pilot.comparison.options["--data"] = options.data, pilot.comparison.options["--label"] = options.label;
  pilot.comparison.test_per_train = !problem.loaded->own_test_part ? test_per_train(problem) : 0;
  pilot.studies = session.studies(problems, planned, rule.tuned_by(), curvature_samples);
  pilot.comparison.runs = runs_of(pilot.studies);
  session.clear_progress();
  pilot.stopped = session.stopped_early();
  const auto tell_how_to_go_on = [&](const char* words) {
    std::printf("%s To go on%s:\n  %s\n", words, pilot.stopped ? "" : " with more --minutes",
                options.resume_command().c_str());
  };
  if (pilot.studies.empty()) {
    std::printf("Stopped before the first study was finished. Its trials are in %s/trials.csv.\n", options.out.c_str());
    tell_how_to_go_on("The state is saved.");
    return pilot.stopped ? exit_interrupted : 1;
  }
  pilot.seconds = clock.elapsed();
  conclude(pilot, options, *problem.loaded, planned.words);
  std::printf("It took %s of %s.\n", clock_time(clock.elapsed()).c_str(), clock_time(clock.budget()).c_str());
  const bool too_few = std::ssize(pilot.studies) < fewest_replicates;
  if (!pilot.stopped && !too_few) return session.complete(), 0;  // after all is written: a full disk loses nothing
  tell_how_to_go_on(pilot.stopped ? "It was interrupted, and the state is saved." : "The state is saved.");
  return pilot.stopped ? exit_interrupted : 0;
}

int show_warnings(const Options& options) {
  make_output_directory(options.out, {options.data, options.how.test});
  print_machine(Device::cpu);
  if (options.threads > 0) set_num_threads(static_cast<int>(options.threads));
  const WarningOptions extent;
  Session session({.directory = options.out, .configuration = {}, .resumable = false, .workers = options.workers});
  std::vector<Warning> warnings;
  try {
    warnings = {shift_warning(extent, session), variance_warning(extent, session)};
  } catch (const Interrupted&) {
    std::printf("Interrupted; nothing was written.\n");
    return exit_interrupted;
  }
  session.clear_progress();
  std::string no_figure;
  const Figure figure = draw_warnings(warnings, options.out, no_figure);
  Report report("MSAM: two warnings");
  const std::string head = text(
      "Two synthetic examples in which MSAM has an advantage over SGD at first. Both optimizers are tuned in every "
      "setting with ",
      trials_per_optimizer, " trials each, by the loss on validation data of the same kind as the training data; then ",
      extent.seeds,
      " seeds, each with data of its own. The examples were looked for: they show that an advantage can go away, not "
      "that it must.");
  report.paragraph(head), print_paragraph(head);
  if (no_figure.empty()) report.figure(options.out + "/" + figure.file, figure.caption);
  for (const Warning& warning : warnings)
    show({warning.heading, warning.setup, warning_table(warning), warning.reading}, report);
  report.save(options.out + "/report.html");
  std::printf("\n%s%sEverything is in %s: open report.html.\n", no_figure.c_str(), no_figure.empty() ? "" : "\n",
              options.out.c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program([&] {
    Options options;
    if (!options.parse(argc, argv)) return 0;
    return options.warnings ? show_warnings(options) : pilot_on_data(options);
  });
}
