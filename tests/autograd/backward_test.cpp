// backward(): accumulation into leaves, freeing, in-place guard, modes.
#include <pthread.h>

#include "autograd/ops.h"
#include "core/ops.h"
#include "tests/check.h"

using namespace minima;
using namespace minima::test;

namespace {
Variable leaf(const std::vector<double>& values) { return Variable(Tensor::from(values), requires_grad); }
std::vector<double> values(const Tensor& x) { return x.to_vector<double>(); }
using Values = std::vector<double>;
}  // namespace

TEST_CASE("a tensor used twice receives the sum of both gradients") {
  Variable x = leaf({2, 3});
  sum(x * x + x).backward();
  CHECK_CLOSE(values(x.grad()), (Values{5, 7}));
}

TEST_CASE("(h1 + h2) + 3 h1 gives h2 the gradient 1, whichever part is made first") {
  for (const bool triple_first : {false, true}) {
    for (const bool swapped : {false, true}) {
      Variable w1 = leaf({1, 2}), w2 = leaf({3, 4});
      const Variable h1 = w1 * 1, h2 = w2 * 1;
      Variable triple;
      if (triple_first) triple = 3 * h1;
      const Variable inner = swapped ? h2 + h1 : h1 + h2;
      if (!triple_first) triple = 3 * h1;
      sum(swapped ? triple + inner : inner + triple).backward();
      CHECK_CLOSE(values(w1.grad()), (Values{4, 4}));
      CHECK_CLOSE(values(w2.grad()), (Values{1, 1}));
    }
  }
}

TEST_CASE("a residual block whose branches share their input gets the gradient of both branches") {
  Variable x = leaf({0.5, -1});
  const Variable h = tanh(x);
  sum(h + square(h + x)).backward();
  Values expected;
  for (double v : {0.5, -1.0}) {
    const double t = std::tanh(v), slope = 1 - t * t;
    expected.push_back(slope + 2 * (t + v) * (slope + 1));
  }
  CHECK_CLOSE(values(x.grad()), expected, {1e-14});
}

TEST_CASE("x = x + x sixty times has the gradient 2^60, in a time that does not double each time") {
  Variable x = leaf({1});
  Variable y = x;
  for (int i = 0; i < 60; ++i) y = y + y;
  y.backward();
  CHECK_CLOSE(values(x.grad()), (Values{std::ldexp(1.0, 60)}), {0, 0});
}

namespace {
void* differentiate_a_long_chain(void* result) {
  Variable x = leaf({1, 2});
  {
    Variable y = x;
    for (int i = 0; i < 100000; ++i) y = i % 2 ? y + 1 : y * 1;
    sum(y).backward(true);
    sum(y).backward();
    Variable never_differentiated = x;
    for (int i = 0; i < 100000; ++i) never_differentiated = never_differentiated + 1;
  }
  *static_cast<Values*>(result) = values(x.grad());
  return nullptr;
}
}  // namespace

TEST_CASE("a chain of 100,000 ops is differentiated and freed on a stack of half a megabyte") {
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstacksize(&attributes, 512 * 1024) == 0);
  pthread_t thread;
  Values result;
  REQUIRE(pthread_create(&thread, &attributes, differentiate_a_long_chain, &result) == 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  CHECK_CLOSE(result, (Values{2, 2}));
}

// ---------------------------------------------------------------------------------------------- accumulation

TEST_CASE("gradients add up over backward passes until zero_grad") {
  Variable x = leaf({1, 2});
  CHECK(!x.grad().defined());
  sum(3 * x).backward();
  sum(x * x).backward();
  CHECK_CLOSE(values(x.grad()), (Values{5, 7}));
  x.zero_grad();
  CHECK(!x.grad().defined());
  sum(x * x).backward();
  CHECK_CLOSE(values(x.grad()), (Values{2, 4}));
}

TEST_CASE("a gradient that was handed out does not change when more is accumulated") {
  Variable x = leaf({1, 2});
  sum(x).backward();
  const Tensor first = x.grad();
  sum(x).backward();
  CHECK_CLOSE(values(first), (Values{1, 1}));
  CHECK_CLOSE(values(x.grad()), (Values{2, 2}));
}

TEST_CASE("two leaves that receive the same gradient do not share its memory, nor the seed's") {
  Variable x = leaf({1, 2}), y = leaf({3, 4});
  Tensor seed = Tensor::from(Values{10, 20});
  (x + y).backward(seed);
  x.grad().fill(-1);
  seed.fill(-2);
  CHECK_CLOSE(values(y.grad()), (Values{10, 20}));
  CHECK_CLOSE(values(x.grad()), (Values{-1, -1}));
}

