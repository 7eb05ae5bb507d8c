// walk3_nesterov: chapter 3 of the walkthrough, Nesterov's method in both forms, and how fast it may go.
#include <cmath>
#include <complex>

#include "examples/walkthrough/walk.h"

using namespace minima;
using namespace minima::examples;

namespace {

constexpr double mu = 0.9;

/// The form of the papers: the gradient is taken ahead, where the velocity is about to carry the weights.
struct OriginalNesterov {
  Surface surface;
  double x = surface.start_x, y = surface.start_y, velocity_x = 0, velocity_y = 0;

  void step(double lr) {
    const auto [ahead_x, ahead_y] = look_ahead(lr);
    const Variable at_x = weight(ahead_x), at_y = weight(ahead_y);
    const auto gradients = grad(surface.loss(at_x, at_y), {at_x, at_y});
    velocity_x = mu * velocity_x + gradients[0].item(), velocity_y = mu * velocity_y + gradients[1].item();
    x -= lr * velocity_x, y -= lr * velocity_y;
  }
  std::pair<double, double> look_ahead(double lr) const { return {x - lr * mu * velocity_x, y - lr * mu * velocity_y}; }
};

/// The largest distance between the weights of optim::Nesterov and the original's look-ahead points over 60 steps.
double largest_distance(const optim::Schedule& lr) {
  const auto points = descend(valley(), method("nesterov", lr, mu), 60);
  OriginalNesterov original{valley()};
  double largest = 0;
  for (int64_t t = 0; t < 60; ++t) {
    original.step(lr(t));
    const auto [x, y] = original.look_ahead(lr(t + 1));
    largest = std::max(largest, std::hypot(points[t + 1].x - x, points[t + 1].y - y));
  }
  return largest;
}

/// By how much one step multiplies the weight, in the long run, on a bowl of this lr * curvature: the larger root of
/// r^2 - (1 + m - lr * curvature) r + m = 0, m being the momentum.
double factor(double lr_curvature, double m) {
  const double half = (1 + m - lr_curvature) / 2;
  const std::complex<double> root = std::sqrt(std::complex<double>(half * half - m));
  return std::max(std::abs(half + root), std::abs(half - root));
}

void walk(const Walk& walk) {
  walk.paragraph("The second step of Nesterov in the valley, lr = 0.02",
                 table_of_step(valley(), method("nesterov", 0.02, mu), 1));

  Table forms{{"step", "original w1", "its look-ahead", "optim::Nesterov"}};
  const auto points = descend(valley(), method("nesterov", 0.02, mu), 60);
  OriginalNesterov original{valley()};
  for (size_t t = 0; t <= 5; ++t, original.step(0.02))
    forms.push_back(
        {std::to_string(t), fixed(original.x, 6), fixed(original.look_ahead(0.02).first, 6), fixed(points[t].x, 6)});
  walk.paragraph("Both forms in the valley, lr = 0.02", forms);
  walk.paragraph(
      "The largest distance between the two over 60 steps",
      std::string("constant learning rate: ") + (largest_distance(0.02) < 1e-12 ? "below 1e-12" : "above 1e-12") +
          "\nlearning rate falling to zero (cosine): " + fixed(largest_distance(optim::cosine(0.02, 60)), 4));

  const Surface surface = bowl(1, 25);
  std::vector<Map> maps;
  for (const std::string name : {"momentum", "nesterov"}) {
    const auto points = descend(surface, method(name == "momentum" ? "sgd" : name, 0.03, mu), 40);
    maps.push_back(map_with(surface, name + ", lr = 0.03", {path_of(name, name, points)}));
  }
  walk.figure("walk3_paths", map_figure("walk3_paths", "Forty steps with momentum 0.9, without and with look-ahead",
                                        maps, 2, "Contours: the loss (w1^2 + 25 w2^2) / 2."));

  Series heavy{.label = "momentum", .style = "momentum"}, ahead{.label = "nesterov", .style = "nesterov"};
  Series heavy_momentum = heavy, ahead_momentum = ahead;
  for (double h = 0.005; h < 4; h += 0.005) {
    for (Series* series : {&heavy, &ahead, &heavy_momentum, &ahead_momentum}) series->x.push_back(h);
    heavy.y.push_back(factor(h, mu)), ahead.y.push_back(factor(h, mu * (1 - h)));
    heavy_momentum.y.push_back(mu), ahead_momentum.y.push_back(mu * (1 - h));
  }
  Panel effective = over_steps("the momentum in effect", "", {heavy_momentum, ahead_momentum}, {0, 2}, {-1.2, 1.2});
  Panel speed = over_steps("factor per step: above 1 it diverges", "", {heavy, ahead}, {0, 4}, {0, 1.2}, Scale::linear,
                           {{Rule::Along::x, 3.8 / 2.8, "1.357"}, {Rule::Along::x, 3.8, "3.8"}});
  effective.x_title = speed.x_title = "lr * curvature";
  walk.figure("walk3_stability", line_figure("walk3_stability", "Momentum 0.9 on one weight", {effective, speed}, 2));
}

}  // namespace

int main(int argc, char** argv) {
  return run_walk(argc, argv, "walk3_nesterov", "Chapter 3: Nesterov's method in both forms.", walk);
}
