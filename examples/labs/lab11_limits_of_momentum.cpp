// lab11_limits_of_momentum: MSAM where its momentum may say little: in batches of two, and for a test part that is not
// like the training part. Two variants against it: a direction with a memory of its own, and a radius that fades where
// the direction tells nothing.
#include <algorithm>
#include <cmath>

#include "examples/kit/evaluation.h"
#include "examples/kit/tuning.h"
#include "examples/labs/lab.h"
#include "examples/labs/step_costs.h"
#include "examples/labs/tables.h"
#include "examples/pilot/warnings.h"

using namespace minima;
using namespace minima::examples;

namespace {

const LabAbout about{
    .name = "lab11_limits_of_momentum",
    .title = "Lab 11. Momentum that knows its limits",
    .question =
        "MSAM follows the momentum, a mean of some ten batches. In batches of two it holds twenty samples. Does a mean "
        "over more batches help there, with a memory of its own? And does it help to fade the radius where "
        "momentum and gradients have no direction in common? What do both do where MSAM's advantage turns round: where "
        "a rare group of the training data is common in the test data?",
    .refuted_by =
        "SGD with a longer momentum doing as well as MSAM with a longer memory: then it was the momentum, and not the "
        "perturbation."};

struct Options {
  uint64_t first_seed = 1;
  int64_t seeds = 8, tuning_seeds = 2, epochs = 20;
} options;

const std::vector<std::string> optimizers{"sgd", "msam", "msam+memory", "msam+fade", "msam+memory+fade"};
constexpr uint64_t training = 0, validation = 1, testing = 2;  // draws
constexpr int64_t test_rows = 2000;

struct Task {
  std::string name, short_name;
  double rare;  ///< share of the rare group in training
  int64_t batch;
  std::vector<double> judged;  ///< shares of the rare group that it is tested with

