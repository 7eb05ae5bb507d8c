// record(): what a rule may rely on, and how it is told when it is wrong.
#include "autograd/record.h"
#include "autograd/ops.h"
#include "core/ops.h"
#include "tests/check.h"
#include "tests/gradcheck.h"

using namespace minima;
using namespace minima::test;
using namespace minima::autograd;

namespace {
using Values = std::vector<double>;
Variable leaf(const Values& values) { return Variable(Tensor::from(values), requires_grad); }

template <class F>
Variable identity(const Variable& x, F rule) {
  return record("identity", x.value(), {x}, rule);
}
}  // namespace

TEST_CASE("a rule that returns a gradient of the wrong shape is reported with the op's name and both shapes") {
  Variable x = leaf({1, 2});
  const Variable wrong = identity(x, [](const Context&) { return Variable(Tensor::zeros({3}, DType::float64)); });
  CHECK_ERROR(sum(wrong).backward(), "[identity]");
  const Variable small = identity(x, [](const Context&) { return Variable(Tensor::zeros({1}, DType::float64)); });
  CHECK_ERROR(sum(small).backward(), "[identity] got a gradient of shape (1,) for input 0, expected (2,)");
}

TEST_CASE("a rule that returns too few gradients is reported with the op's name") {
  Variable x = leaf({1, 2});
  const Variable y = record("pair", x.value(), {x, x}, [](const Context& c) { return c.grad; });
  CHECK_ERROR(sum(y).backward(), "[pair] got 1 gradients from its rule, expected 2, one an input");
}

TEST_CASE("a rule that reads what record() did not save is reported with the op's name") {
  Variable x = leaf({1, 2});
  CHECK_ERROR(sum(identity(x, [](const Context& c) { return c.input(0); })).backward(),
              "[identity] got a rule that reads input 0");
  CHECK_ERROR(sum(identity(x, [](const Context& c) { return c.output(); })).backward(),
              "[identity] got a rule that reads its output");
}

TEST_CASE("an operand is kept alive only where saved() says so and its condition holds") {
  const auto live_after = [](auto op) {
    Variable x = leaf({1, 2}), y(Tensor::from(Values{3, 4}));
    const int64_t before = memory_statistics().live_tensors;
    const Variable z = op(Variable(y.value().clone()), x);
    return memory_statistics().live_tensors - before;
  };
  const auto rule = [](const Context& c) -> Gradients { return {Variable(), c.grad}; };
  const auto result = [] { return Tensor::zeros({2}, DType::float64); };
  CHECK(live_after([&](const Variable& a, const Variable& b) { return record("f", result(), {a, b}, rule); }) == 1);
  CHECK(live_after([&](const Variable& a, const Variable& b) { return record("f", result(), {saved(a), b}, rule); }) ==
        2);
  CHECK(live_after([&](const Variable& a, const Variable& b) {
          return record("f", result(), {saved(a, a.requires_grad()), b}, rule);
        }) == 1);
  CHECK(live_after([&](const Variable& a, const Variable& b) { return a * b; }) == 2);  // the slope of b is a
  CHECK(live_after([&](const Variable& a, const Variable& b) { return a + b; }) == 1);
}

TEST_CASE("a rule that returns nothing for an input stops the gradient there") {
  Variable x = leaf({1, 2});
  (sum(identity(x, [](const Context&) { return Variable(); })) + sum(x)).backward();
  CHECK_CLOSE(x.grad().to_vector<double>(), (Values{1, 1}));
}

TEST_CASE("a rule that throws leaves no half-gathered gradient behind") {
  Variable x = leaf({1, 2});
  bool broken = true;
  const Variable y = identity(x * 3, [&broken](const Context& c) {
    if (broken) fail("identity", "a broken rule", "a whole one");
    return c.grad;
  });
  const Variable loss = sum(x * x) + sum(y);
  CHECK_ERROR(loss.backward(true), "a broken rule");
  CHECK(grad_enabled());
  broken = false;
  x.zero_grad();
  loss.backward();
  CHECK_CLOSE(x.grad().to_vector<double>(), (Values{5, 7}));
}

TEST_CASE("ops recorded with a list keep the order of many inputs") {
  std::vector<Variable> parts;
  for (int i = 0; i < 40; ++i) parts.push_back(leaf({static_cast<double>(i)}));
  const Variable joined = concatenate(parts, 0);
  sum(joined * joined).backward();
  for (int i = 0; i < 40; ++i) CHECK_CLOSE(parts[i].grad().to_vector<double>(), (Values{2.0 * i}));
}

namespace {
// x^3 y, "fused": its gradient is derived from the plain formula.
Variable cube_times(const Variable& x, const Variable& y) {
  const Tensor cube = core::unary(core::UnaryOp::power, x.value(), 3);
  return record("cube_times", core::binary(core::BinaryOp::multiply, cube, y.value()), {saved(x), saved(y)},
                [](const Context& c) {
                  return vjp([](const auto& v) { return v[0] * v[0] * v[0] * v[1]; }, {c.input(0), c.input(1)}, c.grad);
                });
}
}  // namespace

TEST_CASE("vjp gives a fused op its gradients of first and second order, within any graph") {
  const Function f = [](const std::vector<Variable>& x) {
    const Variable h = cube_times(x[0], tanh(x[1]));
    return cube_times(h + x[0], h) * x[1];
  };
  const std::vector<Variable> inputs{leaf({0.5, -0.7}), leaf({0.3, 1.1})};
  const std::string first = gradcheck(f, inputs), second = gradgradcheck(f, inputs);
  CHECK_MESSAGE(first.empty(), first);
  CHECK_MESSAGE(second.empty(), second);
}

TEST_CASE("vjp leaves out the gradients that nobody wants") {
  Variable x = leaf({2});
  const Variable constant(Tensor::from(Values{5}));
  sum(cube_times(x, constant)).backward();
  CHECK_CLOSE(x.grad().to_vector<double>(), (Values{60}));
}
