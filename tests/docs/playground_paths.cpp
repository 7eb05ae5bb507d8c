// Prints, as JSON, paths of 200 steps that the walkthrough's and the labs' own code takes natively: what the playground
// is compared with (playground_test.mjs).
#include <cmath>
#include <cstdio>

#include "examples/labs/surfaces.h"
#include "examples/walkthrough/surface.h"
#include "minima.h"

using namespace minima;
using namespace minima::examples;

namespace {

/// A surface, and how the playground calls it.
struct Case {
  std::string words;
  Surface surface;
  double lr;
};

Surface with(Surface surface, const std::function<Variable(const Variable&, const Variable&)>& loss, double x,
             double y) {
  surface.loss = loss, surface.start_x = x, surface.start_y = y;
  return surface;
}

/// With these settings rounding does not grow. It does where the velocity of MSAM or the gradient of SAM passes close
/// to zero: its direction, and with it the next gradient, is then made of rounding. After 200 steps such paths can
/// differ by 1e-4, two native ones as well.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const auto& [name, lr] : {std::pair{"valley", 0.02}, {"rosenbrock", 2e-4}, {"beale", 1e-3}, {"saddle", 0.03}})
    all.push_back({text("\"surface\": \"", name, "\""), surface(name), lr});
  const Surface any = surface("valley");
  all.push_back(
      {"\"surface\": \"bowl\", \"condition\": 40",
       with(any, [](const auto& x, const auto& y) { return (square(x) + 40 * square(y)) / 2; }, 2, 0.8), 0.01});
  const double c = std::cos(30 * 3.14159265358979323846 / 180), s = std::sin(30 * 3.14159265358979323846 / 180);
  all.push_back(
      {"\"surface\": \"bowl\", \"condition\": 25, \"turn\": 30",
       with(
           any, [=](const auto& x, const auto& y) { return (square(c * x + s * y) + 25 * square(c * y - s * x)) / 2; },
           2, 0.8),
       0.03});
  all.push_back(
      {"\"surface\": \"formula\", \"formula\": \"log(1 + exp(-3 w1)) + 0.2w1^2 + (w2 - w1)^2 / 4 + exp(w2 / 3) + w2^4 "
       "/ 8\"",
       with(
           any,
           [](const auto& x, const auto& y) {
             return softplus(-3 * x) + 0.2 * square(x) + square(y - x) / 4 + exp(y / 3) + pow(y, 4) / 8;
           },
           3, 2),
       0.002});
  return all;
}

/// The optimizers by the playground's names. MSAM with rho = lr * momentum * |v| is made by a schedule, as in
/// chapter 8.
MakeOptimizer method(const std::string& name, double lr) {
  if (name != "msam-nesterov")
    return [=](std::vector<Variable> weights) {
      optim::Settings settings{.hyperparameters = {{"lr", lr}, {"weight_decay", 0.01}}};
      settings.hyperparameters.emplace("momentum", name == "gd" ? 0 : 0.9);
      if (optim::is_wrapper(name)) settings.hyperparameters.emplace("rho", 0.05);
      return optim::make_optimizer(name == "gd" || name == "momentum" ? "sgd" : name, std::move(weights), settings);
    };
  return [=](std::vector<Variable> weights) {
    auto optimizer = std::make_unique<optim::MSAM>(
        optim::SGD{std::move(weights), {.lr = lr, .momentum = 0.9, .weight_decay = 0.01}});
    optimizer->group(0)["rho"] = [&msam = *optimizer, lr](int64_t) {
      return lr * 0.9 * core::norm(msam.momentum()).item();
    };
    return optimizer;
  };
}

}  // namespace

int main() {
  const char* before = "[";
  for (const Case& c : cases())
    for (const char* name : {"gd", "momentum", "nesterov", "adam", "adamw", "sam", "msam", "msam-nesterov"}) {
      std::printf(
          "%s\n{%s, \"optimizer\": \"%s\", \"lr\": %.17g, \"momentum\": 0.9, \"rho\": 0.05, \"decay\": 0.01, \"path\": "
          "[",
          before, c.words.c_str(), name, c.lr);
      const char* comma = "";
      for (const PathPoint& p : descend(c.surface, method(name, c.lr), 200))
        std::printf("%s[%.17g, %.17g]", std::exchange(comma, ", "), p.x, p.y);
      std::printf("]}");
      before = ",";
    }
  std::printf("]\n");
}
