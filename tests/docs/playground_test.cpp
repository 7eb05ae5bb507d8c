// The playground's own C++: formulas, walkers, networks. The page itself is tested in a browser (playground_test.mjs).
#include <cmath>

#include "docs/playground/formula.h"
#include "docs/playground/trainee.h"
#include "docs/playground/walker.h"
#include "tests/check.h"

using namespace minima;
using namespace minima::playground;
using namespace minima::test;

namespace {

double value_of(const std::string& formula, double w1 = 0.7, double w2 = 1.3) {
  return losses(surface_of({.name = "formula", .formula = formula}), {w1}, {w2})[0];
}

bool same(double got, double expected, double rtol, double atol) {
  return difference(got, expected, {.rtol = rtol, .atol = atol}).empty();
}

std::string refusal_of(const std::string& formula) {
  return error_of([&] { Formula{formula}; });
}

}  // namespace

TEST_CASE("a formula is read as it is written in books") {
  const double x = 0.7, y = 1.3;
  for (const auto& [formula, expected] : std::vector<std::pair<std::string, double>>{
           {"(w1 w2 - 1)^2 / 2", std::pow(x * y - 1, 2) / 2},
           {"(xy-1)^2/2", std::pow(x * y - 1, 2) / 2},
           {"w1w2", x * y},
           {"-w1^2", -x * x},
           {"2^-w1", std::pow(2, -x)},
           {"w1 - w2 - 1", x - y - 1},
           {"w1 - (w2 - 1)", x - y + 1},
           {"w1 / w2 / 2", x / y / 2},
           {"1/2x", x / 2},
           {"2w1^3 - 3(w2 - 1)w1", 2 * x * x * x - 3 * (y - 1) * x},
           {"w2^0.5 + w1^2^3", std::sqrt(y) + std::pow(x, 8)},
           {"exp(-w1) + log(w2) + sin(pi w1) + cos(w2)", std::exp(-x) + std::log(y) + std::sin(M_PI * x) + std::cos(y)},
           {"max(w1, w2) - min(w1, 0.5) + abs(-w1)", y - 0.5 + x},
           {"tanh(w1) + relu(-w2) + 1e-3w1 + square(w2)", std::tanh(x) + 0.001 * x + y * y},
           {"w1 + +--w2", x + y},
       })
    CHECK_MESSAGE(same(value_of(formula), expected, 1e-14, 1e-14), formula << " is " << value_of(formula));
}

TEST_CASE("a formula that cannot be read is refused with the place and what was expected") {
  for (const auto& [formula, words] : std::vector<std::pair<std::string, std::string>>{
           {"w1 +", "got the end at character 5"},
           {"w1 + w3", "got \"w3\" at character 6"},
           {"(w1 + 1", "got the end at character 8, expected \")\""},
           {"w1)", "got \")\" at character 3"},
           {"sin w1", "expected \"(\" after sin"},
           {"max(w1)", "a comma"},
           {"w1^w2", "a number as the exponent"},
           {"", "got the end at character 1"},
           {"3 + 4", "got the number 7, expected w1 or w2"},
           {"1.2.3 w1", "a number such as"},
           {std::string(201, '1'), "201 characters"},
           {std::string(100, '(') + "w1" + std::string(98, ')'), "less within each other"},
           {"w1" + std::string(100, '-') + "w2", "less within each other"},
       })
    CHECK_MESSAGE(contains(refusal_of(formula), words), formula << " -> " << refusal_of(formula));
}

TEST_CASE("a formula's C++ groups its operands as the formula does") {
  const auto cpp = [](const char* formula) { return Formula(formula).cpp(); };
  CHECK(cpp("(w1 w2 - 1)^2 / 2") == "square(w1 * w2 - 1) / 2");
  CHECK(cpp("w1 - (w2 - 1)") == "w1 - (w2 - 1)");
  CHECK(cpp("w1 + (w2 + 1)") == "w1 + (w2 + 1)");
  CHECK(cpp("w1 (w2 / 3)") == "w1 * (w2 / 3)");
  CHECK(cpp("-(w1 + w2) 0.1") == "(-(w1 + w2)) * 0.1");
  CHECK(cpp("-2 w1 + w2^4") == "(-2) * w1 + pow(w2, 4)");
}

