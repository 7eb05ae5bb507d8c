#include "examples/kit/tuning.h"

#include <set>

#include "tests/check.h"

using namespace minima;
using namespace minima::examples;
using namespace minima::test;

namespace {

/// A trial of so many seeds with this validation loss and accuracy.
Runs trial(const std::string& optimizer, const Hyperparameters& values, double loss, double accuracy, int seeds = 2) {
  Runs runs{{.optimizer = optimizer, .hyperparameters = values}};
  for (int i = 0; i < seeds; ++i) {
    runs.results.push_back({.seed = first_tuning_seed + static_cast<uint64_t>(i)});
    runs.results.back().curve.push_back({.test_loss = loss + 0.01 * i, .test_accuracy = accuracy});
  }
  return runs;
}

}  // namespace

TEST_CASE("every optimizer gets the same number of different trials") {
  for (const std::string& name : optim::optimizer_names()) {
    std::set<Hyperparameters> different;
    for (const Setting& setting : tuning_grid({.optimizer = name})) different.insert(setting.hyperparameters);
    CHECK(different.size() == trials_per_optimizer);
  }
}

TEST_CASE("wrappers are tuned over as wide a range of learning rates as the others") {
  auto range = [](const std::string& optimizer) {
    double low = INFINITY, high = 0;
    for (const Setting& s : tuning_grid({.optimizer = optimizer}))
      low = std::min(low, s.value("lr")), high = std::max(high, s.value("lr"));
    return high / low;
  };
  CHECK(range("sam") == range("sgd"));
}

TEST_CASE("trials are chosen by loss, or by accuracy with the lower loss among equals") {
  Tuning tuning;
  const double losses[] = {0.3, 0.5, 0.4, 0.9}, accuracies[] = {0.7, 0.8, 0.8, 0.1};
  for (size_t i = 0; i < 4; ++i)
    tuning.trials.push_back(trial("sgd", {{"lr", 0.1 * static_cast<double>(i + 1)}}, losses[i], accuracies[i]));
  CHECK(&tuning.chosen("sgd") == &tuning.trials[0]);
  CHECK(tuning.chosen_at_edge() == std::vector<std::string>{"sgd"});
  CHECK(trial_table(tuning)[1].back() == "chosen, at the edge of the grid");
  CHECK(trial_table(tuning)[3].back() == "most accurate");
  tuning.judged_by = JudgedBy::accuracy;
  CHECK(&tuning.chosen("sgd") == &tuning.trials[2]);
  CHECK(tuning.chosen_at_edge().empty());
  CHECK(trial_table(tuning)[1].back() == "lowest loss");
  CHECK(trial_table(tuning)[3].back() == "chosen");
}

namespace {

/// A trial with these accuracies, seed by seed.
Runs trial_with(double lr, double loss, const std::vector<double>& accuracies) {
  Runs runs = trial("sgd", {{"lr", lr}}, loss, 0, static_cast<int>(accuracies.size()));
  for (size_t i = 0; i < accuracies.size(); ++i) runs.results[i].curve.back().test_accuracy = accuracies[i];
  return runs;
}

}  // namespace

TEST_CASE(
    "of trials within a standard error of the most accurate, or within a row, that with the lowest loss is chosen") {
  // Below the first, seed by seed: 0.010, -0.005, 0.002, a mean of 0.0023 with a standard error of 0.0043; and 0.010,
  // 0.012, 0.011, a mean of 0.011 with a standard error of 0.0006.
  Tuning tuning{{trial_with(0.1, 0.5, {0.90, 0.92, 0.91}), trial_with(0.2, 0.4, {0.890, 0.925, 0.908}),
                 trial_with(0.3, 0.3, {0.890, 0.908, 0.899})},
                JudgedBy::accuracy};
  CHECK(&tuning.chosen("sgd") == &tuning.trials[1]);
  tuning.validation_rows = 50;  // of which one is 0.02
  CHECK(&tuning.chosen("sgd") == &tuning.trials[2]);
  tuning.validation_rows = 1000;
  CHECK(&tuning.chosen("sgd") == &tuning.trials[1]);
}

TEST_CASE("only trials that were tried with the most seeds are chosen") {
  const Tuning tuning{{trial_with(0.1, 0.1, {0.99, 0.99}), trial_with(0.2, 0.4, {0.9, 0.9, 0.9})}, JudgedBy::accuracy};
  CHECK(&tuning.chosen("sgd") == &tuning.trials[1]);
  CHECK(tuning.best("sgd", JudgedBy::loss) == &tuning.trials[1]);
}

TEST_CASE("a grid is extended by one spacing beyond each edge at which a trial lies, and nowhere else") {
  Tuning tuning;
  for (const double lr : {0.1, 0.4, 1.6})
    for (const double rho : {0.5, 2.0}) tuning.trials.push_back(trial("msam", {{"lr", lr}, {"rho", rho}}, 1, 0.9));
  const auto beyond = [&](size_t i) {
    std::vector<Hyperparameters> all;
    for (const Setting& s : tuning.beyond_the_edge(tuning.trials[i], 4)) all.push_back(s.hyperparameters);
    return all;
  };
  CHECK(beyond(0) == std::vector<Hyperparameters>{{{"lr", 0.025}, {"rho", 0.5}}, {{"lr", 0.1}, {"rho", 0.125}}});
  CHECK(beyond(3) == std::vector<Hyperparameters>{{{"lr", 0.4}, {"rho", 8}}});
  CHECK(beyond(5) == std::vector<Hyperparameters>{{{"lr", 6.4}, {"rho", 2}}, {{"lr", 1.6}, {"rho", 8}}});
  tuning.trials.push_back(trial("msam", {{"lr", 0.025}, {"rho", 0.5}}, 1, 0.9));
  tuning.trials.push_back(trial("msam", {{"lr", 0.4}, {"rho", 8}}, 1, 0.9));
  CHECK(beyond(3).empty());
}

