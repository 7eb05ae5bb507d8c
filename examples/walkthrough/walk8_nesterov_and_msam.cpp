// walk8_nesterov_and_msam: chapter 8 of the walkthrough, from Nesterov to MSAM by one number: how far ahead to look.
#include <cmath>

#include "examples/walkthrough/walk.h"

using namespace minima;
using namespace minima::examples;

namespace {

constexpr double lr = 0.02, mu = 0.9;
constexpr int64_t steps = 3000;

/// MSAM that looks as far ahead as Nesterov's original method: rho = factor * lr * mu * |v|, new at every step.
MakeOptimizer msam_scaled(double factor) {
  return [=](std::vector<Variable> weights) {
    auto optimizer = std::make_unique<optim::MSAM>(optim::SGD{std::move(weights), {.lr = lr, .momentum = mu}});
    optimizer->group(0)["rho"] = [&msam = *optimizer, factor](int64_t) {
      return factor * lr * mu * core::norm(msam.momentum()).item();
    };
    return optimizer;
  };
}

/// optim::Nesterov stores the look-ahead point x = w - lr * mu * v: its gradient's place is the weights it shows.
double largest_distance(const std::vector<PathPoint>& msam, const std::vector<PathPoint>& nesterov, int64_t count) {
  double largest = 0;
  for (int64_t t = 0; t < count; ++t)
    largest = std::max(largest, std::hypot(msam[t].gradient_x - nesterov[t].x, msam[t].gradient_y - nesterov[t].y));
  return largest;
}

/// |e|: from the weights to where the gradient was taken.
double looked_ahead(const PathPoint& p) { return std::hypot(p.gradient_x - p.x, p.gradient_y - p.y); }

void walk(const Walk& walk) {
  const Surface surface = valley();
  walk.paragraph("The second step of MSAM with rho = lr * momentum * |v|", table_of_step(surface, msam_scaled(1), 1));

  const auto nesterov = descend(surface, method("nesterov", lr, mu), steps);
  const auto scaled = descend(surface, msam_scaled(1), steps);
  const auto constant = descend(surface, method("msam", lr, mu, 0.05), steps);
  const double distance = largest_distance(scaled, nesterov, 300);
  walk.paragraph(
      "Largest distance in 300 steps between Nesterov's weights and the points where that MSAM took its gradients",
      distance < 1e-12 ? "below 1e-12" : "above 1e-12");

  Table ladder{{"rho of MSAM", "|e| at step 10", "at step 1000", "loss at step 3000", "curvature there"}};
  auto add = [&](const std::string& name, const std::vector<PathPoint>& points) {
    ladder.push_back({name, fixed(looked_ahead(points[10]), 4), fixed(looked_ahead(points[1000]), 4),
                      points.back().loss < 1e-12 ? "below 1e-12" : fixed(points.back().loss, 5),
                      fixed(curvature_of(points.back()), 2)});
  };
  add("0 (momentum)", descend(surface, method("sgd", lr, mu), steps));
  add("lr * momentum * |v| (Nesterov)", scaled);
  add("5 lr * momentum * |v|", descend(surface, msam_scaled(5), steps));
  add("0.05", constant);
  walk.paragraph("In the valley from (3, 0.5), momentum 0.9, lr = 0.02", ladder);

  Series nesterov_ahead = against_step("nesterov (rho = lr * momentum * |v|)", "nesterov", scaled, looked_ahead);
  Series msam_ahead = against_step("msam, rho = 0.05", "msam", constant, looked_ahead);
  const Panel ahead =
      over_steps("how far ahead", "|e|", {nesterov_ahead, msam_ahead}, {0, 300}, {1e-8, 1}, Scale::logarithmic);
  const Panel loss = over_steps(
      "loss", "", {against_step("", "nesterov", scaled, loss_of), against_step("", "msam", constant, loss_of)},
      {0, 300}, {1e-12, 10}, Scale::logarithmic);
  const Panel flat = over_steps(
      "curvature", "",
      {against_step("", "nesterov", scaled, curvature_of, 10), against_step("", "msam", constant, curvature_of, 10)},
      {0, 3000}, {0, 12});
  walk.figure("walk8_ahead", line_figure("walk8_ahead", "One method, two ways to choose how far to look ahead",
                                         {ahead, loss, flat}, 3));
}

}  // namespace

int main(int argc, char** argv) {
  return run_walk(argc, argv, "walk8_nesterov_and_msam", "Chapter 8: from Nesterov to MSAM.", walk);
}
