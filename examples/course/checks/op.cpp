// Assignment 1: an op and its backward rule.
#include <cmath>

#include "core/storage.h"
#include "examples/course/checks/checks.h"

namespace minima::examples::course {

namespace {

const Numbers points{-2.1, -0.7, -0.1, 0.4, 1.3, 2.6};

std::string value(const std::function<Variable(const Variable&)>& op, double (*formula)(double)) {
  Numbers expected;
  for (const double x : points) expected.push_back(formula(x));
  return differs(op(leaf(points)).value().to_vector<double>(), expected, 1e-14);
}

std::string first(const std::function<Variable(const Variable&)>& op) {
  return testing::gradcheck([&](const std::vector<Variable>& in) { return op(in[0]); }, {leaf(points)});
}

std::string second(const std::function<Variable(const Variable&)>& op) {
  return testing::gradgradcheck([&](const std::vector<Variable>& in) { return op(in[0]); }, {leaf(points)});
}

Variable product(const std::vector<Variable>& in) { return in[0] * in[1]; }

}  // namespace

void check_op(Checks& checks) {
  const auto apply_tanh = [](const Variable& x) { return tanh(x); };
  const auto apply_softplus = [](const Variable& x) { return softplus(x); };
  const Variable x = leaf(points), y = leaf({0.3, -1.2, 2.0, 0.1, -0.5, 0.9});

  checks.claim(10, "x * y is the product, element by element", [&] {
    Numbers expected;
    for (size_t i = 0; i < points.size(); ++i) expected.push_back(points[i] * y.value().at(static_cast<int64_t>(i)));
    return differs((x * y).value().to_vector<double>(), expected, 1e-15);
  });
  checks.claim(15, "the gradients of x * y in x and in y are those of central differences",
               [&] { return testing::gradcheck(product, {x, y}); });
  checks.claim(10, "x * x has the gradient 2 x, though both inputs are one variable", [&] {
    sum(x * x).backward();
    Numbers expected;
    for (const double value : points) expected.push_back(2 * value);
    return differs(x.grad().to_vector<double>(), expected, 1e-14);
  });
  checks.claim(10, "the gradient of x * y has a gradient", [&] { return testing::gradgradcheck(product, {x, y}); });
  checks.claim(5, "x * y broadcasts: a column times a row has gradients of their shapes", [&] {
    const Variable column(Tensor::from(Numbers{1, 2, 3}, {3, 1}), requires_grad), row = leaf({4, 5});
    sum(column * row).backward();
    std::string problem = differs(column.grad().to_vector<double>(), {9, 9, 9}, 1e-14);
    return problem.empty() ? differs(row.grad().to_vector<double>(), {6, 6}, 1e-14) : problem;
  });
  checks.claim(5, "x * constant keeps nothing alive that its rule does not read", [&] {
    const int64_t before = memory_statistics().live_tensors;
    const Variable kept = [&] {
      const Variable passing = affine(x, 1, 1), constant(Tensor::full({6}, 2.0, DType::float64));
      return passing * constant;  // the rule needs the constant, not `passing`
    }();
    const int64_t alive = memory_statistics().live_tensors - before;
    kept.backward(Tensor::full({6}, 1.0, DType::float64));
    return alive <= 2 ? std::string() : text(alive, " tensors are alive: the result, and more than the constant");
  });
  checks.claim(5, "tanh(x) is the hyperbolic tangent", [&] { return value(apply_tanh, std::tanh); });
  checks.claim(10, "the gradient of tanh is that of central differences", [&] { return first(apply_tanh); });
  checks.claim(10, "the gradient of tanh has a gradient", [&] { return second(apply_tanh); });
  checks.claim(5, "softplus(x) is log(1 + exp(x)), for large and small x too", [&] {
    const std::string near = value(apply_softplus, [](double z) { return std::log1p(std::exp(z)); });
    if (!near.empty()) return near;
    return differs(softplus(leaf({-800, 800})).value().to_vector<double>(), {0, 800}, 1e-14);
  });
  checks.claim(10, "the gradient of softplus is that of central differences", [&] { return first(apply_softplus); });
  checks.claim(5, "the gradient of softplus has a gradient", [&] { return second(apply_softplus); });
}

}  // namespace minima::examples::course
