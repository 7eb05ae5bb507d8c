// walk2_momentum: chapter 2 of the walkthrough, what momentum gains on a narrow bowl, and what limits it.
#include <cmath>

#include "core/random.h"
#include "examples/walkthrough/walk.h"

using namespace minima;
using namespace minima::examples;

namespace {

const double best_lr = 1.0 / 9, best_momentum = 4.0 / 9;  // for curvatures 1 and 25

/// Steps until the distance from the minimum stays below a millionth of the first.
int64_t steps_to_a_millionth(const std::vector<PathPoint>& points) {
  auto last = points.size();
  while (last > 0 && distance_of(points[last - 1]) <= 1e-6 * distance_of(points[0])) --last;
  return static_cast<int64_t>(last);
}

/// w^2 / 2 with noise of standard deviation 1 in every gradient, from w = 5.
std::vector<PathPoint> noisy(const MakeOptimizer& make, int64_t steps, uint64_t seed) {
  const StepLoss loss = [seed](const Variable& x, const Variable& y, int64_t step) {
    Generator noise{seed, static_cast<uint64_t>(step)};
    return square(x) / 2 + noise.normal({1}, 0, 1, DType::float64).item() * x + 0 * y;
  };
  return descend(from(bowl(1, 1), 5, 0), make, steps, loss);
}

/// The root mean square of w at each step, over many runs.
Series typical_size(const std::string& style, const MakeOptimizer& make) {
  Series series{.style = style};
  std::vector<double> sums(301);
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    const auto points = noisy(make, 300, seed);
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += points[i].x * points[i].x;
  }
  for (size_t i = 0; i < sums.size(); ++i)
    series.x.push_back(static_cast<double>(i)), series.y.push_back(std::sqrt(sums[i] / 2000));
  return series;
}

/// Lessard, Recht & Packard (2016): convex, slope 25 w below 1, w + 24 up to 2, 25 w - 24 above. Curvatures 1 and 25,
/// as the bowl's.
Variable bent(const Variable& x, const Variable& y) {
  return 25 * square(x) / 2 - 12 * square(relu(x - 1)) + 12 * square(relu(x - 2)) + 0 * y;
}

void walk(const Walk& walk) {
  const Surface surface = bowl(1, 25, 1.7);
  const MakeOptimizer gd = method("sgd", 2.0 / 26), momentum = method("sgd", best_lr, best_momentum);
  walk.paragraph("The fourth step with momentum 0.9, lr = 0.03", table_of_step(surface, method("sgd", 0.03, 0.9), 3));

  const auto slow = descend(surface, gd, 300), fast = descend(surface, momentum, 300);
  walk.paragraph(
      "Steps until the distance from the minimum is a millionth",
      Table{{"", "lr", "momentum", "steps"},
            {"gradient descent", fixed(2.0 / 26, 4), "0", std::to_string(steps_to_a_millionth(slow))},
            {"with momentum", fixed(best_lr, 4), fixed(best_momentum, 4), std::to_string(steps_to_a_millionth(fast))}});

  Table floors{{"lr", "momentum", "root mean square of w"}};
  for (const auto& [lr, mu] : {std::pair{0.02, 0.0}, {0.2, 0.0}, {0.02, 0.9}, {0.002, 0.9}})
    floors.push_back({fixed(lr, 3), fixed(mu, 1), fixed(typical_size("gd", method("sgd", lr, mu)).y.back(), 2)});
  walk.paragraph("Where noise in the gradient holds the weight", floors);

  const Surface kinked{.name = "kinked", .loss = bent, .start_x = 3.3, .start_y = 0, .x = {}, .y = {}, .lr = best_lr};
  const auto settled = descend(kinked, gd, 300), cycling = descend(kinked, momentum, 300);
  std::string cycle;
  for (size_t i = 292; i < 301; ++i) cycle += (cycle.empty() ? "" : "  ") + fixed(cycling[i].x, 4);
  walk.paragraph("The weight on the bent bowl, steps 292 to 300, with momentum", cycle);

  const Path down = path_of("gradient descent", "gd", descend(surface, gd, 20));
  const Path carried = path_of("momentum", "momentum", descend(surface, momentum, 20));
  const std::vector<Map> maps{map_with(surface, "gradient descent, lr = 2/26", {down}),
                              map_with(surface, "momentum 4/9, lr = 1/9", {carried})};
  walk.figure("walk2_paths", map_figure("walk2_paths", "Twenty steps, each method at its best setting", maps, 2,
                                        "Contours: the loss (w1^2 + 25 w2^2) / 2."));

  const Panel speed = over_steps("the gain", "distance from the minimum",
                                 {against_step("gradient descent", "gd", slow, distance_of),
                                  against_step("momentum", "momentum", fast, distance_of)},
                                 {0, 150}, {1e-8, 10}, Scale::logarithmic);
  const Panel noise =
      over_steps("limit 1: noise, lr = 0.02", "root mean square of w",
                 {typical_size("gd", method("sgd", 0.02)), typical_size("momentum", method("sgd", 0.02, 0.9))},
                 {0, 300}, {0.05, 10}, Scale::logarithmic);
  const Panel cycles = over_steps(
      "limit 2: a bent bowl", "w",
      {against_step("", "gd", settled, first_weight_of), against_step("", "momentum", cycling, first_weight_of)},
      {0, 40}, {-4, 4});
  walk.figure("walk2_limits",
              line_figure("walk2_limits", "What momentum gains, and two limits", {speed, noise, cycles}, 3));
}

}  // namespace

int main(int argc, char** argv) {
  return run_walk(argc, argv, "walk2_momentum", "Chapter 2: what momentum gains, and what limits it.", walk);
}