TEST_CASE("a surface's sharpness is the largest eigenvalue of its exact Hessian, at many points at once") {
  const Heights at = heights(surface_of({.name = "valley"}), {3, 1, 2}, {1.0 / 3, 1, 0.9});
  const auto exact = [](double x, double y) {
    return (x * x + y * y) / 2 + std::hypot((x * x - y * y) / 2, 2 * x * y - 1);
  };
  CHECK(same(at.curvature[0], 9 + 1.0 / 9, 1e-14, 0));
  CHECK(same(at.curvature[1], 2, 1e-14, 0));
  CHECK(same(at.curvature[2], exact(2, 0.9), 1e-14, 0));
  // turned, a bowl is as steep as before
  const Surface turned = surface_of({.name = "bowl", .condition = 30, .degrees = 33});
  CHECK(same(heights(turned, {0.3}, {-2}).curvature[0], 30, 1e-13, 0));
  // of a loss without curvature or without one of the weights
  CHECK(heights(surface_of({.name = "formula", .formula = "3 w1"}), {1}, {2}).curvature[0] == 0);
  CHECK(heights(surface_of({.name = "formula", .formula = "w1"}), {1}, {2}).curvature[0] == 0);
  CHECK(heights(surface_of({.name = "formula", .formula = "w2^2"}), {1}, {2}).curvature[0] == 2);
}

TEST_CASE("a walker tells where its gradient was taken and obeys a change of its settings at the next step") {
  const Surface valley = surface_of({.name = "valley"});
  Walker msam("msam", valley, false, 3, 0.5, {.lr = 0.02, .rho = 0.1}, 1);
  const Step first = msam.step();
  CHECK(first.at_w1 == 3);  // no velocity yet
  const Step second = msam.step();
  CHECK(same(std::hypot(second.at_w1 - second.w1, second.at_w2 - second.w2), 0.1, 1e-12, 0));
  CHECK((second.at_w1 - second.w1) * first.v1 < 0);  // ahead, against the velocity
  msam.change({.lr = 0.02, .momentum = 0, .rho = -0.2});
  const Step third = msam.step();
  CHECK(same(std::hypot(third.at_w1 - third.w1, third.at_w2 - third.w2), 0.2, 1e-12, 0));
  CHECK((third.at_w1 - third.w1) * second.v1 > 0);
  CHECK(third.v1 == third.g1);  // momentum 0
  CHECK_THROWS_WITH_AS(Walker("sam", valley, false, 3, 0.5, {.rho = -0.1}, 1), doctest::Contains("rho"), Error);
  CHECK_THROWS_WITH_AS(Walker("msam", valley, false, 3, 0.5, {.momentum = 0}, 1), doctest::Contains("momentum"), Error);
}

TEST_CASE("noise is the same for both gradients of a step and for the same seed, and another at each step") {
  const Surface flat = surface_of({.name = "formula", .formula = "0 w1 + 0 w2"});
  Walker one("sam", flat, false, 0, 0, {.lr = 1, .momentum = 0, .noise = 1}, 3);
  Walker other("gd", flat, false, 0, 0, {.lr = 1, .noise = 1}, 3);
  const Step a = one.step(), b = other.step(), c = other.step();
  CHECK(a.g1 == b.g1);
  CHECK(a.g2 == b.g2);
  CHECK(b.g1 != c.g1);
  CHECK(b.g1 != b.g2);
}

TEST_CASE("networks in training start from the same weights, whatever trains them") {
  const datasets::Split moons = split_of({.name = "moons", .samples = 60, .label_noise = 0.1});
  const datasets::Batch all = moons.train.all();
  Trainee sgd("momentum", moons.train, {8, 8}, 16, {}, 5), sam("sam", moons.train, {8, 8}, 16, {}, 5);
  CHECK(sgd.evaluate(all).loss == sam.evaluate(all).loss);
  const double before = sgd.evaluate(all).loss;
  for (int i = 0; i < 40; ++i) sgd.step(), sam.step();
  CHECK(sgd.gradients() == 40);
  CHECK(sam.gradients() == 80);
  CHECK(sgd.evaluate(all).loss < before);
  CHECK(sam.evaluate(all).loss < before);
  CHECK(sgd.largest_eigenvalue(all) > 0);
  const std::vector<float> p = sgd.probabilities(Tensor::from(std::vector<float>{0, 0, 1, 1}, {2, 2}));
  CHECK(p.size() == 4);
  CHECK(same(p[0] + p[1], 1.0, 1e-6, 0));
}

TEST_CASE("a table of one's own is split by class and standardised by its training part") {
  std::vector<double> values;
  std::vector<int32_t> labels;
  for (int i = 0; i < 50; ++i) values.insert(values.end(), {3.0 * i, 7.0}), labels.push_back(i % 2);
  const datasets::Split split = split_of_table(values, labels, 2, 2, 0, 1);
  CHECK(split.train.size() == 40);
  CHECK(split.test.size() == 10);
  const std::vector<float> x = split.train.all().x.to_vector<float>();
  double sum = 0, squares = 0;
  for (size_t i = 0; i < x.size(); i += 2) {
    sum += x[i], squares += x[i] * x[i];
    CHECK(x[i + 1] == 0);  // a column that is constant
  }
  CHECK(same(sum / 40, 0.0, 0, 1e-6));
  CHECK(same(squares / 40, 1.0, 1e-5, 0));
}
