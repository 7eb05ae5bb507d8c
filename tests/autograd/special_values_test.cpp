// Functions and their gradients at zero, at numbers too large or too small to compute with, and at infinity.
// PyTorch's values there: golden_test.cpp.
#include <algorithm>
#include <functional>

#include "autograd/ops.h"
#include "core/ops.h"
#include "core/random.h"
#include "tests/check.h"

using namespace minima;

namespace {

using Values = std::vector<double>;
using Unary = Variable (*)(const Variable&);

Values gradient(const Variable& y, const Variable& x) {
  return grad(sum(y), {x}, {.retain_graph = true})[0].value().to_vector<double>();
}
Values item(const Variable& y) { return {y.item()}; }

// The first and the second derivative of sum(f(x)), each summed over x.
struct Derivatives {
  Values first, second;
};
Derivatives derivatives(const std::function<Variable(const Variable&)>& f, const Variable& x) {
  const Variable first = grad(sum(f(x)), {x}, {.create_graph = true})[0];
  return {first.value().to_vector<double>(), first.requires_grad() ? gradient(first, x) : Values(x.numel(), 0.0)};
}

}  // namespace

TEST_CASE("an operand that is not taken gets the gradient 0, even where its slope is infinite") {
  struct Slope {
    const char* name;
    Unary f;
    double at;
  };
  const Slope slopes[] = {
      {"sqrt", sqrt, 0},
      {"log", log, 0},
      {"log1p", log1p, -1},
      {"exp", exp, 1e6},
      {"pow", [](const Variable& x) { return pow(x, 0.25); }, 0},
      {"pow", [](const Variable& x) { return pow(x, -2); }, 0},
      {"divide", [](const Variable& x) { return 1 / x; }, 0},
  };
  for (const DType dtype : {DType::float32, DType::float64})
    for (const auto& [name, f, at] : slopes) {
      INFO(std::string(name));
      const Variable x(Tensor::full({1}, at, dtype), requires_grad);
      const Variable y = f(x), above(Tensor::full({1}, INFINITY, dtype)), below(Tensor::full({1}, -INFINITY, dtype));
      const bool huge = y.item() == INFINITY;
      const Variable one(Tensor::full({1}, 1, dtype));
      CHECK_CLOSE(gradient(huge ? minimum(one, y) : maximum(one, y), x), Values{0});
      CHECK_CLOSE(gradient(huge ? minimum(y, one) : maximum(y, one), x), Values{0});
      CHECK_CLOSE(gradient(where_positive(y, -one), x), Values{0});
      if (!huge) CHECK_CLOSE(gradient(max(concatenate({y, one}, 0), 0), x), Values{0});
      if (!huge) CHECK_CLOSE(gradient(relu(y - 1), x), Values{0});
    }
}

TEST_CASE("an element that is not taken has the second derivative 0, too, even where its slope is infinite") {
  const Variable one(Tensor::from(Values{1})), minus(Tensor::from(Values{-1})), five(Tensor::from(Values{5}));
  struct Masked {
    const char* name;
    std::function<Variable(const Variable&)> f;
    double at;
  };
  const Masked masked[] = {
      {"maximum(sqrt)", [&](const Variable& x) { return maximum(sqrt(x), one); }, 0},
      {"maximum(log)", [&](const Variable& x) { return maximum(log(x), minus); }, 0},
      {"maximum(log1p)", [&](const Variable& x) { return maximum(log1p(x), minus); }, -1},
      {"maximum(pow)", [&](const Variable& x) { return maximum(pow(x, 0.5), one); }, 0},
      {"minimum(1 / x)", [&](const Variable& x) { return minimum(1 / x, five); }, 0},
      {"minimum(exp(1 / x))", [&](const Variable& x) { return minimum(exp(1 / x), five); }, 0},
      {"minimum(exp)", [&](const Variable& x) { return minimum(exp(x), five); }, INFINITY},
      {"minimum(square)", [&](const Variable& x) { return minimum(square(x), five); }, -INFINITY},
      {"minimum(x * x)", [&](const Variable& x) { return minimum(x * x, five); }, INFINITY},
      {"where_positive(sqrt)", [&](const Variable& x) { return where_positive(sqrt(x), minus); }, 0},
      {"relu(-sqrt)", [&](const Variable& x) { return relu(-sqrt(x)); }, 0},
  };
  for (const auto& [name, f, at] : masked) {
    INFO(std::string(name));
    const auto [first, second] = derivatives(f, Variable(Tensor::from(Values{at}), requires_grad));
    CHECK_CLOSE(first, Values{0});
    CHECK_CLOSE(second, Values{0});
  }
}