  ClusterOptions data(uint64_t seed, uint64_t draw) const {
    return {.samples = draw == testing ? test_rows : 600,
            .scatter = 1,
            .rare = rare,
            .seed = seed_of_data(seed),
            .draw = draw};
  }
  Problem problem(uint64_t seed, uint64_t judged_on) const {
    return {.data = "clusters",
            .model = "mlp:128",
            .train = clusters(data(seed, training)),
            .test = clusters(data(seed, judged_on)),
            .batch = batch};
  }
  Setting start(const std::string& optimizer) const {
    Setting s{.optimizer = optimizer,
              .hyperparameters = {{"lr", 0.05 * std::sqrt(static_cast<double>(batch) / 50)}},
              .steps = options.epochs * problem(1, validation).steps_per_epoch()};
    if (s.has("rho")) s.hyperparameters["rho"] = 1;
    return s;
  }
};

/// SGD whose momentum has the memory of msam+memory, at the same length of steps.
constexpr double memory = 0.98;
Setting long_momentum(const Task& task) {
  Setting s = task.start("sgd");
  s.label = "sgd, momentum 0.98";
  s.hyperparameters["momentum"] = memory;
  s.hyperparameters["lr"] *= (1 - memory) / (1 - 0.9);
  return s;
}

std::string share_text(double share) { return text("rare group ", number_text(100 * share), "%"); }

/// At the end the accuracy with each share of the rare group; cos(v, g) in each step after the first epoch.
Observe judging(const Task& task) {
  return [task](Run& run) {
    run.optimizer().measure(optim::Measure::norms);
    Observer observer;
    observer.after_step = [](Run& run) {
      if (run.steps_done() <= run.problem().steps_per_epoch()) return;
      const optim::StepStatistics s = run.optimizer().last_step();
      run.note("cosine", s.cosine);
      run.note("radius", s.perturbation_norm);
    };
    observer.at_end = [task](Run& run) {
      for (const double share : task.judged) {
        ClusterOptions test = task.data(run.seed(), testing);
        test.rare = share;
        run.note(share_text(share), evaluate(run.model(), clusters(test)).accuracy);
      }
    };
    return observer;
  };
}

std::vector<Runs> trained(Lab& lab, const Task& task, const std::vector<Setting>& settings, const std::string& stage) {
  const std::vector<Runs> all = lab.run({.problems = {[&](uint64_t seed) { return task.problem(seed, testing); }},
                                         .settings = settings,
                                         .seeds = compared_seeds(options.first_seed, options.seeds),
                                         .measures = {.every_epoch = false},
                                         .observe = judging(task)});
  for (const Runs& runs : all)
    for (const RunResult& run : runs.results)
      for (const double share : task.judged)
        lab.record("runs", {{"task", task.short_name},
                            {"stage", stage},
                            {"optimizer", runs.setting.optimizer},
                            {"seed", static_cast<int64_t>(run.seed)},
                            {"lr", runs.setting.value("lr")},
                            {"rho", runs.setting.value_text("rho")},
                            {"tested_with", share},
                            {"accuracy", run.diverged() ? NAN : mean_seen(share_text(share))(run)},
                            {"cosine", run.diverged() ? NAN : mean_seen("cosine")(run)},
                            {"radius", run.diverged() ? NAN : mean_seen("radius")(run)}});
  return all;
}

Setting tuned(Lab& lab, const Task& task, const Setting& start) {
  const Tuning tuning{.trials = lab.run({.problems = {[&](uint64_t seed) { return task.problem(seed, validation); }},
                                         .settings = tuning_grid(start),
                                         .seeds = seeds_from(first_tuning_seed, options.tuning_seeds),
                                         .measures = {.every_epoch = false}})};
  return tuning.chosen(start.optimizer).setting;
}

Interval points(const Runs& a, const Runs& b, double share) {
  const Interval d = a.minus(b, mean_seen(share_text(share)));
  return {100 * d.mean, 100 * d.half_width, d.count};
}

void show(Lab& lab, const std::string& caption, const std::vector<Runs>& all, const Task& task) {
  Table table{{"", "lr", "rho", "mean radius", "mean cos(v, g)"}};
  for (const Runs& runs : all)
    table.push_back({runs.name(), runs.setting.value_text("lr"), runs.setting.value_text("rho"),
                     runs.setting.optimizer == "sgd" ? "-" : interval_text(runs.mean(mean_seen("radius"))),
                     interval_text(runs.mean(mean_seen("cosine")))});
  lab.table(caption, table);
  for (const double share : task.judged) {
    Table accuracies{{task.judged.size() > 1 ? "tested with " + share_text(share) : "", "test accuracy %",
                      "minus sgd, points", "minus msam, points"}};
    for (const Runs& runs : all)
      accuracies.push_back({runs.name(), interval_text(runs.mean(mean_seen(share_text(share))), 100),
                            &runs == &all[0] ? "" : difference_text(points(runs, all[0], share)),
                            runs.setting.optimizer == "sgd" || runs.setting.optimizer == "msam"
                                ? ""
                                : difference_text(points(runs, named(all, "msam"), share))});
    lab.table(text("Test accuracy, ", options.seeds, " seeds, 95% intervals, differences paired by seed:"), accuracies);
  }
}

std::vector<Runs> compare(Lab& lab, const Task& task) {
  lab.heading(task.name);
  std::vector<Setting> settings;
  for (const std::string& optimizer : optimizers) settings.push_back(tuned(lab, task, task.start(optimizer)));
  settings.push_back(tuned(lab, task, long_momentum(task)));
  const std::vector<Runs> all = trained(lab, task, settings, "tuned");
  show(lab,
       text("Each at the learning rate and radius of the lowest validation loss of 15 trials; ", task.batch,
            " samples in a batch."),
       all, task);
  return all;
}

/// Nothing is tuned: all at one learning rate and at this radius.
std::vector<Runs> compare_at(Lab& lab, const Task& task, double rho) {
  std::vector<Setting> settings;
  for (const std::string& optimizer : optimizers) {
    settings.push_back(task.start(optimizer));
    if (settings.back().has("rho")) settings.back().hyperparameters["rho"] = rho;
  }
  const std::vector<Runs> all = trained(lab, task, settings, text("rho ", rho));
  show(lab, text("All at one learning rate, and rho = ", rho, "."), all, task);
  return all;
}

/// Tuning chooses one radius or the other, by rows of which few are of the rare group. What hangs on that?
void compare_radii(Lab& lab, const Task& task) {
  lab.heading("A short radius, and one that is too long");
  const std::vector<Runs> at_1 = compare_at(lab, task, 1), at_4 = compare_at(lab, task, 4);
  if (!lab.quick()) {
    lab.expect("rho = 1, tested with the rare group alone: msam minus sgd, points", points(at_1[1], at_1[0], 1).mean,
               between(-1, 1));
    lab.expect("the same: msam with a memory minus msam, points", points(at_1[2], at_1[1], 1).mean, at_most(0));
  }
  lab.expect("rho = 4, tested with the rare group alone: msam minus sgd, points", points(at_4[1], at_4[0], 1).mean,
             at_most(-2));
  lab.expect("the same: msam with a memory minus msam, points", points(at_4[2], at_4[1], 1).mean, at_least(1));
  lab.expect("the same: |msam that fades minus msam|, points", std::abs(points(at_4[3], at_4[1], 1).mean), at_most(3));
}

void show_costs(Lab& lab) {
  lab.heading("What a step costs");
  const auto [train, test] = datasets::digits();
  const Problem problem{.data = "digits", .model = "mlp:512,512", .train = train, .test = test, .batch = 64};
  std::vector<Setting> settings;
  for (const std::string& optimizer : optimizers)
    settings.push_back({.optimizer = optimizer, .steps = lab.quick() ? 22 : 110});
  lab.say(
      "An MLP with two layers of 512 on the digits, batches of 64: 301,066 weights, 1.15 MiB in float32. The smaller "
      "the "
      "batch, the larger the share of the passes over the weights.");
  const auto costs = show_step_costs(lab, problem, settings, lab.quick() ? 3 : 15);
  for (const std::string& optimizer : optimizers)
    lab.expect_always("gradients a step: " + optimizer, costs.at(optimizer).gradients, between(1, 1));
  const double weights = 301066.0 * 4 / (1 << 20);
  lab.expect_always("peak memory of msam+memory minus msam, in sizes of the weights",
                    (costs.at("msam+memory").mebibytes - costs.at("msam").mebibytes) / weights, between(0.9, 1.1));
  lab.expect_always("peak memory of msam+fade minus msam, in sizes of the weights",
                    (costs.at("msam+fade").mebibytes - costs.at("msam").mebibytes) / weights, between(-0.1, 0.1));
}

void limits(Lab& lab) {
  if (options.seeds < 2) fail("--seeds", text(options.seeds), "at least 2", "An interval needs two.");
  if (options.tuning_seeds < 1 || options.epochs < 1)
    fail("--tuning-seeds and --epochs", text(options.tuning_seeds, " and ", options.epochs), "at least 1 of each");
  constexpr Options stated{}, quick{.seeds = 3, .tuning_seeds = 1, .epochs = 6};
  if (options.seeds < stated.seeds || options.tuning_seeds < stated.tuning_seeds || options.epochs != stated.epochs)
    lab.not_as_stated();
  if (lab.quick())
    for (int64_t Options::* amount : {&Options::seeds, &Options::tuning_seeds, &Options::epochs})
      if (options.*amount == stated.*amount) options.*amount = quick.*amount;
  lab.say(
      "600 training points in 30 clusters of 5 classes, 40 columns; every seed draws clusters of its own. The memory "
      "of "
      "msam+memory is 0.98, a mean of some 50 batches; the reference of msam+fade is a cosine of 0.03. Both were "
      "chosen "
      "on clusters of other seeds.");
  const std::vector<Runs> fifty = compare(lab, {"Batches of fifty", "batch 50", 0, 50, {0}});
  const std::vector<Runs> two = compare(lab, {"Batches of two", "batch 2", 0, 2, {0}});
  const Task shift{"A test part with more of the rare group", "shift", 0.1, 50, {0.1, 0.25, 0.5, 1}};
  compare(lab, shift);
  compare_radii(lab, shift);
  if (!lab.quick()) {  // its few short runs do not carry these
    lab.expect("batches of fifty: msam minus sgd, points", points(fifty[1], fifty[0], 0).mean, at_least(1));
    lab.expect("batches of fifty: msam with a memory minus msam, points", points(fifty[2], fifty[1], 0).mean,
               at_most(0));
    lab.expect("batches of two: msam with a memory minus msam, points", points(two[2], two[1], 0).mean,
               between(-0.5, 0.5));
    lab.expect("batches of two: msam with a memory that fades minus msam, points", points(two[4], two[1], 0).mean,
               at_least(0.2));
  }
  show_costs(lab);
}

}  // namespace

int main(int argc, char** argv) {
  return run_lab(argc, argv, about, limits, [](CommandLine& line) {
    line.option("--seeds", options.seeds, "runs of each setting (--quick: 3)");
    line.option("--first-seed", options.first_seed, "of these runs: this one and those after it");
    line.option("--tuning-seeds", options.tuning_seeds, "runs of each trial (--quick: 1)");
    line.option("--epochs", options.epochs, "passes over the training data (--quick: 6)");
  });
}
