#include "examples/labs/surfaces.h"

#include <cmath>

#include "tests/check.h"

using namespace minima;
using namespace minima::examples;
using namespace minima::test;

namespace {

std::vector<double> gradient_of(const Surface& surface, double at_x, double at_y) {
  const Variable x(Tensor::full({1}, at_x, DType::float64), requires_grad);
  const Variable y(Tensor::full({1}, at_y, DType::float64), requires_grad);
  surface.loss(x, y).backward();
  return {x.grad().item(), y.grad().item()};
}

double loss_at(const Surface& surface, double x, double y) {
  return surface.loss(Variable(Tensor::full({1}, x, DType::float64)), Variable(Tensor::full({1}, y, DType::float64)))
      .item();
}

MakeOptimizer maker(const std::string& name, double lr, double rho = 0) {
  return optimizer_called(name, {{"lr", lr}, {"rho", rho}});
}

}  // namespace

TEST_CASE("the surfaces' gradients are those of their formulas") {
  const double x = 0.7, y = -0.4;
  CHECK_CLOSE(gradient_of(surface("ellipse10"), x, y), (std::vector<double>{x, 10 * y}), {1e-12, 0});
  CHECK_CLOSE(gradient_of(surface("ellipse100"), x, y), (std::vector<double>{x, 100 * y}), {1e-12, 0});
  CHECK_CLOSE(gradient_of(surface("rosenbrock"), x, y),
              (std::vector<double>{-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)}), {1e-12, 0});
  const double a = 1.5 - x + x * y, b = 2.25 - x + x * y * y, c = 2.625 - x + x * y * y * y;
  CHECK_CLOSE(gradient_of(surface("beale"), x, y),
              (std::vector<double>{2 * a * (y - 1) + 2 * b * (y * y - 1) + 2 * c * (y * y * y - 1),
                                   2 * a * x + 4 * b * x * y + 6 * c * x * y * y}),
              {1e-12, 0});
  CHECK_CLOSE(gradient_of(surface("saddle"), x, y), (std::vector<double>{x, y * y * y - y}), {1e-12, 0});
  CHECK_CLOSE(gradient_of(valley(), x, y), (std::vector<double>{(x * y - 1) * y, (x * y - 1) * x}), {1e-12, 0});
}

TEST_CASE("each surface is as low as it says where its minimum is") {
  const std::map<std::string, std::pair<double, double>> minima{{"ellipse10", {0, 0}},  {"ellipse100", {0, 0}},
                                                                {"rosenbrock", {1, 1}}, {"beale", {3, 0.5}},
                                                                {"saddle", {0, 1}},     {"valley", {4, 0.25}}};
  CHECK(surfaces().size() == minima.size());
  for (const Surface& s : surfaces()) {
    const auto [x, y] = minima.at(s.name);
    CHECK_CLOSE(loss_at(s, x, y), s.lowest, {0, 1e-15});
    CHECK_CLOSE(gradient_of(s, x, y), (std::vector<double>{0, 0}), {0, 1e-12});
    CHECK_MESSAGE(loss_at(s, s.start_x, s.start_y) > s.lowest, s.name);
  }
}

TEST_CASE("a surface that does not exist is refused with the names of those that do") {
  CHECK_ERROR(surface("bowl"),
              "got \"bowl\", expected one of ellipse10, ellipse100, rosenbrock, beale, saddle, valley");
}

TEST_CASE("a path has the clean weights, and the point of the gradient at distance rho from them") {
  for (const std::string name : {"sam", "msam"}) {
    const auto path = descend(valley(), maker(name, 0.02, 0.1), 20);
    REQUIRE(path.size() == 21);
    CHECK(path[0].x == 3);
    CHECK(path[0].y == 0.5);
    // MSAM's first step has no momentum to follow; after the last point there was no step.
    for (size_t i = name == "msam" ? 1 : 0; i < 20; ++i)
      CHECK_CLOSE(std::hypot(path[i].gradient_x - path[i].x, path[i].gradient_y - path[i].y), 0.1, {1e-12, 0});
    CHECK_CLOSE(path[20].gradient_x, path[20].x, {0, 0});
    for (const PathPoint& p : path) CHECK_CLOSE(p.loss, loss_at(valley(), p.x, p.y), {1e-12, 0});
  }
  const auto plain = descend(valley(), maker("sgd", 0.02), 1);
  CHECK_CLOSE(plain[0].gradient_x, 3, {0, 0});
  CHECK_CLOSE(plain[1].x, 3 - 0.02 * 0.25, {1e-15, 0});  // (xy - 1) y = 0.25
}