TEST_CASE("a bound gradient is written where it was bound: overwritten first, added to after") {
  Tensor flat = Tensor::full({5}, 99, DType::float64);
  Variable x = leaf({1, 2}), y = leaf({3, 4, 5});
  x.bind_grad(flat.slice(0, 2));
  y.bind_grad(flat.slice(2, 5));
  (sum(x * 2) + sum(y * y)).backward();
  CHECK_CLOSE(values(flat), (Values{2, 2, 6, 8, 10}));
  sum(x).backward();
  CHECK_CLOSE(values(flat), (Values{3, 3, 6, 8, 10}));
  x.zero_grad();
  y.zero_grad();
  sum(x).backward();
  CHECK_CLOSE(values(x.grad()), (Values{1, 1}));
  CHECK_CLOSE(values(y.grad()), (Values{0, 0, 0}));  // a leaf that got nothing reads zeros, not the last step's
  CHECK_CLOSE(values(flat), (Values{1, 1, 0, 0, 0}));
}

TEST_CASE("a bound gradient must have the value's shape and dtype") {
  Variable x = leaf({1, 2});
  CHECK_ERROR(x.bind_grad(Tensor::zeros({3}, DType::float64)),
              "[bind_grad] got shape (3,), expected the parameter's shape (2,)");
  CHECK_ERROR(x.bind_grad(Tensor::zeros({2})), "float32");
}

TEST_CASE("a frozen leaf receives nothing, and what only frozen leaves lead to is not recorded") {
  Variable x = leaf({1, 2}), w = leaf({3, 4});
  w.set_requires_grad(false);
  CHECK(!(w * 2).requires_grad());
  sum(x * w).backward();
  CHECK(!w.grad().defined());
  CHECK_CLOSE(values(x.grad()), (Values{3, 4}));
  w.set_requires_grad(true);
  sum(x * w).backward();
  CHECK_CLOSE(values(w.grad()), (Values{1, 2}));
}

TEST_CASE("backward of a leaf gives it the seed") {
  Variable x = leaf({1, 2});
  x.backward(Tensor::from(Values{5, 6}));
  CHECK_CLOSE(values(x.grad()), (Values{5, 6}));
}

TEST_CASE("handles of one leaf share its value and its gradient") {
  Variable x = leaf({1, 2}), same = x;
  sum(same * x).backward();
  CHECK_CLOSE(values(x.grad()), (Values{2, 4}));
  same.set_value(Tensor::from(Values{5, 6}));
  CHECK_CLOSE(values(x.value()), (Values{5, 6}));
  same.zero_grad();
  CHECK(!x.grad().defined());
}

TEST_CASE("a value that is replaced after the forward pass does not disturb the backward pass") {
  Variable x = leaf({2, 3});
  const Variable y = sum(x * x * x);
  x.set_value(Tensor::from(Values{100, 100}));
  y.backward();
  CHECK_CLOSE(values(x.grad()), (Values{12, 27}));
  CHECK_ERROR(x.set_value(Tensor::from(Values{1})), "[set_value] got shape (1,), expected the parameter's shape (2,)");
}

// --------------------------------------------------------------------------------------------------- freeing

TEST_CASE("a second backward pass is refused by name, unless the first retained the graph") {
  Variable x = leaf({2});
  const Variable y = exp(x);
  const Variable loss = sum(y);
  loss.backward(true);
  loss.backward();
  CHECK_CLOSE(values(x.grad()), (Values{2 * std::exp(2.0)}), {1e-14});
  CHECK_ERROR(loss.backward(), "[sum] got a second backward pass");
  CHECK_ERROR(loss.backward(), "retain_graph");
  CHECK_ERROR(sum(y * y).backward(), "[exp] got a second backward pass");
}

TEST_CASE("backward of several elements needs a seed of the output's shape and dtype") {
  Variable x = leaf({1, 2});
  CHECK_ERROR((x * x).backward(), "[backward] got an output of shape (2,), expected one element");
  CHECK_ERROR((x * x).backward(Tensor::zeros({3}, DType::float64)), "a seed of float64 (3,)");
  CHECK_ERROR((x * x).backward(Tensor::zeros({2})), "a seed of float32 (2,)");
  CHECK_ERROR(Variable(Tensor::zeros({})).backward(), "depends on no leaf with requires_grad");
  (x * x).backward(Tensor::from(Values{1, 10}));
  CHECK_CLOSE(values(x.grad()), (Values{2, 40}));
}

// --------------------------------------------------------------------------------------------- in-place guard

TEST_CASE("changing a saved input in place before backward is an error that names the op") {
  Variable x = leaf({1, 2});
  const Variable y = sum(sin(x));
  Tensor value = x.value();
  value.fill(5);
  CHECK_ERROR(y.backward(), "[sin] got input 0 changed in place 1 time(s)");
}

