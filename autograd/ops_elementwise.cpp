// Ops that act element by element.
#include "autograd/ops.h"
#include "autograd/record.h"
#include "core/ops.h"

namespace minima {

namespace {
constexpr double pi = 3.14159265358979323846;

Variable constant(double value, const Variable& like) {
  return Variable(Tensor::full({}, value, like.dtype(), like.device()));
}

// A number that does not depend on x: no gradient flows through comparisons.
Variable compare(BinaryOp op, const Variable& x, const Variable& y) {
  return Variable(core::binary(op, x.value(), y.value()));
}
}  // namespace

// ---------------------------------------------------------------------------------------------- arithmetic

Variable operator+(const Variable& x, const Variable& y) {
  return record("add", core::binary(BinaryOp::add, x.value(), y.value()), {x, y}, saves_nothing,
                [](const Context& c) -> Gradients { return {c.grad, c.grad}; });
}

Variable operator-(const Variable& x, const Variable& y) {
  return record("subtract", core::binary(BinaryOp::subtract, x.value(), y.value()), {x, y}, saves_nothing,
                [](const Context& c) -> Gradients { return {c.grad, c.needs(1) ? -c.grad : Variable()}; });
}

Variable operator*(const Variable& x, const Variable& y) {
  return record("multiply", core::binary(BinaryOp::multiply, x.value(), y.value()), {x, y}, saves_partners,
                [](const Context& c) -> Gradients {
                  return {c.needs(0) ? c.grad * c.input(1) : Variable(), c.needs(1) ? c.grad * c.input(0) : Variable()};
                });
}

Variable operator/(const Variable& x, const Variable& y) {
  const Saves saves = y.requires_grad() ? saves_second | saves_output : saves_second;
  return record("divide", core::binary(BinaryOp::divide, x.value(), y.value()), {x, y}, saves,
                [](const Context& c) -> Gradients {
                  const Variable dx = c.grad / c.input(1);
                  return {dx, c.needs(1) ? -dx * c.output() : Variable()};
                });
}

Variable affine(const Variable& x, double a, double b) {
  return record("affine", core::unary(UnaryOp::affine, x.value(), a, b), {x}, saves_nothing,
                [a](const Context& c) { return a == 1 ? c.grad : affine(c.grad, a, 0); });
}

Variable operator+(const Variable& x, double y) { return affine(x, 1, y); }
Variable operator-(const Variable& x, double y) { return affine(x, 1, -y); }
Variable operator*(const Variable& x, double y) { return affine(x, y, 0); }
Variable operator/(const Variable& x, double y) { return x / constant(y, x); }
Variable operator+(double x, const Variable& y) { return affine(y, 1, x); }
Variable operator-(double x, const Variable& y) { return affine(y, -1, x); }
Variable operator*(double x, const Variable& y) { return affine(y, x, 0); }
Variable operator/(double x, const Variable& y) { return constant(x, y) / y; }
Variable operator-(const Variable& x) { return affine(x, -1, 0); }

Variable maximum(const Variable& x, const Variable& y) {
  return record("maximum", core::binary(BinaryOp::maximum, x.value(), y.value()), {x, y}, saves_inputs,
                [](const Context& c) -> Gradients {
                  const Variable y_is_larger = compare(BinaryOp::greater, c.input(1), c.input(0));
                  return {c.grad * (1 - y_is_larger), c.grad * y_is_larger};
                });
}

Variable minimum(const Variable& x, const Variable& y) {
  return record("minimum", core::binary(BinaryOp::minimum, x.value(), y.value()), {x, y}, saves_inputs,
                [](const Context& c) -> Gradients {
                  const Variable x_is_larger = compare(BinaryOp::greater, c.input(0), c.input(1));
                  return {c.grad * (1 - x_is_larger), c.grad * x_is_larger};
                });
}

Variable where_positive(const Variable& x, const Variable& y) {
  return record("where_positive", core::binary(BinaryOp::where_positive, x.value(), y.value()), {x, y}, saves_second,
                [](const Context& c) -> Gradients {
                  return {c.needs(0) ? where_positive(c.grad, c.input(1).detach()) : Variable(), Variable()};
                });
}

// ---------------------------------------------------------------------------------- functions of one element

Variable exp(const Variable& x) {
  return record("exp", core::unary(UnaryOp::exp, x.value()), {x}, saves_output,
                [](const Context& c) { return c.grad * c.output(); });
}

Variable log(const Variable& x) {
  return record("log", core::unary(UnaryOp::log, x.value()), {x}, saves_inputs,
                [](const Context& c) { return c.grad / c.input(0); });
}

Variable sqrt(const Variable& x) {
  return record("sqrt", core::unary(UnaryOp::sqrt, x.value()), {x}, saves_output,
                [](const Context& c) { return c.grad * 0.5 / c.output(); });
}

// The derivative of x^0 is 0 everywhere: written out, it would be 0 * x^-1, which is NaN at 0.
Variable pow(const Variable& x, double exponent) {
  return record("pow", core::unary(UnaryOp::power, x.value(), exponent), {x}, saves_inputs,
                [exponent](const Context& c) {
                  return exponent == 0 ? c.grad * 0 : c.grad * (exponent * pow(c.input(0), exponent - 1));
                });
}

Variable square(const Variable& x) {
  return record("square", core::unary(UnaryOp::power, x.value(), 2), {x}, saves_inputs,
                [](const Context& c) { return c.grad * (2 * c.input(0)); });
}

Variable abs(const Variable& x) {
  return record("abs", core::unary(UnaryOp::abs, x.value()), {x}, saves_inputs,
                [](const Context& c) { return c.grad * Variable(core::unary(UnaryOp::sign, c.input(0).value())); });
}

Variable sin(const Variable& x) {
  return record("sin", core::unary(UnaryOp::sin, x.value()), {x}, saves_inputs,
                [](const Context& c) { return c.grad * cos(c.input(0)); });
}

Variable cos(const Variable& x) {
  return record("cos", core::unary(UnaryOp::cos, x.value()), {x}, saves_inputs,
                [](const Context& c) { return -c.grad * sin(c.input(0)); });
}

Variable tanh(const Variable& x) {
  return record("tanh", core::unary(UnaryOp::tanh, x.value()), {x}, saves_output,
                [](const Context& c) { return c.grad * (1 - square(c.output())); });
}

Variable sigmoid(const Variable& x) {
  return record("sigmoid", core::unary(UnaryOp::sigmoid, x.value()), {x}, saves_output, [](const Context& c) {
    const Variable y = c.output();
    return c.grad * (y * (1 - y));
  });
}

Variable softplus(const Variable& x) {
  return record("softplus", core::unary(UnaryOp::softplus, x.value()), {x}, saves_inputs,
                [](const Context& c) { return c.grad * sigmoid(c.input(0)); });
}

Variable relu(const Variable& x) {
  return record("relu", core::unary(UnaryOp::relu, x.value()), {x}, saves_output,
                [](const Context& c) { return where_positive(c.grad, c.output().detach()); });
}

Variable erf(const Variable& x) {
  return record("erf", core::unary(UnaryOp::erf, x.value()), {x}, saves_inputs,
                [](const Context& c) { return c.grad * (2 / std::sqrt(pi) * exp(-square(c.input(0)))); });
}

Variable gelu(const Variable& x) {
  return record("gelu", core::unary(UnaryOp::gelu, x.value()), {x}, saves_inputs, [](const Context& c) {
    const Variable x = c.input(0);
    const Variable distribution = 0.5 + 0.5 * erf(x / std::sqrt(2.0));
    const Variable density = exp(-0.5 * square(x)) / std::sqrt(2 * pi);
    return c.grad * (distribution + x * density);
  });
}

Variable dropout(const Variable& x, double probability) {
  if (!(probability >= 0 && probability < 1))
    fail("dropout", text("a probability of ", probability), "at least 0 and less than 1");
  if (probability == 0) return x;
  const double keep = 1 - probability;
  // Drawn as float32 whatever x is, so that a check in float64 sees the mask that training saw.
  const Tensor kept = default_generator().bernoulli(x.shape(), keep, DType::float32, x.device()).to(x.dtype());
  return x * Variable(core::unary(UnaryOp::affine, kept, 1 / keep));
}

}  // namespace minima
