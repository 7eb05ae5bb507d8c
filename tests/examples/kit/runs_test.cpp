#include "examples/kit/runs.h"

#include "tests/check.h"

using namespace minima;
using namespace minima::examples;
using namespace minima::test;

namespace {

/// A run with a curve of two epochs; the first has the better accuracy.
RunResult result_of(uint64_t seed, double loss) {
  RunResult run{.seed = seed};
  run.curve.push_back({.epoch = 1, .gradient_evaluations = 10, .test_loss = 1, .test_accuracy = 0.9});
  run.curve.push_back({.epoch = 2, .gradient_evaluations = 20, .test_loss = loss, .test_accuracy = 0.8});
  return run;
}

Runs runs_of(const std::string& optimizer, const std::vector<double>& losses) {
  Runs runs{{.optimizer = optimizer}};
  for (size_t i = 0; i < losses.size(); ++i) runs.results.push_back(result_of(i + 1, losses[i]));
  return runs;
}

void diverge(RunResult& run) { run.divergence = "loss nan"; }

const OfRun test_loss = at_end(&Measurement::test_loss);

}  // namespace

TEST_CASE("differences are paired by seed, also where the order of the runs is another one") {
  const Runs sgd = runs_of("sgd", {1.0, 2.0, 3.0});
  Runs sam = runs_of("sam", {0.5, 1.5, 2.5});
  std::swap(sam.results[0], sam.results[2]);
  const Interval d = sam.minus(sgd, test_loss);
  CHECK_CLOSE(d.mean, -0.5, {.rtol = 1e-12});
  CHECK(d.half_width == 0);  // every pair differs by as much; unpaired ones do not
  CHECK_CLOSE(sam.relative_to(sgd, test_loss).mean, (-0.5 - 0.25 - 0.5 / 3) / 3, {.rtol = 1e-12});
}

TEST_CASE("a diverged run leaves its pair out, and the mean") {
  const Runs sgd = runs_of("sgd", {1.0, 2.0, 3.0});
  Runs sam = runs_of("sam", {0.5, 9.0, 2.0});
  diverge(sam.results[1]);
  const Interval d = sam.minus(sgd, test_loss);
  CHECK(d.count == 2);
  CHECK_CLOSE(d.mean, -0.75, {.rtol = 1e-12});
  CHECK_CLOSE(sam.mean(test_loss).mean, 1.25, {.rtol = 1e-12});
  CHECK(sam.diverged() == 1);
  CHECK(std::isnan(sam.mean_of_all(test_loss).mean));
  CHECK(sgd.mean_of_all(test_loss).mean == 2);
  for (RunResult& run : sam.results) diverge(run);
  CHECK(separation(sam.minus(sgd, test_loss)) == "diverged");
  CHECK(curve(sam, epoch_axis().of, gradient_axis().of).x.empty());
}

TEST_CASE("separated is what leaves out 0, and one seed separates nothing") {
  CHECK(separation({0.5, 0.4, 3}) == "separated");
  CHECK(separation({0.5, 0.6, 3}) == "not separated");
  CHECK(separation({0.5, NAN, 1}) == "one seed");
}

TEST_CASE("a curve is the mean over seeds, with a band from three seeds on") {
  const OfMeasurement loss = [](const Measurement& m) { return m.test_loss; };
  const Series two = curve(runs_of("sgd", {1.0, 3.0}), gradient_axis().of, loss);
  CHECK(two.x == std::vector<double>{10, 20});
  CHECK(two.y == std::vector<double>{1, 2});
  CHECK(two.low.empty());
  const Series three = curve(runs_of("sgd", {1.0, 2.0, 3.0}), epoch_axis().of, loss);
  CHECK(three.x == std::vector<double>{1, 2});
  CHECK_CLOSE(three.high[1] - three.y[1], student_t_975(2) / std::sqrt(3.0), {.rtol = 1e-9});
  CHECK(three.label == "sgd");
}

TEST_CASE("a panel shows the range of the later means") {
  const OfMeasurement loss = [](const Measurement& m) { return m.test_loss; };
  std::vector<Runs> all{runs_of("sgd", {0.5, 0.5})};
  for (RunResult& run : all[0].results) {
    run.curve.insert(run.curve.begin(), {.test_loss = 100});
    for (int i = 0; i < 3; ++i) run.curve.push_back({.test_loss = 0.5});
  }
  const Panel panel = curve_panel("loss", epoch_axis(), {"nat", loss}, all);
  REQUIRE(panel.y_range);
  CHECK_CLOSE(panel.y_range->high, 1.03, {.rtol = 1e-9});
  CHECK_CLOSE(panel.y_range->low, 0.47, {.rtol = 1e-9});
  CHECK_FALSE(curve_panel("loss", epoch_axis(), {"nat", loss}, all, /*log_y=*/true).y_range);
}

TEST_CASE("a mean of what was seen leaves out NaN, and is NaN where nothing else is left") {
  RunResult run;
  CHECK(std::isnan(mean_seen("cosine")(run)));
  run.seen["cosine"] = {NAN, 0.5, NAN, 1.0};
  CHECK(mean_seen("cosine")(run) == 0.75);
}

TEST_CASE("runs are found by name: the label, or else the optimizer") {
  std::vector<Runs> all{runs_of("sgd", {1}), runs_of("sam", {1})};
  all[1].setting.label = "sam 0.2";
  CHECK(&named(all, "sgd") == &all[0]);
  CHECK(&named(all, "sam 0.2") == &all[1]);
  CHECK_FALSE(has_name(all, "sam"));
  CHECK_ERROR(named(all, "sam"), "got \"sam\", expected one of sgd, sam 0.2");
}
