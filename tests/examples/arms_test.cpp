#include "examples/kit/arms.h"

#include "examples/kit/tuning.h"
#include "tests/check.h"

using namespace minima;
using namespace minima::examples;
using namespace minima::test;

namespace {

/// A run with a curve of two epochs; the first has the better accuracy.
RunResult run_of(const std::string& optimizer, uint64_t seed, double loss) {
  RunResult run;
  run.settings.optimizer = optimizer, run.settings.seed = seed;
  run.curve.push_back({.epoch = 1, .gradient_evaluations = 10, .test_loss = 1, .test_accuracy = 0.9});
  run.curve.push_back({.epoch = 2, .gradient_evaluations = 20, .test_loss = loss, .test_accuracy = 0.8});
  return run;
}

Arm arm_of(const std::string& optimizer, const std::vector<double>& losses) {
  Arm arm{optimizer, optimizer, {.optimizer = optimizer}};
  for (size_t i = 0; i < losses.size(); ++i) arm.runs.push_back(run_of(optimizer, i + 1, losses[i]));
  return arm;
}

void diverge(RunResult& run) { run.divergence = "loss nan"; }

const OfRun test_loss = at_end(&Measurement::test_loss);

}  // namespace

TEST_CASE("differences are paired by seed, also where the order of the runs is another one") {
  const Arm sgd = arm_of("sgd", {1.0, 2.0, 3.0});
  Arm sam = arm_of("sam", {0.5, 1.5, 2.5});
  std::swap(sam.runs[0], sam.runs[2]);
  const Interval d = difference(sam, sgd, test_loss);
  CHECK_CLOSE(d.mean, -0.5, {.rtol = 1e-12});
  CHECK(d.half_width == 0);  // every pair differs by as much; unpaired ones do not
  CHECK_CLOSE(relative_difference(sam, sgd, test_loss).mean, (-0.5 - 0.25 - 0.5 / 3) / 3, {.rtol = 1e-12});
}

TEST_CASE("a diverged run leaves its pair out, and the mean of its arm") {
  const Arm sgd = arm_of("sgd", {1.0, 2.0, 3.0});
  Arm sam = arm_of("sam", {0.5, 9.0, 2.0});
  diverge(sam.runs[1]);
  const Interval d = difference(sam, sgd, test_loss);
  CHECK(d.count == 2);
  CHECK_CLOSE(d.mean, -0.75, {.rtol = 1e-12});
  CHECK_CLOSE(over_seeds(sam, test_loss).mean, 1.25, {.rtol = 1e-12});
  for (RunResult& run : sam.runs) diverge(run);
  CHECK(separation(difference(sam, sgd, test_loss)) == "diverged");
  CHECK(curve(sam, epoch_axis().of, gradient_axis().of).x.empty());
}

TEST_CASE("separated is what leaves out 0, and one seed separates nothing") {
  CHECK(separation({0.5, 0.4, 3}) == "separated");
  CHECK(separation({0.5, 0.6, 3}) == "not separated");
  CHECK(separation({0.5, NAN, 1}) == "one seed");
}

TEST_CASE("a curve is the mean over seeds, with a band from three seeds on") {
  const OfMeasurement loss = [](const Measurement& m) { return m.test_loss; };
  const Series two = curve(arm_of("sgd", {1.0, 3.0}), gradient_axis().of, loss);
  CHECK(two.x == std::vector<double>{10, 20});
  CHECK(two.y == std::vector<double>{1, 2});
  CHECK(two.low.empty());
  const Series three = curve(arm_of("sgd", {1.0, 2.0, 3.0}), epoch_axis().of, loss);
  CHECK(three.x == std::vector<double>{1, 2});
  CHECK_CLOSE(three.high[1] - three.y[1], student_t_975(2) / std::sqrt(3.0), {.rtol = 1e-9});
  CHECK(three.label == "sgd");
}

