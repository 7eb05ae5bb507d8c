// What a pilot tries in its time, and its synthetic warnings.
#include <cmath>
#include <map>
#include <set>

#include "examples/pilot/runs.h"
#include "examples/pilot/verdict.h"
#include "examples/pilot/warnings.h"
#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::examples;
using test::contains;

TEST_CASE("all three optimizers get equally many different trials over the same range of step lengths") {
  for (const PilotGrid grid : {PilotGrid{2, 2, 2}, PilotGrid{2, 3, 3}, PilotGrid{3, 4, 4}}) {
    std::map<std::string, std::pair<double, double>> ranges;
    for (const std::string& name : pilot_optimizers()) {
      const auto trials = pilot_trials(name, grid);
      CHECK(trials.size() == static_cast<size_t>(grid.trials()));
      std::set<Hyperparameters> different;
      double low = INFINITY, high = 0;
      for (const Setting& t : trials) {
        different.insert(t.hyperparameters);
        low = std::min(low, step_length(t)), high = std::max(high, step_length(t));
      }
      CHECK(different.size() == trials.size());
      ranges[name] = {low, high};
    }
    CHECK_CLOSE(ranges["msam"].first, ranges["sgd"].first, {.rtol = 0.01});
    CHECK_CLOSE(ranges["sam"].second, ranges["sgd"].second, {.rtol = 0.01});
  }
}

TEST_CASE("an automatic radius has no trials: the learning rates alone, over the same range of step lengths") {
  const PilotGrid grid{2, 3, 3};
  CHECK(grid.trials("msam") == 18);
  for (const std::string& name : further_pilot_optimizers()) {
    const auto trials = pilot_trials(name, grid), of_sgd = pilot_trials("sgd", grid);
    CHECK(trials.size() == 2 * 3);
    CHECK(grid.trials(name) == 2 * 3);
    for (const Setting& t : trials) CHECK_FALSE(t.has("rho"));
    CHECK_CLOSE(step_length(trials.front()), step_length(of_sgd.front()), {.rtol = 0.01});
    CHECK_CLOSE(step_length(trials.back()), step_length(of_sgd.back()), {.rtol = 0.01});
  }
}

TEST_CASE("a further optimizer is one of those that are known, once") {
  check_further("--also", {});
  check_further("--also", {"sam+auto", "msam+auto"});
  CHECK_ERROR(check_further("--also", {"adam"}), "[--also] got adam, expected some of msam+auto, sam+auto");
  CHECK_ERROR(check_further("--also", {"msam"}), "sgd, sam, msam are always compared");
  CHECK_ERROR(check_further("--also", {"msam+auto", "msam+auto"}), "[--also] got msam+auto twice");
}

TEST_CASE("the plan spends on a further optimizer what its fewer trials cost") {
  PilotCosts costs{{{"sgd", 1e-3}, {"sam", 2e-3}, {"msam", 1e-3}}, 0, 1e-12};
  const auto plan = [&](double budget) { return plan_pilot(costs, 20, budget, /*epochs=*/3, 0, 0); };
  const PilotPlan three = plan(22);
  costs.step["msam+auto"] = 1e-3;
  const PilotPlan four = plan(25);
  CHECK(three.grid.trials() == 8);
  CHECK(four.grid.trials() == 8);
  CHECK(four.grid.trials("msam+auto") == 4);
  // Runs of 60 steps: one more at the end; 4 + 2 of 80% of the data, and a quarter of that beyond the grid's edges.
  CHECK_CLOSE(four.study_seconds - three.study_seconds, 0.06 * (1 + 1.25 * 0.8 * (4 + 2)), {.rtol = 1e-6});
  const std::string message = test::error_of([&] { plan(5); });
  CHECK_MESSAGE(contains(message,
                         "8 trials for each of three optimizers and 4 for msam+auto in each of 5 studies, in runs of 3 "
                         "epochs, and a step of all 4 takes 5.00 ms here"),
                message);
}

TEST_CASE("a plan fits its budget with room to spare, and grows with it") {
  const PilotCosts costs{{{"sgd", 1e-3}, {"sam", 2e-3}, {"msam", 1e-3}}, 0.02, 0.1};
  double before = 0;
  for (const double minutes : {1.0, 3.0, 10.0, 60.0, 600.0}) {
    const PilotPlan plan = plan_pilot(costs, 20, 60 * minutes, 0, 2, 3);
    const double total = plan.seconds();
    CHECK(1.2 * total <= 60 * minutes - 5);
    CHECK(total >= before);
    CHECK(plan.studies >= fewest_pilot_studies);
    before = total;
  }
  CHECK(plan_pilot(costs, 20, 600, 7, 2, 3).epochs == 7);
}

