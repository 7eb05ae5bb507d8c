// SPDX-License-Identifier: MIT
// Ops that act element by element.
#include "autograd/ops.h"
#include "autograd/record.h"
#include "core/checks.h"
#include "core/ops.h"

namespace minima {

using autograd::Context, autograd::Gradients, autograd::record, autograd::saved;
using core::UnaryOp, core::BinaryOp;

namespace {
constexpr double pi = 3.14159265358979323846;

Variable constant(double value, const Variable& like) {
  return Variable(Tensor::full({}, value, like.dtype(), like.device()));
}

// Where x > y, as 1 and 0. It does not depend on x or y as far as gradients go.
Variable is_greater(const Variable& x, const Variable& y) {
  return Variable(core::binary(BinaryOp::greater, x.value(), y.value()));
}

// A product for derivatives of what follows, where 0 * infinity is 0 on either side: either may be the gradient of an
// element that nothing depends on.
Variable bilinear(const Variable& x, const Variable& y) {
  return record("bilinear", core::binary(BinaryOp::bilinear, x.value(), y.value()),
                {saved(x, y.requires_grad()), saved(y, x.requires_grad())}, [](const Context& c) -> Gradients {
                  return {c.needs(0) ? bilinear(c.grad, c.input(1)) : Variable(),
                          c.needs(1) ? bilinear(c.grad, c.input(0)) : Variable()};
                });
}

// The chain rule where a slope may be infinite: gradient * slope and gradient / inverse slope, but 0 where the gradient
// is 0. Nothing depends on that element then, and 0 * infinity would be NaN: sqrt at 0 behind a maximum that took its
// other operand.

Variable chain_multiply(const Variable& grad, const Variable& slope) {
  return record("chain_multiply", core::binary(BinaryOp::chain_multiply, grad.value(), slope.value()),
                {saved(grad, slope.requires_grad()), saved(slope, grad.requires_grad())},
                [](const Context& c) -> Gradients {
                  return {c.needs(0) ? chain_multiply(c.grad, c.input(1)) : Variable(),
                          c.needs(1) ? bilinear(c.grad, c.input(0)) : Variable()};
                });
}

Variable chain_divide(const Variable& grad, const Variable& inverse) {
  return record("chain_divide", saved(core::binary(BinaryOp::chain_divide, grad.value(), inverse.value())),
                {grad, saved(inverse)}, [](const Context& c) -> Gradients {
                  const Variable slope = chain_divide(c.grad, c.input(1));
                  return {slope, c.needs(1) ? -bilinear(slope, c.output()) : Variable()};
                });
}
}  // namespace

Variable operator+(const Variable& x, const Variable& y) {
  return record("add", core::binary(BinaryOp::add, x.value(), y.value()), {x, y},
                [](const Context& c) -> Gradients { return {c.grad, c.grad}; });
}

Variable operator-(const Variable& x, const Variable& y) {
  return record("subtract", core::binary(BinaryOp::subtract, x.value(), y.value()), {x, y},
                [](const Context& c) -> Gradients { return {c.grad, c.needs(1) ? -c.grad : Variable()}; });
}

Variable operator*(const Variable& x, const Variable& y) {
  // BEGIN SOLUTION 1
  return record("multiply", core::binary(BinaryOp::multiply, x.value(), y.value()),
                {saved(x, y.requires_grad()), saved(y, x.requires_grad())}, [](const Context& c) -> Gradients {
                  return {c.needs(0) ? chain_multiply(c.grad, c.input(1)) : Variable(),
                          c.needs(1) ? chain_multiply(c.grad, c.input(0)) : Variable()};
                });
  // END SOLUTION
}

Variable operator/(const Variable& x, const Variable& y) {
  return record("divide", saved(core::binary(BinaryOp::divide, x.value(), y.value()), y.requires_grad()), {x, saved(y)},
                [](const Context& c) -> Gradients {
                  const Variable dx = chain_divide(c.grad, c.input(1));
                  return {dx, c.needs(1) ? -chain_multiply(dx, c.output()) : Variable()};
                });
}

Variable affine(const Variable& x, double a, double b) {
  return record("affine", core::unary(UnaryOp::affine, x.value(), a, b), {x},
                [a](const Context& c) { return a == 1 ? c.grad : affine(c.grad, a, 0); });
}

namespace {
// Refuses x in the name of the op that was called.
Variable affine_for(const char* op, const Variable& x, double a, double b) {
  core::require_floating(op, x.value());
  return affine(x, a, b);
}
}  // namespace

Variable operator+(const Variable& x, double y) { return affine_for("add", x, 1, y); }
Variable operator-(const Variable& x, double y) { return affine_for("subtract", x, 1, -y); }
Variable operator*(const Variable& x, double y) { return affine_for("multiply", x, y, 0); }
Variable operator/(const Variable& x, double y) { return x / constant(y, x); }
Variable operator+(double x, const Variable& y) { return affine_for("add", y, 1, x); }
Variable operator-(double x, const Variable& y) { return affine_for("subtract", y, -1, x); }
Variable operator*(double x, const Variable& y) { return affine_for("multiply", y, x, 0); }
Variable operator/(double x, const Variable& y) { return constant(x, y) / y; }
Variable operator-(const Variable& x) { return affine_for("negate", x, -1, 0); }

// The gradient is handed to one side by selection, not by a product with 0, which would turn infinity into NaN.
Variable maximum(const Variable& x, const Variable& y) {
  return record("maximum", core::binary(BinaryOp::maximum, x.value(), y.value()), {saved(x), saved(y)},
                [](const Context& c) -> Gradients {
                  const Variable takes_y = is_greater(c.input(1), c.input(0));
                  return {where_positive(c.grad, 1 - takes_y), where_positive(c.grad, takes_y)};
                });
}

Variable minimum(const Variable& x, const Variable& y) {
  return record("minimum", core::binary(BinaryOp::minimum, x.value(), y.value()), {saved(x), saved(y)},
                [](const Context& c) -> Gradients {
                  const Variable takes_y = is_greater(c.input(0), c.input(1));
                  return {where_positive(c.grad, 1 - takes_y), where_positive(c.grad, takes_y)};
                });
}

Variable where_positive(const Variable& x, const Variable& y) {
  return record("where_positive", core::binary(BinaryOp::where_positive, x.value(), y.value()), {x, saved(y)},
                [](const Context& c) -> Gradients {
                  return {c.needs(0) ? where_positive(c.grad, c.input(1).detach()) : Variable(), Variable()};
                });
}

// The slope in the logit, sigmoid(logit) - target, without the difference: it would lose its digits where both are
// close to 1.
Variable binary_cross_entropies(const Variable& logits, const Variable& targets) {
  return record("binary_cross_entropies", core::binary(BinaryOp::binary_cross_entropy, logits.value(), targets.value()),
                {saved(logits), saved(targets)}, [](const Context& c) -> Gradients {
                  const Variable z = c.input(0), t = c.input(1);
                  return {c.needs(0) ? c.grad * ((1 - t) * sigmoid(z) - t * sigmoid(-z)) : Variable(),
                          c.needs(1) ? chain_multiply(c.grad, -z) : Variable()};
                });
}

Variable exp(const Variable& x) {
  return record("exp", saved(core::unary(UnaryOp::exp, x.value())), {x},
                [](const Context& c) { return chain_multiply(c.grad, c.output()); });
}

Variable log(const Variable& x) {
  return record("log", core::unary(UnaryOp::log, x.value()), {saved(x)},
                [](const Context& c) { return chain_divide(c.grad, c.input(0)); });
}

Variable log1p(const Variable& x) {
  return record("log1p", core::unary(UnaryOp::log1p, x.value()), {saved(x)},
                [](const Context& c) { return chain_divide(c.grad, 1 + c.input(0)); });
}

Variable sqrt(const Variable& x) {
  return record("sqrt", saved(core::unary(UnaryOp::sqrt, x.value())), {x},
                [](const Context& c) { return chain_divide(c.grad * 0.5, c.output()); });
}

// The derivative of x^0 is 0 everywhere: written out, it would be 0 * x^-1, which is NaN at 0.
Variable pow(const Variable& x, double exponent) {
  core::require_floating("pow", x.value());
  return record("pow", core::unary(UnaryOp::power, x.value(), exponent), {saved(x)}, [exponent](const Context& c) {
    return exponent == 0 ? Variable() : chain_multiply(c.grad, exponent * pow(c.input(0), exponent - 1));
  });
}

Variable square(const Variable& x) {
  core::require_floating("square", x.value());
  return record("square", core::unary(UnaryOp::power, x.value(), 2), {saved(x)},
                [](const Context& c) { return chain_multiply(c.grad, 2 * c.input(0)); });
}

Variable abs(const Variable& x) {
  return record("abs", core::unary(UnaryOp::abs, x.value()), {saved(x)},
                [](const Context& c) { return c.grad * Variable(core::unary(UnaryOp::sign, c.input(0).value())); });
}

Variable sin(const Variable& x) {
  return record("sin", core::unary(UnaryOp::sin, x.value()), {saved(x)},
                [](const Context& c) { return c.grad * cos(c.input(0)); });
}

Variable cos(const Variable& x) {
  return record("cos", core::unary(UnaryOp::cos, x.value()), {saved(x)},
                [](const Context& c) { return -c.grad * sin(c.input(0)); });
}

Variable tanh(const Variable& x) {
  // BEGIN SOLUTION 1
  return record("tanh", saved(core::unary(UnaryOp::tanh, x.value())), {x},
                [](const Context& c) { return c.grad * (1 - square(c.output())); });
  // END SOLUTION
}

Variable sigmoid(const Variable& x) {
  return record("sigmoid", saved(core::unary(UnaryOp::sigmoid, x.value())), {x}, [](const Context& c) {
    const Variable y = c.output();
    return c.grad * (y * (1 - y));
  });
}

Variable softplus(const Variable& x) {
  // BEGIN SOLUTION 1
  return record("softplus", core::unary(UnaryOp::softplus, x.value()), {saved(x)},
                [](const Context& c) { return c.grad * sigmoid(c.input(0)); });
  // END SOLUTION
}

Variable relu(const Variable& x) {
  return record("relu", saved(core::unary(UnaryOp::relu, x.value())), {x},
                [](const Context& c) { return where_positive(c.grad, c.output().detach()); });
}

Variable erf(const Variable& x) {
  return record("erf", core::unary(UnaryOp::erf, x.value()), {saved(x)},
                [](const Context& c) { return c.grad * (2 / std::sqrt(pi) * exp(-square(c.input(0)))); });
}

namespace {
Variable gelu_slope(const Variable& x) {
  return record("gelu_slope", core::unary(UnaryOp::gelu_slope, x.value()), {saved(x)}, [](const Context& c) {
    // Beyond 40 the density is 0; at infinity, the product would be 0 * infinity.
    const Variable x = maximum(minimum(c.input(0), constant(40, c.grad)), constant(-40, c.grad));
    const Variable density = exp(-0.5 * square(x)) / std::sqrt(2 * pi);
    return c.grad * (density * (2 - square(x)));
  });
}
}  // namespace

Variable gelu(const Variable& x) {
  return record("gelu", core::unary(UnaryOp::gelu, x.value()), {saved(x)},
                [](const Context& c) { return c.grad * gelu_slope(c.input(0)); });
}

Variable dropout(const Variable& x, double probability) {
  if (!(probability >= 0 && probability < 1))
    fail("dropout", text("a probability of ", probability), "at least 0 and less than 1");
  core::require_floating("dropout", x.value());
  if (probability == 0) return x;
  const double keep = 1 - probability;
  // Drawn as float32 whatever x is, so that a check in float64 sees the mask that training saw.
  const Tensor kept = default_generator().bernoulli(x.shape(), keep, DType::float32, x.device()).to(x.dtype());
  // A product that is 0 where nothing is kept, even of infinity: so is its gradient.
  return chain_multiply(Variable(core::unary(UnaryOp::affine, kept, 1 / keep)), x);
}

}  // namespace minima