TEST_CASE("a path ends where the loss is no longer finite") {
  const auto path = descend(surface("rosenbrock"), maker("sgd", 1), 1000);
  CHECK(path.size() < 1000);
  CHECK(path.size() > 2);
}

TEST_CASE("a step with a noisy label trains on it, and both passes of SAM on the same one") {
  const StepLoss noisy = valley_with_noisy_label(0.1, 1);
  const Variable x(Tensor::full({1}, 3.0, DType::float64)), y(Tensor::full({1}, 0.5, DType::float64));
  const double first = noisy(x, y, 0).item();
  CHECK_CLOSE(noisy(x, y, 0).item(), first, {0, 0});
  CHECK(noisy(x, y, 1).item() != first);
  CHECK(valley_with_noisy_label(0.1, 2)(x, y, 0).item() != first);
  CHECK_CLOSE(valley_with_noisy_label(0, 1)(x, y, 0).item(), loss_at(valley(), 3, 0.5), {1e-15, 0});
  const auto path = descend(valley(), maker("sgd", 0.02), 1, noisy);
  CHECK_CLOSE(path[0].loss, loss_at(valley(), 3, 0.5), {1e-15, 0});  // the surface's own
  CHECK(path[1].x != descend(valley(), maker("sgd", 0.02), 1)[1].x);
}

TEST_CASE("a surface's map has its losses, row by row from below") {
  const Map map = map_of(valley(), 3, 2);
  CHECK_CLOSE(map.values,
              (std::vector<double>{0.5, 0.5, 0.5, 0.5, loss_at(valley(), 1.8, 3), loss_at(valley(), 3.6, 3)}),
              {1e-12, 0});
}

TEST_CASE("the table of a step shows the perturbation, the gradient there, and the clean weights afterwards") {
  const Variable x(Tensor::full({1}, 3.0, DType::float64), requires_grad);
  const Variable y(Tensor::full({1}, 0.5, DType::float64), requires_grad);
  const auto closure = [&] {
    Variable loss = valley().loss(x, y);
    loss.backward();
    return loss;
  };
  const auto sam = maker("sam", 0.02, 0.1)({x, y});
  const Table table = step_table(*sam, closure, {"x", "y"});
  std::vector<std::string> rows;
  for (const auto& row : table) rows.push_back(row[0]);
  CHECK(rows == std::vector<std::string>{"", "w", "velocity", "gradient at w", "e", "w + e", "gradient at w + e",
                                         "velocity afterwards", "w afterwards"});
  CHECK(table[0] == std::vector<std::string>{"", "x", "y"});
  CHECK(table[1] == std::vector<std::string>{"w", "3", "0.5"});
  CHECK(table[3] == std::vector<std::string>{"gradient at w", "0.25", "1.5"});
  CHECK_CLOSE(std::hypot(std::stod(table[4][1]), std::stod(table[4][2])), 0.1, {1e-5, 0});
  CHECK_CLOSE(std::stod(table[8][1]), x.value().item(), {1e-5, 0});
  CHECK_CLOSE(std::stod(table[8][2]), 0.5 - 0.02 * std::stod(table[6][2]), {1e-5, 0});

  const auto plain = maker("sgd", 0.02)({x, y});
  const Table step = step_table(*plain, closure);
  CHECK(step.size() == 6);  // neither e nor w + e
  CHECK(step[0] == std::vector<std::string>{"", "1", "2"});
}