TEST_CASE("moving elements leaves a first and a second derivative of 0 with those that go nowhere") {
  const Tensor rows = Tensor::from<int64_t>({1, 2});
  const std::function<Variable(const Variable&)> moves[] = {
      [](const Variable& x) { return slice(sqrt(x), 0, 1, 3); },
      [&](const Variable& x) { return gather_rows(sqrt(x), rows); },
      [](const Variable& x) { return sum(max(reshape(sqrt(x), {1, 4}), 1)) + sum(slice(sqrt(x), 0, 1, 3)) - 2; },
      [](const Variable& x) { return max_pool2d(reshape(sqrt(slice(x, 0, 0, 2)), {1, 1, 2, 1}), {1, 2, 2, 0}); },
  };
  for (const auto& f : moves) {
    const auto [first, second] = derivatives(f, Variable(Tensor::from(Values{0, 1, 4, 9}), requires_grad));
    CHECK(first[0] == 0);
    CHECK(second[0] == 0);
    CHECK_CLOSE(second[1], -0.25);
  }
}

TEST_CASE("an infinite gradient and a slope that is no number stay visible where the element is taken") {
  const Variable zero(Tensor::from(Values{0}), requires_grad), below(Tensor::from(Values{-1}), requires_grad);
  CHECK_CLOSE(gradient(sqrt(zero), zero), Values{INFINITY});
  CHECK_CLOSE(gradient(sqrt(square(zero)), zero), Values{NAN});  // infinity * 0
  CHECK_CLOSE(gradient(sqrt(zero * zero), zero), Values{NAN});
  CHECK_CLOSE(gradient(square(log(below)), below), Values{NAN});
  CHECK_CLOSE(gradient(zero * Variable(Tensor::from(Values{NAN})), zero), Values{NAN});
  CHECK_CLOSE(derivatives(Unary(sqrt), zero).second, Values{-INFINITY});
}

TEST_CASE("the entropy of a softmax with a masked class has the gradient of the others' entropy") {
  const Variable logits(Tensor::from(Values{2, -INFINITY, 1}), requires_grad);
  const Variable others(Tensor::from(Values{2, 1}), requires_grad);
  const auto entropy = [](const Variable& z) {
    const Variable p = softmax(z);
    return where_positive(p * log(p), p);
  };
  const Values got = gradient(entropy(logits), logits), expected = gradient(entropy(others), others);
  CHECK_CLOSE(got, (Values{expected[0], 0, expected[1]}), {1e-14});
}

TEST_CASE("erf and gelu are flat to second order at infinity, gelu with slope 1 on the right") {
  const Variable x(Tensor::from(Values{-INFINITY, -1e300, -50, 50, 1e300, INFINITY}), requires_grad);
  CHECK_CLOSE(derivatives(Unary(erf), x).first, Values(6, 0.0));
  CHECK_CLOSE(derivatives(Unary(erf), x).second, Values(6, 0.0));
  CHECK_CLOSE(derivatives(Unary(gelu), x).first, (Values{0, 0, 0, 1, 1, 1}));
  CHECK_CLOSE(derivatives(Unary(gelu), x).second, Values(6, 0.0));
  CHECK(std::isnan(derivatives(Unary(gelu), Variable(Tensor::from(Values{NAN}), requires_grad)).first[0]));
}

TEST_CASE("a dropped element is 0 and its derivatives are, whatever comes before and after it") {
  const auto dropped = [](const Variable& x) { return manual_seed(3), dropout(x, 0.5); };
  const auto number = [](double value) { return Variable(Tensor::full({8}, value, DType::float64), requires_grad); };
  const Values kept = dropped(number(1)).value().to_vector<double>();
  REQUIRE(std::count(kept.begin(), kept.end(), 0.0) > 0);
  const Values of_infinity = dropped(number(INFINITY)).value().to_vector<double>();
  const auto [first, second] = derivatives([&](const Variable& x) { return sqrt(dropped(x)); }, number(1));
  for (size_t i = 0; i < kept.size(); ++i) {
    CHECK(of_infinity[i] == (kept[i] == 0 ? 0 : INFINITY));
    CHECK_CLOSE(first[i], kept[i] == 0 ? 0 : std::sqrt(0.5), {1e-14});
    CHECK_CLOSE(second[i], kept[i] == 0 ? 0 : -std::sqrt(0.125), {1e-14});
  }
}

