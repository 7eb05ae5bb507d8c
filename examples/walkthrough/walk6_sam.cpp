// walk6_sam: chapter 6 of the walkthrough, SAM in the valley and on a bowl.
#include <cmath>

#include "examples/walkthrough/walk.h"

using namespace minima::examples;

namespace {

constexpr double lr = 0.02, mu = 0.9;
constexpr int64_t steps = 5000;

/// A bowl in one weight: SAM with lr * curvature = 0.1 and rho = 0.1, without momentum.
std::vector<PathPoint> on_a_bowl(const std::string& name, int64_t count) {
  return descend(from(bowl(1, 0), 1, 0), method(name, 0.1, 0, 0.1), count);
}

void walk(const Walk& walk) {
  walk.paragraph("The first step of SAM in the valley, lr = 0.02, rho = 0.1",
                 table_of_step(valley(), method("sam", lr, mu, 0.1), 0));

  Table ends{{"", "rho", "w1", "w2", "loss", "curvature", "gradients"}};
  std::vector<Series> curvatures;
  for (const auto& [name, label, rho] : {std::tuple{"sgd", "momentum", 0.0},
                                         {"nesterov", "nesterov", 0.0},
                                         {"sam", "sam", 0.05},
                                         {"sam", "sam", 0.1},
                                         {"sam", "sam", 0.2},
                                         {"sam", "sam", 0.3}}) {
    const auto points = descend(valley(), method(name, lr, mu, rho), steps);
    const PathPoint& end = points.back();
    ends.push_back({label, rho > 0 ? fixed(rho, 2) : "-", fixed(end.x, 2), fixed(end.y, 2), fixed(end.loss, 5),
                    fixed(curvature_of(end), 2), std::to_string(rho > 0 ? 2 * steps : steps)});
    if (rho <= 0.1)
      curvatures.push_back(
          against_step(rho > 0 ? "sam, rho = " + fixed(rho, 2) : label, label, points, curvature_of, 10));
    if (rho == 0.1) curvatures.back().draw = Series::Draw::dashed;
  }
  walk.paragraph("After 5000 steps in the valley from (3, 0.5), momentum 0.9, lr = 0.02", ends);

  Table cycle{{"step", "gradient descent", "SAM"}};
  const auto plain = on_a_bowl("sgd", 300), sam = on_a_bowl("sam", 300);
  for (const size_t step : {0, 50, 100, 297, 298, 299, 300})
    cycle.push_back({std::to_string(step), number_text(std::stod(fixed(plain[step].x, 7))), fixed(sam[step].x, 7)});
  walk.paragraph("The weight on a bowl of curvature 1, lr = 0.1, rho = 0.1, no momentum", cycle);

  const Map map = map_with(valley(), "",
                           {path_of("momentum", "momentum", descend(valley(), method("sgd", lr, mu), 200)),
                            path_of("sam, rho = 0.2", "sam", descend(valley(), method("sam", lr, mu, 0.2), 200), 6)});
  walk.figure("walk6_valley", map_figure("walk6_valley", "Two hundred steps in the valley", {map}, 1,
                                         "Contours: the loss (w1 w2 - 1)^2 / 2."));

  const Panel flatter = over_steps("in the valley", "curvature", curvatures, {0, 5000}, {0, 12}, Scale::linear,
                                   {{Rule::Along::y, 2, "flattest"}});
  const Panel bowls = over_steps(
      "on a bowl", "|w|",
      {against_step("gradient descent", "gd", plain, first_size_of), against_step("", "sam", sam, first_size_of)},
      {0, 150}, {1e-6, 2}, Scale::logarithmic, {{Rule::Along::y, 0.1 * 0.1 / 1.9, "0.00526"}});
  walk.figure("walk6_flatter",
              line_figure("walk6_flatter", "SAM drifts to flat places, and never quite settles", {flatter, bowls}, 2));
}

}  // namespace

int main(int argc, char** argv) {
  return run_walk(argc, argv, "walk6_sam", "Chapter 6: SAM in the valley and on a bowl.", walk);
}
