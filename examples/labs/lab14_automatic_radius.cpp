// lab14_automatic_radius: a radius that is found while training (rho = automatic), in three ways, against the best of
// 15 radii that were tried on validation data: an MLP, a CNN and three tables.
#include <algorithm>
#include <cmath>

#include "examples/kit/tuning.h"
#include "examples/labs/lab.h"
#include "examples/labs/tables.h"
#include "examples/pilot/warnings.h"

using namespace minima;
using namespace minima::examples;

namespace {

const LabAbout about{
    .name = "lab14_automatic_radius",
    .title = "Lab 14. A radius without trials",
    .question =
        "The best radius of SAM and MSAM differs from network to network by a factor of 100, so it is tried: 15 "
        "trainings to choose one. Three rules find it while training, from what each step measures anyway: a fixed "
        "ratio of |e| to the length of the updates; a fixed rise of the loss along e; a fixed curvature along e, "
        "relative to the edge of stability. Does one of them come within 0.2 points of test accuracy of the best of 15 "
        "radii, on every task, at no further gradient?",
    .refuted_by =
        "a rule that reaches the tuned radius because the radius does not matter: compare the tuned ones with SGD "
        "first. Where they are no better, a rule has nothing to reach."};

/// What is as good as the best of the trials.
constexpr double margin = 0.2;  // points of test accuracy

struct Task {
  std::string name, short_name;
  int64_t epochs;
  std::function<Problem(uint64_t seed)> problem;
};

struct Options {
  uint64_t first_seed = 1;
  int64_t seeds = 3, tuning_seeds = 5;
  std::vector<std::string> tasks{"mlp", "cnn", "clusters", "spirals", "friedman"};
} options;

constexpr int64_t test_rows = 2000;

Problem table_of(const std::string& name, const datasets::Split& split, const std::string& model, int64_t batch) {
  return {.data = name, .model = model, .train = split.train, .test = split.test, .batch = batch};
}

datasets::Split cluster_table(uint64_t seed) {
  ClusterOptions rows{.samples = 600, .scatter = 1, .rare = 0.1, .seed = seed_of_data(seed), .draw = 0};
  const datasets::Dataset train = clusters(rows);
  rows.samples = test_rows, rows.draw = 2;
  return {train, clusters(rows)};
}

/// The digits with most of the images for testing: 360 would not show 0.2 points.
datasets::Split few_digits(int64_t train) {
  const auto [all, test] = datasets::digits();
  std::vector<int64_t> rest;
  for (int64_t i = train; i < all.size(); ++i) rest.push_back(i);
  return {all.take(train), all.subset(rest)};
}

std::vector<Task> tasks(bool quick) {
  const auto [images, images_test] = datasets::fashion_mnist();
  const datasets::Dataset some = images.take(quick ? 600 : 2000), judged = images_test.take(quick ? 2000 : 10000);
  const auto epochs = [quick](int64_t all) { return quick ? all / 3 : all; };
  return {
      {"MLP, Fashion-MNIST", "mlp", epochs(20),
       [=](uint64_t) { return table_of("fashion-mnist", {some, judged}, "mlp:128,128", 64); }},
      {"CNN with batch norm, digits", "cnn", epochs(20),
       [=](uint64_t) { return table_of("digits", few_digits(quick ? 200 : 500), "cnn", 32); }},
      {"table of clusters with a rare group", "clusters", epochs(40),
       [](uint64_t seed) { return table_of("clusters", cluster_table(seed), "mlp:64", 50); }},
      {"table of spirals", "spirals", epochs(40),
       [](uint64_t seed) {
         return table_of("spirals",
                         datasets::spirals({.train = 300, .test = test_rows, .noise = 0.2, .seed = seed_of_data(seed)}),
                         "mlp:64", 16);
       }},
      {"table of Friedman", "friedman", epochs(30),
       [](uint64_t seed) { return table_of("friedman", friedman(400, test_rows, seed_of_data(seed)), "mlp:64", 16); }}};
}

const std::vector<std::string> rules{"ratio", "rise", "edge"};

Setting setting(const Task& task, const std::string& optimizer, double rho = 0) {
  Setting s{.optimizer = optimizer,
            .hyperparameters = {{"lr", 0.05}},
            .steps = task.epochs * task.problem(1).steps_per_epoch()};
  if (s.has("rho")) s.hyperparameters["rho"] = rho;
  return s;
}

/// 15 radii, each sqrt(2) times the one before.
std::vector<Setting> trials(const Task& task, const std::string& optimizer) {
  const double first = optimizer == "sam" ? 0.01 : 0.05;
  std::vector<Setting> all;
  for (int64_t i = 0; i < trials_per_optimizer; ++i)
    all.push_back(setting(task, optimizer, three_digits(first * std::pow(2.0, 0.5 * static_cast<double>(i)))));
  return all;
}

/// The radius in the last tenth of the steps, which a rule has found by then.
Observer radius(Run& run) {
  run.optimizer().measure(optim::Measure::norms);
  return {.after_step = [](Run& run) {
    if (10 * run.steps_done() > 9 * run.setting().steps)
      run.note("radius", run.optimizer().last_step().perturbation_norm);
  }};
}

/// A run that diverged is as good as guessing.
double accuracy(const Runs& runs, size_t i, double guessing) {
  const RunResult& run = runs.results[i];
  return run.diverged() ? guessing : run.last().test_accuracy;
}

Interval difference(const Runs& a, const Runs& b, double guessing) {
  std::vector<double> differences;
  for (size_t i = 0; i < a.results.size(); ++i)
    differences.push_back(100 * (accuracy(a, i, guessing) - accuracy(b, i, guessing)));
  return interval_95(differences);
}

struct Row {
  std::string optimizer, task;
  Interval from_tuned;
};

/// "within" where the whole interval is above -margin, "worse" where it is below, else "not shown".
std::string verdict(const Interval& d) {
  if (d.low() >= -margin) return "within";
  return d.high() < -margin ? "worse" : "not shown";
}

std::vector<Row> compare(Lab& lab, const Task& task) {
  lab.heading(task.name);
  const Problem first = task.problem(1);
  lab.say(text(first.train.size(), " rows for training, ", first.test.size(), " for testing; ", first.model,
               ", batches of ", first.batch, ", ", task.epochs, " epochs, ", task.epochs * first.steps_per_epoch(),
               " steps, lr 0.05 for all."));
  std::vector<Setting> settings{setting(task, "sgd")};
  for (const std::string method : {"msam", "sam"}) {
    const Tuning tuning{
        .trials = lab.run({.problems = {[&](uint64_t seed) { return validation_problem(task.problem(seed), seed); }},
                           .settings = trials(task, method),
                           .seeds = seeds_from(first_tuning_seed, options.tuning_seeds),
                           .measures = {.every_epoch = false}}),
        .judged_by = JudgedBy::accuracy,
        .validation_rows = validation_problem(first).test.size()};
    settings.push_back(tuning.chosen(method).setting);
    for (const std::string& rule : rules) settings.push_back(setting(task, method + "+" + rule));
  }
  const std::vector<Runs> all = lab.run({.problems = {task.problem},
                                         .settings = settings,
                                         .seeds = compared_seeds(options.first_seed, options.seeds),
                                         .measures = {.every_epoch = false},
                                         .observe = radius});
  const double guessing = 1.0 / static_cast<double>(first.train.classes());
  Table table{{"", "radius", "gradients/step", "test accuracy %", "test loss", "minus SGD, points",
               "minus the tuned, points", "0.2 points"}};
  std::vector<Row> rows;
  const Runs* tuned = nullptr;
  double largest_miss = 0;
  for (const Runs& runs : all) {
    const std::string& name = runs.setting.optimizer;
    const bool automatic = name.find('+') != std::string::npos;
    if (!automatic) tuned = &runs;
    std::vector<double> accuracies;
    for (size_t i = 0; i < runs.results.size(); ++i) {
      accuracies.push_back(100 * accuracy(runs, i, guessing));
      const RunResult& run = runs.results[i];
      if (!run.diverged())
        largest_miss =
            std::max(largest_miss, std::abs(gradients_at_end(run) - double(expected_gradients(runs.setting))));
      lab.record("runs", {{"task", task.short_name},
                          {"optimizer", name},
                          {"seed", static_cast<int64_t>(run.seed)},
                          {"rho", runs.setting.value_text("rho")},
                          {"radius_at_end", mean_seen("radius")(run)},
                          {"test_accuracy", accuracy(runs, i, guessing)},
                          {"test_loss", run.diverged() ? NAN : run.last().test_loss},
                          {"train_loss", run.diverged() ? NAN : run.last().train_loss},
                          {"diverged", run.divergence}});
    }
    const Interval from_tuned = automatic ? difference(runs, *tuned, guessing) : Interval{};
    const Interval found = runs.mean(mean_seen("radius"));
    table.push_back({name,
                     name == "sgd" ? "-"
                     : automatic   ? interval_text(found)
                                   : runs.setting.value_text("rho") + " tuned",
                     number_text(optim::gradients_per_step(name)), interval_text(interval_95(accuracies)),
                     interval_text(runs.mean(at_end(&Measurement::test_loss))),
                     name == "sgd" ? "" : difference_text(difference(runs, all[0], guessing)),
                     automatic ? difference_text(from_tuned) : "", automatic ? verdict(from_tuned) : ""});
    if (automatic) rows.push_back({name, task.short_name, from_tuned});
  }
  lab.table(text("Means over ", options.seeds, " seeds with 95% intervals; differences are paired by seed."), table);
  lab.expect_always(task.short_name + ": gradients beyond those of the method with a given radius", largest_miss,
                    at_most(0));
  return rows;
}

void sum_up(Lab& lab, const std::vector<Row>& rows) {
  lab.heading("All tasks");
  Table table{{"minus the tuned, points"}};
  for (const Row& row : rows)
    if (row.optimizer == rows[0].optimizer) table[0].push_back(row.task);
  table[0].insert(table[0].end(), {"mean", "worst", "within on"});
  std::vector<std::string> reached;
  for (const std::string method : {"msam", "sam"})
    for (const std::string& rule : rules) {
      const std::string name = method + "+" + rule;
      std::vector<std::string> cells{name};
      double sum = 0, worst = INFINITY;
      int64_t within = 0, tasks = 0;
      for (const Row& row : rows)
        if (row.optimizer == name) {
          cells.push_back(signed_text(row.from_tuned) + " " + verdict(row.from_tuned));
          sum += row.from_tuned.mean, worst = std::min(worst, row.from_tuned.mean), ++tasks;
          within += row.from_tuned.mean >= -margin;
        }
      cells.push_back(fixed(sum / static_cast<double>(tasks), 2));
      cells.push_back(fixed(worst, 2));
      cells.push_back(text(within, " of ", tasks));
      if (within == tasks) reached.push_back(name);
      table.push_back(cells);
      lab.record("rules",
                 {{"rule", name}, {"mean", sum / static_cast<double>(tasks)}, {"worst", worst}, {"within", within}});
      if (name == "msam+rise" || name == "sam+rise")
        lab.expect(name + " minus the tuned radius, mean over the tasks, points", sum / static_cast<double>(tasks),
                   at_least(-2));
      if (name == "msam+rise" || name == "sam+rise") lab.expect(name + ": worst task, points", worst, at_least(-5));
    }
  lab.table(
      "\"within\": the whole interval is above -0.2 points; \"worse\": below; else \"not shown\". The last column "
      "counts "
      "the tasks whose mean is above -0.2.",
      table);
  lab.say(reached.empty() ? "No rule is within 0.2 points of the tuned radius on every task, not even by its means."
                          : "Within 0.2 points on every task, by their means: " + joined(reached) + ".");
}

void automatic_radius(Lab& lab) {
  if (options.seeds < 2) fail("--seeds", text(options.seeds), "at least 2", "An interval needs two.");
  if (options.tuning_seeds < 1) fail("--tuning-seeds", text(options.tuning_seeds), "at least 1");
  const Options stated;
  if (options.seeds < stated.seeds || options.tuning_seeds < stated.tuning_seeds || options.tasks != stated.tasks)
    lab.not_as_stated();
  if (lab.quick() && options.seeds == stated.seeds) options.seeds = 2;
  if (lab.quick() && options.tuning_seeds == stated.tuning_seeds) options.tuning_seeds = 1;
  if (options.tasks.empty()) fail("--tasks", "none", "some of mlp, cnn, clusters, spirals, friedman");
  const std::vector<Task> all = tasks(lab.quick());
  for (const std::string& name : options.tasks)
    if (std::none_of(all.begin(), all.end(), [&](const Task& task) { return task.short_name == name; }))
      fail("--tasks", name, "some of mlp, cnn, clusters, spirals, friedman");
  lab.say(
      "The learning rate is the same for all, so that the radius alone differs. The tuned radius is the best of 15, a "
      "factor of 128 from the first to the last, by validation accuracy (a fifth of the training rows), with seeds "
      "that no run below has. The rules have no trial at all: their targets come from other seeds, and in part other "
      "data.");
  std::vector<Row> rows;
  for (const Task& task : all) {
    if (std::find(options.tasks.begin(), options.tasks.end(), task.short_name) == options.tasks.end()) continue;
    const std::vector<Row> more = compare(lab, task);
    rows.insert(rows.end(), more.begin(), more.end());
  }
  sum_up(lab, rows);
}

}  // namespace

int main(int argc, char** argv) {
  return run_lab(argc, argv, about, automatic_radius, [](CommandLine& line) {
    line.option("--seeds", options.seeds, "runs of each setting (--quick: 2)");
    line.option("--first-seed", options.first_seed, "of these runs: this one and those after it");
    line.option("--tuning-seeds", options.tuning_seeds, "runs of each trial (--quick: 1)");
    line.option("--tasks", options.tasks, "some of them, with commas between");
  });
}