TEST_CASE("a panel shows the range of the later means") {
  const OfMeasurement loss = [](const Measurement& m) { return m.test_loss; };
  std::vector<Arm> arms{arm_of("sgd", {0.5, 0.5})};
  for (RunResult& run : arms[0].runs) {
    run.curve.insert(run.curve.begin(), {.test_loss = 100});
    for (int i = 0; i < 3; ++i) run.curve.push_back({.test_loss = 0.5});
  }
  const Panel panel = curve_panel("loss", epoch_axis(), {"nat", loss}, arms);
  REQUIRE(panel.y_range);
  CHECK_CLOSE(panel.y_range->high, 1.03, {.rtol = 1e-9});
  CHECK_CLOSE(panel.y_range->low, 0.47, {.rtol = 1e-9});
  CHECK_FALSE(curve_panel("loss", epoch_axis(), {"nat", loss}, arms, /*log_y=*/true).y_range);
}

TEST_CASE("the best accuracy is that of the best epoch, not of the last") {
  CHECK(best_test_accuracy(run_of("sgd", 1, 1)) == 0.9);
}

TEST_CASE("tasks have seeds outermost, and their results go back to their arms") {
  std::vector<Arm> arms{arm_of("sgd", {}), arm_of("sam", {})};
  arms[0].settings.steps = 10, arms[1].settings.steps = 4;
  const Problem problem;
  const auto tasks = tasks_of(arms, problem, 2);
  REQUIRE(tasks.size() == 4);
  CHECK(gradient_evaluations(tasks) == 2 * 10 + 2 * 2 * 4);
  std::vector<RunResult> results;
  for (const auto& task : tasks) {
    CHECK(task.problem == &problem);
    results.push_back(run_of(task.settings.optimizer, task.settings.seed, 1));
  }
  CHECK(tasks[1].settings.optimizer == "sam");
  CHECK(tasks[1].settings.seed == 1);
  take_runs(arms, results);
  for (const Arm& a : arms) {
    REQUIRE(a.runs.size() == 2);
    for (size_t i = 0; i < 2; ++i) {
      CHECK(a.runs[i].settings.optimizer == a.label);
      CHECK(a.runs[i].settings.seed == i + 1);
    }
  }
  CHECK_ERROR(arm(arms, "adam"), "[arm] got adam");
}

TEST_CASE("trials are chosen by loss, or by accuracy with the lower loss among equals") {
  std::vector<RunResult> runs;
  const double losses[] = {0.3, 0.5, 0.4, 0.9}, accuracies[] = {0.7, 0.8, 0.8, 0.1};
  for (size_t i = 0; i < 4; ++i) {
    runs.push_back(run_of("sgd", 1001, losses[i]));
    runs.back().settings.lr = 0.1 * static_cast<double>(i + 1);
    runs.back().curve.back().test_accuracy = accuracies[i];
  }
  CHECK(chosen_trial(judge_trials(runs), "sgd").settings.lr == runs[0].settings.lr);
  const auto trials = judge_trials(runs, JudgedBy::accuracy);
  CHECK(chosen_trial(trials, "sgd").settings.lr == runs[2].settings.lr);
  CHECK(trials[0].lowest_loss);
  CHECK_FALSE(trials[1].most_accurate);
  CHECK(trials[0].at_edge);
  CHECK_FALSE(trials[2].at_edge);
}

TEST_CASE("a quantity that was not varied has no edge") {
  std::vector<RunResult> runs;
  for (const double rho : {0.1, 0.2, 0.4}) {
    runs.push_back(run_of("sam", 1001, 1 + std::abs(rho - 0.2)));
    runs.back().settings.rho = rho;
  }
  CHECK_FALSE(chosen_trial(judge_trials(runs), "sam").at_edge);
}

TEST_CASE("the validation split is a fifth of the training set and leaves the test set alone") {
  auto [train, test] = datasets::digits();
  const Problem problem{.data = "digits", .model = "mlp", .train = train.take(500), .test = test};
  const Problem validation = validation_problem(problem);
  CHECK(validation.train.size() + validation.test.size() == 500);
  CHECK_CLOSE(validation.test.size(), 100, {.atol = 6});
  CHECK(validation.model == "mlp");
}
