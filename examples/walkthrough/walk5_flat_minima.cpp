// walk5_flat_minima: chapter 5 of the walkthrough, sharp and flat minima, which ones gradient descent can hold, and a
// network whose sharpness is changed without changing what it computes.
#include <cmath>

#include "examples/walkthrough/walk.h"

using namespace minima;
using namespace minima::examples;

namespace {

/// Adds to the table what is known of the minimum (x, 1 / x) of the valley.
void measure_minimum(Table& table, double x) {
  const Variable w1 = weight(x), w2 = weight(1 / x);
  const auto loss = [&] { return valley().loss(w1, w2); };
  const double eigenvalue = optim::largest_eigenvalue(loss, {w1, w2}).value;
  const double rise = optim::sharpness(loss, {w1, w2}, Tensor::from(std::vector<double>{1 / x, x}), 0.1).rise();
  table.push_back({"(" + fixed(x, 2) + ", " + fixed(1 / x, 2) + ")", fixed(x * x + 1 / (x * x), 4),
                   fixed(eigenvalue, 4), fixed(0.01 * eigenvalue / 2, 5), fixed(rise, 5)});
}

/// A small network, trained on all digits at once, whose first layer is multiplied and whose second is divided by a.
Table rescaled_network() {
  Table table{{"a", "train loss", "test accuracy %", "change of outputs", "largest eigenvalue"}};
  auto [train, test] = datasets::digits();
  const auto [train_images, train_labels] = train.all();
  const auto [test_images, test_labels] = test.all();
  const Tensor images = train_images.to(DType::float64), unseen = test_images.to(DType::float64);
  manual_seed(1);
  nn::Sequential model{nn::Flatten{}, nn::Linear{64, 16}, nn::ReLU{}, nn::Linear{16, 10}};
  model.to(DType::float64);
  const auto loss = [&, &labels = train_labels] { return nn::cross_entropy(model(images), labels); };
  optim::SGD optimizer{model.parameters(), {.lr = 0.2, .momentum = 0.9}};
  for (int step = 0; step < 200; ++step) optimizer.step(closure_of(loss));
  const Tensor logits = model(unseen).value();
  double scale = 1;
  for (const double a : {1.0, 2.0, 4.0, 8.0}) {
    for (const auto& [name, factor] : {std::pair{0, a / scale}, {1, a / scale}, {2, scale / a}}) {
      Tensor weight = model.parameters()[name].value();  // first layer's weight and bias, second layer's weight
      weight.copy_from(core::unary(core::UnaryOp::affine, weight, factor, 0));
    }
    scale = a;
    const Tensor change = core::binary(core::BinaryOp::subtract, model(unseen).value(), logits);
    table.push_back({fixed(a, 0), fixed(loss().item(), 4), fixed(100 * nn::accuracy(model(unseen), test_labels), 1),
                     core::norm(change).item() < 1e-9 * core::norm(logits).item() ? "none" : "some",
                     fixed(optim::largest_eigenvalue(loss, model.parameters()).value, 1)});
  }
  return table;
}

void walk(const Walk& walk) {
  Table minima{{"minimum", "w1^2 + w2^2", "largest eigenvalue", "0.1^2 * eigenvalue / 2", "rise at distance 0.1"}};
  for (const double x : {1.0, 2.0, 3.0}) measure_minimum(minima, x);
  walk.paragraph("Three minima of the valley", minima);

  const Surface above = from(valley(), 3, 1 / 3.0 + 0.01);
  walk.paragraph("One step of gradient descent beside the minimum (3, 1/3), lr = 0.3",
                 table_of_step(above, method("sgd", 0.3), 0));
  Table held{{"lr", "2 / lr", "ends at w1", "w2", "curvature there"}};
  for (const double lr : {0.1, 0.2, 0.25, 0.3, 0.4}) {
    const PathPoint end = descend(above, method("sgd", lr), 4000).back();
    held.push_back({fixed(lr, 2), fixed(2 / lr, 2), fixed(end.x, 3), fixed(end.y, 3), fixed(curvature_of(end), 2)});
  }
  walk.paragraph("Gradient descent started 0.01 above the minimum (3, 1/3), curvature 9.11, after 4000 steps", held);

  walk.paragraph("A network with its first layer multiplied and its second divided by a", rescaled_network());

  Map map = map_with(valley(), "", {});
  for (const auto& [x, y] : {std::pair{3.0, 0.5}, {2.0, 1.2}, {0.4, 0.4}, {0.6, 2.6}}) {
    const auto points = descend(from(valley(), x, y), method("sgd", 0.02), 400);
    map.paths.push_back(path_of(map.paths.empty() ? "gradient descent" : "", "gd", points));
  }
  walk.figure("walk5_valley", map_figure("walk5_valley", "Every point of the curve w1 w2 = 1 is a minimum", {map}, 1,
                                         "Contours: the loss (w1 w2 - 1)^2 / 2. Gradient descent stops at the curve."));

  std::vector<Panel> slices;
  for (const double x : {1.0, 2.0, 3.0}) {
    Series loss{.label = x == 1 ? "loss" : "", .style = "gd"};
    Series parabola{.label = x == 1 ? "curvature * distance^2 / 2" : "", .style = "gd", .draw = Series::Draw::dashed};
    const double length = std::hypot(x, 1 / x);
    for (double d = -0.5; d < 0.5001; d += 0.02) {
      loss.x.push_back(d), parabola.x.push_back(d);
      loss.y.push_back(std::pow((x + d / x / length) * (1 / x + d * x / length) - 1, 2) / 2);
      parabola.y.push_back(length * length * d * d / 2);
    }
    slices.push_back(over_steps(
        "at (" + fixed(x, 0) + (x == 1 ? ", 1" : ", 1/" + fixed(x, 0)) + "), curvature " + fixed(length * length, 2),
        x == 1 ? "loss" : "", {loss, parabola}, {-0.5, 0.5}, {0, 1.3}));
    slices.back().x_title = "distance";
  }
  walk.figure("walk5_slices",
              line_figure("walk5_slices", "Across the valley, straight through three minima", slices, 3));
}

}  // namespace

int main(int argc, char** argv) {
  return run_walk(argc, argv, "walk5_flat_minima", "Chapter 5: sharp and flat minima, and a rescaled network.", walk);
}
