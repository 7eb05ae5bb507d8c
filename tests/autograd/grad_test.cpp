// grad(): gradients that are returned, of leaves and intermediates, once or again.
#include "autograd/ops.h"
#include "autograd/record.h"
#include "core/ops.h"
#include "tests/check.h"

using namespace minima;
using namespace minima::test;

namespace {
Variable leaf(const std::vector<double>& values) { return Variable(Tensor::from(values), requires_grad); }
std::vector<double> values(const Variable& x) { return x.value().to_vector<double>(); }
using Values = std::vector<double>;
}  // namespace

TEST_CASE("grad returns the gradients and leaves every leaf's own gradient alone") {
  Variable x = leaf({1, 2}), y = leaf({3, 4});
  sum(x).backward();
  const auto gradients = grad(sum(x * y), {x, y});
  CHECK_CLOSE(values(gradients[0]), (Values{3, 4}));
  CHECK_CLOSE(values(gradients[1]), (Values{1, 2}));
  CHECK_CLOSE(values(x.grad()), (Values{1, 1}));
  CHECK(!y.grad().defined());
  CHECK(!gradients[0].requires_grad());
}

TEST_CASE("an input that the output does not depend on gets zeros of its shape") {
  Variable x = leaf({1, 2});
  Variable unused(Tensor::zeros({2, 3}, DType::float32), requires_grad);
  const auto gradients = grad(sum(x * x), {unused, x});
  CHECK(gradients[0].shape() == Shape{2, 3});
  CHECK(gradients[0].dtype() == DType::float32);
  CHECK_CLOSE(values(gradients[0]), Values(6, 0.0));
  CHECK_CLOSE(values(gradients[1]), (Values{2, 4}));
}

TEST_CASE("grad of an intermediate is the gradient at that point, and may be asked for together with a leaf's") {
  Variable x = leaf({1, 2});
  const Variable h = x * x;
  const auto both = grad(sum(h * h + x), {h, x});
  CHECK_CLOSE(values(both[0]), (Values{2, 8}));
  CHECK_CLOSE(values(both[1]), (Values{5, 33}));
}

TEST_CASE("grad of an intermediate leaves nothing behind that a later pass would count") {
  Variable x = leaf({1, 2}), w = leaf({3, 4});
  const Variable h = x * x;
  const Variable loss = sum(h * w * x);
  CHECK_CLOSE(values(grad(loss, {h}, {.retain_graph = true})[0]), (Values{3, 8}));
  loss.backward();
  CHECK_CLOSE(values(x.grad()), (Values{9, 48}));
  CHECK_CLOSE(values(w.grad()), (Values{1, 8}));
}

TEST_CASE("grad of an intermediate frees only what lies above it") {
  Variable x = leaf({1, 2});
  const Variable h = exp(x);
  grad(sum(square(h)), {h});
  sum(h).backward();
  CHECK_CLOSE(values(x.grad()), (Values{std::exp(1.0), std::exp(2.0)}), {1e-14});
}

TEST_CASE("the same input asked for twice is answered twice") {
  Variable x = leaf({1, 2});
  const auto gradients = grad(sum(x * x), {x, x});
  CHECK_CLOSE(values(gradients[0]), (Values{2, 4}));
  CHECK_CLOSE(values(gradients[1]), (Values{2, 4}));
}

TEST_CASE("an output that is itself an input has the gradient 1") {
  Variable x = leaf({3});
  const Variable y = x * 2;
  const auto gradients = grad(y, {y, x});
  CHECK_CLOSE(values(gradients[0]), (Values{1}));
  CHECK_CLOSE(values(gradients[1]), (Values{2}));
}

TEST_CASE("grad of several outputs is the gradient of their sum, each weighted by its seed") {
  Variable x = leaf({1, 2});
  const std::vector<Variable> outputs{x * x, sum(x), Variable(Tensor::zeros({}, DType::float64))};
  const std::vector<Variable> seeds{Variable(Tensor::from(Values{1, 10})),
                                    Variable(Tensor::full({}, 5, DType::float64)),
                                    Variable(Tensor::full({}, 9, DType::float64))};
  CHECK_CLOSE(values(grad(outputs, {x}, {.grad_outputs = seeds})[0]), (Values{7, 45}));
}

TEST_CASE("only what lies between the outputs and the inputs asked for is computed") {
  int runs = 0;
  auto counted = [&runs](const Variable& x) {
    return autograd::record("counted", x.value(), {x}, [&runs](const autograd::Context& c) { return ++runs, c.grad; });
  };
  Variable x = leaf({1}), w = leaf({2});
  const Variable side = counted(counted(w));
  const Variable loss = counted(x) * side;
  CHECK_CLOSE(values(grad(loss, {x}, {.retain_graph = true})[0]), (Values{2}));
  CHECK(runs == 1);
  runs = 0;
  grad(loss, {side}, {.retain_graph = true});
  CHECK(runs == 0);
  grad(loss, {w});
  CHECK(runs == 2);
}

TEST_CASE("create_graph makes gradients that can be differentiated again, to any order") {
  Variable x = leaf({2, -1});
  const Variable y = sum(x * x * x * x);
  const Variable first = grad(y, {x}, {.create_graph = true})[0];
  const Variable second = grad(sum(first), {x}, {.create_graph = true})[0];
  const Variable third = grad(sum(second), {x}, {.create_graph = true})[0];
  CHECK_CLOSE(values(first), (Values{32, -4}));
  CHECK_CLOSE(values(second), (Values{48, 12}));
  CHECK_CLOSE(values(third), (Values{48, -24}));
  CHECK_CLOSE(values(grad(sum(third), {x})[0]), (Values{24, 24}));
}

TEST_CASE("a gradient penalty reaches the leaves through backward") {
  Variable x = leaf({1, 2});
  const Variable slope = grad(sum(x * x * x), {x}, {.create_graph = true})[0];
  sum(square(slope)).backward();  // (3 x^2)^2 has the derivative 36 x^3
  CHECK_CLOSE(values(x.grad()), (Values{36, 288}));
}

TEST_CASE("grad without create_graph frees the graph, and says so the second time") {
  Variable x = leaf({1, 2});
  const Variable loss = sum(x * x);
  grad(loss, {x});
  CHECK_ERROR(grad(loss, {x}), "[sum] got a second backward pass");
}

TEST_CASE("grad refuses what has no gradient, and seeds that do not fit, by name") {
  Variable x = leaf({1, 2}), frozen = leaf({1, 2});
  frozen.set_requires_grad(false);
  const Variable constant(Tensor::zeros({2}, DType::float64));
  CHECK_ERROR(grad(sum(x), {x, constant}), "[grad] got input 1, a constant or a frozen leaf");
  CHECK_ERROR(grad(sum(x * frozen), {frozen}), "[grad] got input 0");
  CHECK_ERROR(grad(sum(constant), {x}), "depends on no leaf with requires_grad");
  CHECK_ERROR(grad(x * x, {x}), "[grad] got an output of shape (2,), expected one element");
  CHECK_ERROR(grad({x * x}, {x}, {.grad_outputs = {Variable(Tensor::zeros({3}, DType::float64))}}),
              "grad_outputs[0] of float64 (3,)");
  CHECK_ERROR(grad(sum(x), {x}, {.grad_outputs = {x, x}}), "2 grad_outputs, expected 1");
}