TEST_CASE("runs that are done side by side leave time for more, but a study is never shorter than its turns") {
  PilotCosts costs{{{"sgd", 1e-3}, {"sam", 2e-3}, {"msam", 1e-3}}, 0.02, 0.1};
  const auto study_seconds = [&](int64_t at_once, double budget) {
    costs.at_once = at_once;
    const PilotPlan plan = plan_pilot(costs, 20, budget, /*epochs=*/3, 0, 0);
    CHECK(plan.grid.trials() == 8);  // the smallest plan
    return plan.study_seconds;
  };
  const double one = study_seconds(1, 32), two = study_seconds(2, 20), many = study_seconds(1000, 9);
  CHECK(two > one / 2);
  CHECK(two < one / 1.5);
  CHECK(many > one * 3 / 14);  // three rungs, in which one after another are 14 runs
  CHECK_ERROR(study_seconds(1, 20), "[--minutes] got ");
}

TEST_CASE("a budget too small for the smallest plan is refused with the minutes that would do") {
  const PilotCosts costs{{{"sgd", 1e-2}, {"sam", 2e-2}, {"msam", 1e-2}}, 0.02, 0.1};
  const std::string message = test::error_of([&] { plan_pilot(costs, 20, 6, 0, 1, 3); });
  CHECK_MESSAGE(contains(message, "[--minutes] got 0.1, expected at least "), message);
  CHECK_MESSAGE(contains(message, "8 trials for each of three optimizers in each of 5 studies, in runs of 3 epochs"),
                message);
  const size_t at = message.find("at least ") + 9;
  const double minutes = std::strtod(message.c_str() + at, nullptr);
  CHECK(plan_pilot(costs, 20, 60 * minutes, 0, 1, 3).studies >= fewest_pilot_studies);  // what it names is enough
}

TEST_CASE("data on which the usual learning rate diverges do not end a pilot before it has begun") {
  Generator random{5, 0};
  std::vector<float> values;
  std::vector<int32_t> labels;
  for (const double x : random.normal({80 * 4}, 0, 1e4).to_vector<double>()) values.push_back(static_cast<float>(x));
  for (int i = 0; i < 80; ++i) labels.push_back(i % 2);
  const auto data = datasets::Dataset::from_values(values, {4}, labels, {"a", "b"});
  const Problem problem{.data = "large", .model = "mlp:8", .train = data, .test = data, .batch = 8};
  Run usual(problem, {.hyperparameters = {{"lr", 0.1}}, .steps = 1000}, /*seed=*/1);
  CHECK(train_to_end(usual).diverged());
  test::TemporaryFolder folder;
  PilotClock clock(20);
  const PilotCosts costs = PilotSession(clock, {.directory = folder.file("out")}).measure_costs(problem, 20);
  CHECK(costs.step.size() == 3);
  CHECK(costs.all_steps() > 0);
  CHECK(costs.curvature > 0);
}

TEST_CASE("of a pilot's trials the edge is among step lengths and radii, not among momenta") {
  Tuning tuning;
  for (const Setting& setting : pilot_trials("msam", {2, 3, 3})) {
    const bool centre =
        std::abs(step_length(setting) - 0.5) < 0.01 && setting.value("rho") == 1 && setting.value("momentum") == 0.95;
    RunResult run;
    run.curve.push_back({.test_loss = centre ? 0.1 : 0.2 + 0.01 * step_length(setting), .test_accuracy = 0.9});
    tuning.trials.push_back({setting, {run}});
  }
  CHECK(tuning.trials_each() == 18);
  const Runs& best = tuning.chosen("msam");
  CHECK(best.setting.value("rho") == 1);
  CHECK(best.setting.value("momentum") == 0.95);
  CHECK_FALSE(tuning.at_edge(best));
  for (const Runs& trial : tuning.trials)
    if (trial.setting.value("rho") != 1) CHECK(tuning.at_edge(trial));
}

TEST_CASE("successive halving makes a run of each trial, one more of the better half, and so on, five times at most") {
  CHECK(halving_runs(1) == 1);
  CHECK(halving_runs(8) == 8 + 4 + 2);
  CHECK(halving_runs(18) == 18 + 9 + 5 + 3 + 2);
  CHECK(halving_runs(48) == 48 + 24 + 12 + 6 + 3);
}