TEST_CASE("functions that are flat at infinity have slope 0 there, also as functions of a square") {
  const Unary flat[] = {
      [](const Variable& x) { return exp(-square(x)); }, [](const Variable& x) { return exp(-(x * x)); },
      [](const Variable& x) { return tanh(square(x)); }, [](const Variable& x) { return sigmoid(square(x)); },
      [](const Variable& x) { return 1 / square(x); }};
  const Variable x(Tensor::from(Values{-INFINITY, -1e200, 1e200, INFINITY}), requires_grad);
  for (const Unary f : flat) CHECK_CLOSE(gradient(f(x), x), Values(4, 0.0));
}

TEST_CASE("an infinite gradient goes to the operand that was taken, and to it alone") {
  const auto leaf = [](double value) { return Variable(Tensor::from(Values{value}), requires_grad); };
  const Variable x = leaf(0), y = leaf(-1);
  CHECK_CLOSE(gradient(sqrt(maximum(x, y)), x), Values{INFINITY});
  CHECK_CLOSE(gradient(sqrt(maximum(x, y)), y), Values{0});
  CHECK_CLOSE(gradient(sqrt(minimum(x, -y)), y), Values{0});
  const Variable row(Tensor::from(Values{-1, 0, -2}, {1, 3}), requires_grad);
  CHECK_CLOSE(gradient(sqrt(max(row, 1)), row), (Values{0, INFINITY, 0}));
}

TEST_CASE("a slope that is finite counts twice where a gradient is 0") {
  // The second derivative of x^2 log(x) at a point where the first factor's gradient vanishes.
  const Variable x(Tensor::from(Values{1}), requires_grad), a(Tensor::from(Values{0}), requires_grad);
  const Variable first = grad(a * log(x) + a * sqrt(x) + a / x + a * exp(x), {x}, {.create_graph = true})[0];
  CHECK_CLOSE(item(first), Values{0});
  CHECK_CLOSE(gradient(first, a), Values{1 + 0.5 - 1 + std::exp(1.0)}, {1e-15});
}

TEST_CASE("cross entropy leaves masked classes out, in every dtype and through an added mask") {
  const Tensor labels = Tensor::from<int64_t>({0, 1});
  const Values finite = {2, 7, 1, 0.5, 0, -3}, mask = {0, -INFINITY, 0, 0, 0, -INFINITY};
  const Values expected = {0.31326168751822283, 0.97407698418010669};
  const Values slopes = {-0.2689414213699951, 0, 0.2689414213699951, 0.6224593312018546, -0.6224593312018546, 0};
  for (const DType dtype : {DType::float32, DType::float64}) {
    const test::Tolerance near{dtype == DType::float32 ? 3e-7 : 1e-14};
    const Variable x(Tensor::from(finite, {2, 3}).to(dtype), requires_grad);
    const Variable logits = x + Variable(Tensor::from(mask, {2, 3}).to(dtype));
    CHECK_CLOSE(cross_entropies(logits, labels).value().to_vector<double>(), expected, {near.rtol});
    CHECK_CLOSE(item(mean(cross_entropies(logits, labels))), Values{(expected[0] + expected[1]) / 2}, {near.rtol});
    CHECK_CLOSE(gradient(cross_entropies(logits, labels), x), slopes, {near.rtol});
    CHECK_CLOSE(log_softmax(logits).value().to_vector<double>()[1], -INFINITY);
    CHECK_CLOSE(softmax(logits).value().to_vector<double>()[5], 0);
    CHECK_CLOSE(gradient(softmax(logits) * Variable(x.value()), x)[1], 0);
  }
}