TEST_CASE("a trial that diverged with any seed is not chosen, and if all did that is an error") {
  Tuning tuning{{trial("sgd", {{"lr", 0.1}}, 0.5, 0.9), trial("sgd", {{"lr", 9}}, 0.1, 0.9)}};
  tuning.trials[1].results[0].divergence = "loss nan";
  CHECK(&tuning.chosen("sgd") == &tuning.trials[0]);
  CHECK(trial_table(tuning)[2][3] == "diverged");
  tuning.trials[0].results[1].divergence = "loss nan";
  CHECK_ERROR(tuning.chosen("sgd"), "no trial of sgd that stayed finite");
}

TEST_CASE("a quantity that was not varied has no edge") {
  Tuning tuning;
  for (const double rho : {0.1, 0.2, 0.4})
    tuning.trials.push_back(trial("sam", {{"lr", 0.1}, {"rho", rho}}, 1 + std::abs(rho - 0.2), 0.9));
  CHECK_FALSE(tuning.at_edge(tuning.chosen("sam")));
  CHECK(tuning.at_edge(tuning.trials[0]));
  CHECK(tuning.at_edge(tuning.trials[2]));
}

TEST_CASE("the validation split is a fifth of the training set and leaves the test set alone") {
  auto [train, test] = datasets::digits();
  const Problem problem{.data = "digits", .model = "mlp", .train = train.take(500), .test = test};
  const Problem validation = validation_problem(problem);
  CHECK(validation.train.size() + validation.test.size() == 500);
  CHECK_CLOSE(validation.test.size(), 100, {.atol = 6});
  CHECK(validation.model == "mlp");
}

TEST_CASE("the validation split keeps groups together, takes the latest rows, or is drawn from each class") {
  std::vector<float> values;
  std::vector<int32_t> labels;
  std::vector<int64_t> groups;
  std::vector<double> times;
  for (int i = 0; i < 60; ++i) {
    values.push_back(static_cast<float>(i / 4)), labels.push_back(i % 2);  // the feature tells the group
    groups.push_back(i / 4), times.push_back(i / 4);
  }
  const auto rows = datasets::Dataset::from_values(values, {1}, labels, {"a", "b"});
  const auto quantities = datasets::Dataset::from_targets(values, {1}, values);
  const auto features = [](const datasets::Dataset& data) { return data.all().x.to_vector<double>(); };
  for (uint64_t seed = 1; seed < 6; ++seed) {
    for (const datasets::Dataset& data : {rows, quantities}) {
      const Problem grouped = validation_problem({.data = "rows", .model = "mlp", .train = data.grouped(groups)}, seed);
      const std::vector<double> learnt = features(grouped.train), held_out = features(grouped.test);
      CHECK(held_out.size() == 12);
      for (const double value : held_out) CHECK(std::count(learnt.begin(), learnt.end(), value) == 0);
      const Problem timed = validation_problem({.data = "rows", .model = "mlp", .train = data.timed(times)}, seed);
      CHECK(timed.test.size() == 12);
      CHECK(std::ranges::min(features(timed.test)) > std::ranges::max(features(timed.train)));
    }
    const Problem drawn = validation_problem({.data = "rows", .model = "mlp", .train = rows}, seed);
    const auto as_before = datasets::detail::split_positions("rows", labels, {"a", "b"}, validation_fraction, seed);
    CHECK_SAME_BITS(drawn.train.all().x, rows.subset(as_before.train).all().x);
    CHECK_SAME_BITS(drawn.test.all().x, rows.subset(as_before.test).all().x);
  }
  const Problem one{.data = "rows", .model = "mlp", .train = rows.grouped(std::vector<int64_t>(60))};
  CHECK_ERROR(validation_problem(one), "one group only");
  CHECK_ERROR(validation_problem(one), "needs three in all");
  CHECK_ERROR(rows.grouped({1}), "got 1 groups, expected 60");
  CHECK_ERROR(rows.timed({1}), "got 1 times, expected 60");
  CHECK_ERROR(rows.timed(std::vector<double>(60, NAN)), "finite numbers");
}

TEST_CASE("an optimizer that finds its radius while training is tuned by its learning rate alone") {
  CHECK(tuned_hyperparameters("msam+auto") == std::vector<std::string>{"lr"});
  CHECK(tuned_hyperparameters("sam+edge") == std::vector<std::string>{"lr"});
  CHECK(tuned_hyperparameters("msam+memory+fade") == std::vector<std::string>{"lr", "rho"});
  check_arm("--optimizers", "msam+auto");
  const std::vector<Setting> grid = tuning_grid({.optimizer = "msam+auto"});
  CHECK(std::ssize(grid) == trials_per_optimizer);
  for (const Setting& trial : grid) CHECK(trial.hyperparameters.count("rho") == 0);
  CHECK_ERROR(check_arm("--optimizers", "sam+fade"), "got +fade in \"sam+fade\", expected one of auto");
}
