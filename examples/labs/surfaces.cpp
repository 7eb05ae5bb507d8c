#include "examples/labs/surfaces.h"

#include "examples/kit/metrics.h"

namespace minima::examples {

namespace {

Surface ellipse(const std::string& name, double curvature) {
  return {.name = name,
          .formula = "(x^2 + " + number_text(curvature) + " y^2) / 2",
          .loss = [=](const Variable& x, const Variable& y) { return (square(x) + curvature * square(y)) / 2; },
          .start_x = -4,
          .start_y = 1.5,
          .x = {-5, 2},
          .y = {-2.5, 2.5},
          .levels = {0.5, 2, 5, 10, 20, 50, 100, 200},
          .lr = 1 / curvature};
}

Surface rosenbrock() {
  return {.name = "rosenbrock",
          .formula = "(1 - x)^2 + 100 (y - x^2)^2",
          .loss = [](const Variable& x, const Variable& y) { return square(1 - x) + 100 * square(y - square(x)); },
          .start_x = -1.2,
          .start_y = 1,
          .x = {-1.8, 1.8},
          .y = {-0.8, 2.2},
          .levels = {0.3, 2, 10, 40, 150, 400, 1000},
          .lr = 1e-3};
}

Surface beale() {
  return {.name = "beale",
          .formula = "(1.5 - x + xy)^2 + (2.25 - x + xy^2)^2 + (2.625 - x + xy^3)^2",
          .loss =
              [](const Variable& x, const Variable& y) {
                return square(1.5 - x + x * y) + square(2.25 - x + x * square(y)) +
                       square(2.625 - x + x * y * square(y));
              },
          .start_x = 1,
          .start_y = 1.5,
          .x = {-0.5, 4.5},
          .y = {-2, 2},
          .levels = {0.1, 0.5, 2, 8, 20, 60, 200},
          .lr = 0.01};
}

Surface saddle() {
  return {
      .name = "saddle",
      .formula = "x^2 / 2 - y^2 / 2 + y^4 / 4",
      .loss = [](const Variable& x, const Variable& y) { return (square(x) - square(y)) / 2 + square(square(y)) / 4; },
      .start_x = -1.5,
      .start_y = 0.01,
      .x = {-2, 1},
      .y = {-0.9, 1.6},
      .levels = {-0.2, -0.1, 0, 0.2, 0.5, 1, 2},
      .lr = 0.1,
      .lowest = -0.25};
}

}  // namespace

std::vector<Surface> surfaces() {
  return {ellipse("ellipse10", 10), ellipse("ellipse100", 100), rosenbrock(), beale(), saddle(), valley()};
}

Surface surface(const std::string& name) {
  std::vector<std::string> names;
  for (const Surface& known : surfaces()) {
    if (known.name == name) return known;
    names.push_back(known.name);
  }
  fail("surface", "\"" + name + "\"", "one of " + joined(names));
}

MakeOptimizer optimizer_called(const std::string& name, Hyperparameters hyperparameters) {
  Setting setting{.optimizer = name == "gd" || name == "momentum" ? "sgd" : name};
  if (name == "gd") hyperparameters["momentum"] = 0;
  if (!optim::is_wrapper(setting.optimizer)) hyperparameters.erase("rho");
  hyperparameters["weight_decay"] = 0;
  setting.hyperparameters = std::move(hyperparameters);
  return [setting](std::vector<Variable> weights) {
    return optimizer_of(setting, std::move(weights), setting.value("lr"), /*seed=*/0);
  };
}

StepLoss valley_with_noisy_label(double deviation, uint64_t seed) {
  return [=](const Variable& x, const Variable& y, int64_t step) {
    Generator noise{seed, static_cast<uint64_t>(step)};  // a step's label is the same however often it is asked for
    return square(x * y - (1 + noise.normal({1}, 0, deviation, DType::float64).item())) / 2;
  };
}

}  // namespace minima::examples
