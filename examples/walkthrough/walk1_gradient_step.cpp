// walk1_gradient_step: chapter 1 of the walkthrough, what a gradient step does on a bowl.
#include <cmath>

#include "examples/walkthrough/walk.h"

using namespace minima::examples;

namespace {

/// Steps of gradient descent until the distance from the minimum is a thousandth of what it was; NaN if never.
double steps_needed(const Surface& surface, double lr) {
  const auto points = descend(surface, method("sgd", lr), 2000);
  for (size_t i = 0; i < points.size(); ++i)
    if (distance_of(points[i]) <= 1e-3 * distance_of(points[0])) return static_cast<double>(i);
  return NAN;
}

void walk(const Walk& walk) {
  const Surface surface = bowl(1, 10);
  const double lr = 0.18;
  walk.paragraph("One step of gradient descent, lr = 0.18", table_of_step(surface, method("sgd", lr), 0));

  Table first{{"step", "w1", "w2", "loss"}};
  const auto points = descend(surface, method("sgd", lr), 40);
  for (size_t i = 0; i <= 6; ++i)
    first.push_back({std::to_string(i), fixed(points[i].x, 4), fixed(points[i].y, 4), fixed(points[i].loss, 4)});
  walk.paragraph("The first six steps, lr = 0.18", first);

  Table needed{{"lr", "steps"}};
  for (const double rate : {0.01, 0.05, 0.1, 0.15, 0.18, 2.0 / 11, 0.19, 0.199, 0.201}) {
    const double steps = steps_needed(surface, rate);
    needed.push_back({fixed(rate, 4), std::isnan(steps) ? "never" : fixed(steps, 0)});
  }
  walk.paragraph("Steps until the distance from the minimum is a thousandth", needed);

  std::vector<Map> maps;
  for (const double rate : {0.03, lr, 0.203}) {
    const auto path = path_of("gradient descent", "gd", descend(surface, method("sgd", rate), 20));
    maps.push_back(map_with(surface, "lr = " + number_text(rate), {path}));
  }
  walk.figure("walk1_paths", map_figure("walk1_paths", "Twenty steps of gradient descent at three learning rates", maps,
                                        3, "Contours: the loss (w1^2 + 10 w2^2) / 2."));

  Series steps{.label = "gradient descent", .style = "gd"};
  for (double rate = 0.004; rate < 0.2; rate += 0.001) {
    steps.x.push_back(rate);
    steps.y.push_back(steps_needed(surface, rate));
  }
  const Panel panel{.title = "",
                    .x_title = "learning rate",
                    .y_title = "steps",
                    .log_y = true,
                    .series = {steps},
                    .x_range = Span{0, 0.22},
                    .rules = {{Rule::Along::x, 2.0 / 11, "best"}, {Rule::Along::x, 0.2, "limit"}}};
  walk.figure("walk1_steps", line_figure("walk1_steps", "Steps until the distance is a thousandth", {panel}, 1));
}

}  // namespace

int main(int argc, char** argv) {
  return run_walk(argc, argv, "walk1_gradient_step", "Chapter 1: what a gradient step does on a bowl.", walk);
}