TEST_CASE("a study halves its trials from seed to seed, and goes on beyond an edge that wins") {
  auto [train, test] = datasets::digits();
  const Problem problem{
      .data = "digits", .model = "mlp:8", .train = train.take(150), .test = test.take(100), .batch = 32};
  PilotClock clock(1e6);
  PilotSession session(clock, {});
  const PilotPlan plan{.grid = {2, 2, 2}, .epochs = 2, .seeds = 2, .studies = 1};
  const Study study = session.study(problem, plan, JudgedBy::accuracy, 0, 7, {"sgd", "msam"});
  REQUIRE(study.runs.size() == 2);
  for (const Runs& runs : study.runs) {
    CHECK(runs.results.size() == 2);
    CHECK(study_of(runs.results[0].seed) == 7);
    CHECK(runs.results[0].seen.at(row_correct).size() == 100);
  }
  for (const std::string name : {"sgd", "msam"}) {
    std::multiset<size_t> seeds;
    for (const Runs& trial : study.tuning.trials)
      if (trial.setting.optimizer == name) seeds.insert(trial.results.size());
    CHECK(seeds.count(1) == 4);
    CHECK(seeds.count(2) == 2);
    CHECK(seeds.count(3) >= 2);  // and as many settings beyond the grid as its edges asked for
    CHECK(seeds.size() - 6 - seeds.count(3) == 0);
    const Runs& chosen = study.tuning.chosen(name);
    CHECK(chosen.results.size() == 3);
    if (seeds.size() == 8) CHECK_FALSE(study.tuning.at_edge(chosen));
  }
}

TEST_CASE("a study tunes and tests an optimizer whose radius is automatic as it does the others") {
  auto [train, test] = datasets::digits();
  const Problem problem{
      .data = "digits", .model = "mlp:8", .train = train.take(150), .test = test.take(100), .batch = 32};
  PilotClock clock(1e6);
  PilotSession session(clock, {});
  const PilotPlan plan{.grid = {2, 2, 2}, .epochs = 2, .seeds = 1, .studies = 1};
  const Study study = session.study(problem, plan, JudgedBy::accuracy, 0, 1, {"msam+auto", "sam+auto"});
  REQUIRE(study.runs.size() == 2);
  for (const Runs& runs : study.runs) {
    CHECK_FALSE(runs.setting.has("rho"));
    CHECK(runs.results.size() == 1);
    CHECK(runs.diverged() == 0);
    int64_t once = 0;
    for (const Runs& trial : study.tuning.trials)
      once += trial.setting.optimizer == runs.setting.optimizer && trial.results.size() == 1;
    CHECK(once == 2);  // of 4 trials the better half has a second seed
  }
}

TEST_CASE("what became of an advantage is read from how the difference changed, seed by seed") {
  const std::vector<double> first{0.020, 0.022, 0.018, 0.021};
  const auto fate_of = [&](const std::vector<double>& other) { return fate_of_advantage(first, other); };
  // Wider, so that it is no longer separated from 0, but not shown to have changed:
  CHECK(fate_of({0.060, -0.030, 0.050, -0.010}) == "no change is shown");
  CHECK(fate_of({0.0101, 0.0119, 0.0081, 0.0109}) == "smaller, but it does not go away");
  CHECK(fate_of({0.001, -0.001, 0.000, 0.0005}) == "smaller, and no longer shown to be there");
  CHECK(fate_of({-0.010, -0.012, -0.011, -0.009}) == "reversed, SGD is better");
  CHECK(fate_of({0.040, 0.043, 0.039, 0.041}) == "larger");
}

TEST_CASE("clusters: a rare group is of the next class, and draws differ while centres stay") {
  const auto common = clusters({.samples = 400, .scatter = 0, .rare = 0, .draw = 0});
  const auto rare = clusters({.samples = 400, .scatter = 0, .rare = 1, .draw = 0});
  CHECK(common.classes() == 5);
  for (size_t i = 0; i < 400; ++i) CHECK(rare.labels()[i] == (common.labels()[i] + 1) % 5);
  // Without scatter there are as many different points as clusters, the same ones in every draw.
  const auto points = [](const datasets::Dataset& data) {
    std::set<double> firsts;
    const Tensor x = data.all().x;
    for (int64_t i = 0; i < data.size(); ++i) firsts.insert(x.at(i * 40));
    return firsts;
  };
  CHECK(points(common).size() == 30);
  CHECK(points(common) == points(clusters({.samples = 400, .scatter = 0, .rare = 0, .draw = 1})));
  const auto a = clusters({.draw = 0}).all().x, b = clusters({.draw = 1}).all().x;
  CHECK_FALSE(a.to_vector<double>() == b.to_vector<double>());
}

TEST_CASE("the warnings have a case for each setting, and tell what the intervals say") {
  const WarningOptions tiny{.seeds = 2, .tuning_seeds = 1, .epochs = 1};
  test::TemporaryFolder folder;
  Session session({.directory = folder.file("out"), .configuration = {}, .resumable = false});
  const Warning shift = shift_warning(tiny, session), variance = variance_warning(tiny, session);
  CHECK(shift.cases.size() == 4);
  CHECK(variance.cases.size() == 5);
  for (const Warning& warning : {shift, variance})
    for (const WarningCase& c : warning.cases) {
      CHECK(c.differences.size() == 2);
      CHECK(c.sgd_accuracy.count == 2);
    }
  CHECK(warning_table(variance).size() == 6);
  CHECK(contains(shift.reading, "MSAM minus SGD in points of test accuracy: "));
}
