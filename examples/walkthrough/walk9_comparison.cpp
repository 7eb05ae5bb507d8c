// walk9_comparison: chapter 9 of the walkthrough, a small comparison on real digits, and three ways to misread it.
#include <cmath>

#include "examples/kit/runs.h"
#include "examples/walkthrough/walk.h"

using namespace minima;
using namespace minima::examples;

namespace {

constexpr uint64_t seeds = 8;

Runs trained(const Problem& problem, const Setting& setting) {
  Runs runs{setting};
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    Run run(problem, setting, seed);
    runs.results.push_back(train_to_end(run, {}, {.every_epoch = false}));
  }
  return runs;
}

double accuracy_of(const RunResult& run) { return 100 * run.last().test_accuracy; }

void walk(const Walk& walk) {
  walk.paragraph("The second step of SAM in the valley: two lines that say gradient",
                 table_of_step(valley(), method("sam", 0.02, 0.9, 0.1), 1));
  auto [train_set, test_set] = datasets::digits();
  const Problem problem{.data = "digits", .model = "mlp:32", .train = train_set, .test = test_set};
  const int64_t steps = 20 * problem.steps_per_epoch();
  const auto setting = [&](const std::string& optimizer, const Hyperparameters& values, const std::string& label = "") {
    return Setting{.optimizer = optimizer, .hyperparameters = values, .steps = steps, .label = label};
  };
  std::vector<Setting> settings{setting("sgd", {{"lr", 0.05}}),
                                setting("sgd", {{"lr", 0.0025}}, "sgd, lr 20 times too small"),
                                setting("nesterov", {{"lr", 0.05}}),
                                setting("sam", {{"lr", 0.05}, {"rho", 0.2}}),
                                setting("sam", {{"lr", 0.05}, {"rho", 0.2}}, "sam, half the steps"),
                                setting("msam", {{"lr", 0.05}, {"rho", 1}}),
                                setting("sgd", {{"lr", 0.0707}}, "sgd, lr 0.0707")};
  settings[4].steps /= 2;
  std::vector<Runs> all;
  for (const Setting& s : settings) all.push_back(trained(problem, s));
  const Runs& sgd = all.front();
  const OfRun loss_of = at_end(&Measurement::test_loss);

  Table by_seed{{"seed", "sgd", "nesterov", "sam", "msam"}};
  for (size_t i = 0; i < seeds; ++i) {
    by_seed.push_back({std::to_string(i + 1)});
    for (const size_t k : {0, 2, 3, 5}) by_seed.back().push_back(fixed(accuracy_of(all[k].results[i]), 1));
  }
  walk.paragraph("Test accuracy % by seed", by_seed);

  Table means{{"", "test accuracy %", "test loss", "gradients"}};
  Table differences{{"minus sgd", "accuracy, points", "test loss"}};
  for (const Runs& runs : all) {
    means.push_back({runs.name(), interval_text(runs.mean(accuracy_of)), interval_text(runs.mean(loss_of)),
                     std::to_string(expected_gradients(runs.setting))});
    if (&runs != &sgd)
      differences.push_back(
          {runs.name(), difference_text(runs.minus(sgd, accuracy_of)), difference_text(runs.minus(sgd, loss_of))});
  }
  walk.paragraph("Means over eight seeds with 95% intervals", means);
  walk.paragraph("Differences paired by seed, with 95% intervals", differences);

  Panel by_seeds{.title = "accuracy by seed", .x_title = "seed", .y_title = "%"};
  Panel accuracy{.title = "accuracy, points", .y_range = Span{-0.5, 1.1}, .rules = {{Rule::Along::y, 0, "sgd"}}};
  Panel loss{.title = "loss", .y_range = Span{-0.1, 0.02}, .rules = {{Rule::Along::y, 0, "sgd"}}};
  for (const size_t k : {0, 2, 3, 5}) {
    const Runs& runs = all[k];
    Series points = series_of(runs.setting);
    points.y = runs.values(accuracy_of), points.draw = Series::Draw::points;
    by_seeds.series.push_back(points);
    const double beside = 0.12 * static_cast<double>(std::ssize(by_seeds.series)) - 0.3;  // equal ones are seen apart
    for (size_t i = 1; i <= seeds; ++i) by_seeds.series.back().x.push_back(static_cast<double>(i) + beside);
    if (k == 0) continue;
    for (const auto& [panel, interval] :
         {std::pair{&accuracy, runs.minus(sgd, accuracy_of)}, {&loss, runs.minus(sgd, loss_of)}}) {
      panel->series.push_back({.style = points.style,
                               .x = {static_cast<double>(panel->x_names.size())},
                               .y = {interval.mean},
                               .low = {interval.low()},
                               .high = {interval.high()},
                               .draw = Series::Draw::points});
      panel->x_names.push_back(runs.name());
    }
  }
  walk.figure("walk9_seeds",
              line_figure("walk9_seeds", "Eight seeds on the digits, and differences from sgd",
                          {by_seeds, accuracy, loss}, 3, "Bars: 95% intervals of differences paired by seed."));
}

}  // namespace

int main(int argc, char** argv) {
  return run_walk(argc, argv, "walk9_comparison", "Chapter 9: a small comparison, to be read honestly.", walk);
}
