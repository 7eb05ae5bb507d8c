// walk9_comparison: chapter 9 of the walkthrough, a small comparison on real digits, and three ways to misread it.
#include <cmath>

#include "examples/kit/experiment.h"
#include "examples/kit/statistics.h"
#include "examples/walkthrough/walk.h"

using namespace minima;
using namespace minima::examples;

namespace {

constexpr uint64_t seeds = 8;

struct Contender {
  std::string label, style;
  RunSettings settings;
  std::vector<double> accuracy{}, loss{};  ///< on the test set at the end, in percent, by seed
};

void train(const Problem& problem, Contender& contender) {
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    contender.settings.seed = seed;
    Run run(problem, contender.settings);
    while (!run.finished()) run.step();
    const Measurement& end = run.measure();
    contender.accuracy.push_back(100 * end.test_accuracy), contender.loss.push_back(end.test_loss);
  }
}

void walk(const Walk& walk) {
  walk.paragraph("The second step of SAM in the valley: two lines that say gradient",
                 table_of_step(valley(), method("sam", 0.02, 0.9, 0.1), 1));
  auto [train_set, test_set] = datasets::digits();
  const Problem problem{.data = "digits", .model = "mlp:32", .train = train_set, .test = test_set};
  const int64_t steps = 20 * problem.steps_per_epoch();
  std::vector<Contender> contenders{
      {"sgd", "sgd", {.optimizer = "sgd", .lr = 0.05, .steps = steps}},
      {"sgd, lr 20 times too small", "gd", {.optimizer = "sgd", .lr = 0.0025, .steps = steps}},
      {"nesterov", "nesterov", {.optimizer = "nesterov", .base = "nesterov", .lr = 0.05, .steps = steps}},
      {"sam", "sam", {.optimizer = "sam", .lr = 0.05, .rho = 0.2, .steps = steps}},
      {"sam, half the steps", "sam", {.optimizer = "sam", .lr = 0.05, .rho = 0.2, .steps = steps / 2}},
      {"msam", "msam", {.optimizer = "msam", .lr = 0.05, .rho = 1, .steps = steps}},
      {"sgd, lr 0.0707", "sgd", {.optimizer = "sgd", .lr = 0.0707, .steps = steps}}};
  for (Contender& contender : contenders) train(problem, contender);

  Table by_seed{{"seed", "sgd", "nesterov", "sam", "msam"}};
  for (size_t i = 0; i < seeds; ++i) {
    by_seed.push_back({std::to_string(i + 1)});
    for (const size_t k : {0, 2, 3, 5}) by_seed.back().push_back(fixed(contenders[k].accuracy[i], 1));
  }
  walk.paragraph("Test accuracy % by seed", by_seed);

  Table means{{"", "test accuracy %", "test loss", "gradients"}};
  Table differences{{"minus sgd", "accuracy, points", "test loss"}};
  for (const Contender& c : contenders) {
    const int64_t gradients = c.settings.steps * (c.settings.optimizer == "sam" ? 2 : 1);
    means.push_back({c.label, interval_text(interval_95(c.accuracy)), interval_text(interval_95(c.loss)),
                     std::to_string(gradients)});
    if (&c == &contenders[0]) continue;
    differences.push_back({c.label, difference_text(paired_difference(c.accuracy, contenders[0].accuracy)),
                           difference_text(paired_difference(c.loss, contenders[0].loss))});
  }
  walk.paragraph("Means over eight seeds with 95% intervals", means);
  walk.paragraph("Differences paired by seed, with 95% intervals", differences);

  Panel by_seeds{.title = "accuracy by seed", .x_title = "seed", .y_title = "%"};
  Panel accuracy{.title = "accuracy, points", .y_range = Span{-0.5, 1.1}, .rules = {{Rule::Along::y, 0, "sgd"}}};
  Panel loss{.title = "loss", .y_range = Span{-0.1, 0.02}, .rules = {{Rule::Along::y, 0, "sgd"}}};
  for (const size_t k : {0, 2, 3, 5}) {
    const Contender& c = contenders[k];
    by_seeds.series.push_back({.label = c.label, .style = c.style, .y = c.accuracy, .draw = Series::Draw::points});
    const double beside = 0.12 * static_cast<double>(std::ssize(by_seeds.series)) - 0.3;  // equal ones are seen apart
    for (size_t i = 1; i <= seeds; ++i) by_seeds.series.back().x.push_back(static_cast<double>(i) + beside);
    if (k == 0) continue;
    for (const auto& [panel, interval] : {std::pair{&accuracy, paired_difference(c.accuracy, contenders[0].accuracy)},
                                          {&loss, paired_difference(c.loss, contenders[0].loss)}}) {
      panel->series.push_back({.style = c.style,
                               .x = {static_cast<double>(panel->x_names.size())},
                               .y = {interval.mean},
                               .low = {interval.low()},
                               .high = {interval.high()},
                               .draw = Series::Draw::points});
      panel->x_names.push_back(c.label);
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