TEST_CASE("changing a saved output in place, even through a view, is an error that names the op") {
  Variable x = leaf({1, 2, 3, 4});
  const Variable y = exp(x);
  Tensor view = y.value().reshape({2, 2}).slice(0, 1);
  view.fill(0);
  view.fill(1);
  CHECK_ERROR(sum(y).backward(), "[exp] got its output changed in place 2 time(s)");
}

TEST_CASE("changing what no rule needs is allowed") {
  Variable x = leaf({1, 2});
  const Variable doubled = x * 2;
  const Variable y = sum(relu(doubled + 1));
  Tensor intermediate = doubled.value();  // add saves nothing, relu its output
  intermediate.fill(-7);
  y.backward();
  CHECK_CLOSE(values(x.grad()), (Values{2, 2}));
}

// ----------------------------------------------------------------------------------------------------- modes

TEST_CASE("NoGrad records nothing, EnableGrad records again, and both end with their scope") {
  Variable x = leaf({1, 2});
  {
    NoGrad no_grad;
    CHECK(!grad_enabled());
    CHECK(!(x * 2).requires_grad());
    {
      EnableGrad enable;
      CHECK((x * 2).requires_grad());
    }
    CHECK(!(x * 2).requires_grad());
  }
  CHECK((x * 2).requires_grad());
  CHECK(grad_enabled());
}

TEST_CASE("a detached value is a constant") {
  Variable x = leaf({1, 2});
  sum(x * x.detach()).backward();
  CHECK_CLOSE(values(x.grad()), (Values{1, 2}));
  CHECK(!x.detach().requires_grad());
}

TEST_CASE("what only a leaf can do is refused by name on anything else") {
  Variable x = leaf({1, 2}), y = exp(x);
  CHECK_ERROR(y.grad(), "[grad] got the result of exp, expected a leaf made with requires_grad");
  CHECK_ERROR(Variable(Tensor::zeros({2})).zero_grad(), "[zero_grad] got a constant");
  CHECK_ERROR(y.set_requires_grad(false), "[set_requires_grad]");
  CHECK_ERROR(x.bind_grad(Tensor::zeros({3}, DType::float64)), "[bind_grad] got shape (3,)");
  CHECK_ERROR(Variable(Tensor::zeros({2}, DType::int32), requires_grad), "requires_grad on a int32 tensor");
}

TEST_CASE("an undefined tensor is refused as a value, a gradient and a seed, also where a scalar is expected") {
  for (const Shape& shape : {Shape{}, Shape{2}}) {
    Variable x(Tensor::full(shape, 1), requires_grad);
    const Variable y = x * x;
    CHECK_ERROR(x.set_value(Tensor()), "[set_value] got an undefined tensor");
    CHECK_ERROR(x.bind_grad(Tensor()), "[bind_grad] got an undefined tensor");
    CHECK_ERROR(y.backward(Tensor()), "[backward] got a seed that is undefined");
    CHECK_ERROR(grad({y}, {x}, {.grad_outputs = {Variable()}}), "[grad] got grad_outputs[0] that is undefined");
    CHECK_ERROR(grad({Variable()}, {x}), "[grad] got an output that depends on no leaf");
    CHECK_ERROR(Variable().backward(), "[backward] got an output that depends on no leaf");
  }
}

TEST_CASE(
    "the gradients of layers are written into bound memory, added to what is there, and right for a weight used "
    "twice") {
  const Tensor x = default_generator().normal({4, 3}, 0, 1, DType::float64);
  const auto loss = [&](const Variable& w, const Variable& b) {
    const Variable h = linear(Variable(x), w, b, Activation::relu);
    return sum(square(linear(h, w, b)));
  };
  Variable w(default_generator().normal({3, 3}, 0, 1, DType::float64), requires_grad);
  Variable b(default_generator().normal({3}, 0, 1, DType::float64), requires_grad);
  const std::vector<Variable> expected = grad(loss(w, b), {w, b});
  Tensor flat = Tensor::full({12}, 99, DType::float64);
  w.bind_grad(flat.slice(0, 9).reshape({3, 3}));
  b.bind_grad(flat.slice(9, 12));
  for (int times = 1; times <= 3; ++times) {
    loss(w, b).backward();
    CHECK_CLOSE(w.grad(), core::unary(core::UnaryOp::affine, expected[0].value(), times));
    CHECK_CLOSE(b.grad(), core::unary(core::UnaryOp::affine, expected[1].value(), times));
  }
  w.zero_grad();
  sum(linear(Variable(x), w, Variable())).backward();  // alone, it is written where it belongs
  CHECK_CLOSE(flat.slice(0, 9).reshape({3, 3}), core::matmul(Tensor::full({4, 3}, 1, DType::float64), x, true));
  const Tensor once = w.grad().clone();
  w.backward(w.grad());  // a gradient that lies in that memory already is added, too
  CHECK_CLOSE(w.grad(), core::unary(core::UnaryOp::affine, once, 2));
}