TEST_CASE(
    "a mask at the label, or a share of the target on a masked class, makes the loss infinite and no gradient NaN") {
  const Variable x(Tensor::from(Values{2, -INFINITY, 1, 0.5, 0, -INFINITY}, {2, 3}), requires_grad);
  const Tensor labels = Tensor::from<int64_t>({1, 1});
  CHECK_CLOSE(cross_entropies(x, labels).value().to_vector<double>(), (Values{INFINITY, 0.97407698418010669}), {1e-14});
  // PyTorch's gradients
  CHECK_CLOSE(gradient(mean(cross_entropies(x, labels)), x),
              (Values{0.3655292893, -0.5, 0.1344707107, 0.3112296656, -0.3112296656, 0}), {1e-9});
  const Tensor others = Tensor::from<int64_t>({0, 1});
  CHECK(mean(cross_entropies(x, others, 0.1)).item() == INFINITY);
  CHECK_CLOSE(gradient(mean(cross_entropies(x, others, 0.1)), x),
              (Values{-0.1011373774, -0.01666666667, 0.1178040440, 0.2945629989, -0.2778963323, -0.01666666667}),
              {1e-9});
}

TEST_CASE(
    "cross entropy of logits at the end of float32's range is what it is in float64, and its gradient is finite") {
  const Values numbers = {3e38, -3e38, 1, -3e38, -3e38, -3e38, -3e38, 3e38, 0};
  const Tensor labels = Tensor::from<int64_t>({0, 1, 0});
  for (const DType dtype : {DType::float32, DType::float64}) {
    const Variable x(Tensor::from(numbers, {3, 3}).to(dtype), requires_grad);
    CHECK_CLOSE(cross_entropies(x, labels).value().to_vector<double>(),
                (Values{0, std::log(3.0), dtype == DType::float32 ? INFINITY : 6e38}), {1e-7});
    CHECK_CLOSE(gradient(cross_entropies(x, labels), x), (Values{0, 0, 0, 1. / 3, -2. / 3, 1. / 3, -1, 1, 0}), {1e-7});
  }
}

TEST_CASE("a confident right answer keeps the digits of its loss and of its gradient") {
  const auto check = [](double z, DType dtype, const test::Tolerance& near) {
    CAPTURE(z);
    const double loss = std::log1p(std::exp(-z)), slope = 1 / (1 + std::exp(z));
    const Variable x(Tensor::from(Values{z, -z}).to(dtype), requires_grad);
    const Variable binary = binary_cross_entropies(x, Variable(Tensor::from(Values{1, 0}).to(dtype)));
    CHECK_CLOSE(binary.value().to_vector<double>(), (Values{loss, loss}), {near.rtol, near.atol});
    CHECK_CLOSE(gradient(binary, x), (Values{-slope, slope}), {near.rtol, near.atol});
    const Variable pair(Tensor::from(Values{z, 0}, {1, 2}).to(dtype), requires_grad);
    const Variable softmaxed = cross_entropies(pair, Tensor::from<int64_t>({0}));
    CHECK_CLOSE(softmaxed.value().to_vector<double>(), Values{loss}, {near.rtol, near.atol});
    CHECK_CLOSE(gradient(softmaxed, pair), (Values{-slope, slope}), {near.rtol, near.atol});
  };
  for (double z : {-100., -10., 0., 10., 15., 80.}) {
    check(z, DType::float32, {1e-6, 1e-42});
    check(z, DType::float64, {1e-14, 0});
  }
}

TEST_CASE("targets of losses that are not used get the gradient 0 where the logits are infinite") {
  const Variable z(Tensor::from(Values{INFINITY, -INFINITY, 3, INFINITY}), requires_grad);
  const Variable t(Tensor::from(Values{1, 0, 0.5, 1}), requires_grad);
  const Variable used = binary_cross_entropies(z, t) * Variable(Tensor::from(Values{0, 0, 1, 1}));
  CHECK_CLOSE(gradient(used, t), (Values{0, 0, -3, -INFINITY}));
}

TEST_CASE("binary cross entropy at infinite logits is 0 where they are right and infinite where they are wrong") {
  const Variable z(Tensor::from(Values{INFINITY, -INFINITY, INFINITY, -INFINITY, 100, -100}), requires_grad);
  const Variable losses = binary_cross_entropies(z, Tensor::from(Values{1, 0, 0, 1, 0.25, 0.25}));
  CHECK_CLOSE(losses.value().to_vector<double>(), (Values{0, 0, INFINITY, INFINITY, 75, 25}), {1e-14});
  CHECK_CLOSE(gradient(losses, z), (Values{0, 0, 1, -1, 0.75, -0.25}), {1e-14});
}
