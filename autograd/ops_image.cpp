// Ops on images [batch, channels, height, width], and batch normalisation.
#include "autograd/ops.h"
#include "autograd/record.h"
#include "core/ops.h"

namespace minima {

using autograd::Context, autograd::Gradients, autograd::record, autograd::saved, autograd::vjp;
using core::UnaryOp, core::BinaryOp;

// --------------------------------------------------------------------------------------------- convolution
// y = conv2d(x, weight) is linear in x and in weight. With its transposes in each of them,
//   x = conv2d_transpose(y, weight)    and    weight = conv2d_correlate(x, y),
// it forms a family in which every derivative is a member again: <y, conv2d(x, w)> is one form that is linear in x, y
// and w, and each function is its gradient in one of the three.

namespace {

Variable conv2d_correlate(const Variable& x, const Variable& y, const Shape& weight_shape, int64_t stride,
                          int64_t padding);

Variable conv2d_transpose(const Variable& y, const Variable& weight, const Shape& x_shape, int64_t stride,
                          int64_t padding) {
  return record(
      "conv2d_transpose", core::conv2d_transpose(y.value(), weight.value(), x_shape, stride, padding),
      {saved(y, weight.requires_grad()), saved(weight, y.requires_grad())},
      [stride, padding](const Context& c) -> Gradients {
        return {c.needs(0) ? conv2d(c.grad, c.input(1), stride, padding) : Variable(),
                c.needs(1) ? conv2d_correlate(c.grad, c.input(0), c.input_shape(1), stride, padding) : Variable()};
      });
}

Variable conv2d_correlate(const Variable& x, const Variable& y, const Shape& weight_shape, int64_t stride,
                          int64_t padding) {
  return record(
      "conv2d_correlate", core::conv2d_correlate(x.value(), y.value(), weight_shape, stride, padding),
      {saved(x, y.requires_grad()), saved(y, x.requires_grad())}, [stride, padding](const Context& c) -> Gradients {
        return {c.needs(0) ? conv2d_transpose(c.input(1), c.grad, c.input_shape(0), stride, padding) : Variable(),
                c.needs(1) ? conv2d(c.input(0), c.grad, stride, padding) : Variable()};
      });
}

}  // namespace

Variable conv2d(const Variable& x, const Variable& weight, int64_t stride, int64_t padding) {
  return record(
      "conv2d", core::conv2d(x.value(), weight.value(), stride, padding),
      {saved(x, weight.requires_grad()), saved(weight, x.requires_grad())},
      [stride, padding](const Context& c) -> Gradients {
        return {c.needs(0) ? conv2d_transpose(c.grad, c.input(1), c.input_shape(0), stride, padding) : Variable(),
                c.needs(1) ? conv2d_correlate(c.input(0), c.grad, c.input_shape(1), stride, padding) : Variable()};
      });
}

// ------------------------------------------------------------------------------------------------- pooling

namespace {

Variable scatter_planes(const Variable& y, const Tensor& positions, const Shape& x_shape);

Variable gather_planes(const Variable& x, const Tensor& positions, Tensor value) {
  return record("max_pool2d", std::move(value), {x},
                [positions](const Context& c) { return scatter_planes(c.grad, positions, c.input_shape(0)); });
}

Variable scatter_planes(const Variable& y, const Tensor& positions, const Shape& x_shape) {
  return record("max_pool2d_backward", core::scatter_planes(y.value(), positions, x_shape), {y},
                [positions](const Context& c) {
                  return gather_planes(c.grad, positions, core::gather_planes(c.grad.value(), positions));
                });
}

Variable avg_pool2d_transpose(const Variable& y, const Shape& x_shape, const Window& window) {
  return record("avg_pool2d_transpose", core::avg_pool2d_transpose(y.value(), x_shape, window), {y},
                [window](const Context& c) { return avg_pool2d(c.grad, window); });
}

}  // namespace

// The positions of the maxima are constants: pooling selects elements of x.
Variable max_pool2d(const Variable& x, const Window& window) {
  auto [y, positions] = core::max_pool2d(x.value(), window);
  return gather_planes(x, positions, std::move(y));
}

Variable avg_pool2d(const Variable& x, const Window& window) {
  return record("avg_pool2d", core::avg_pool2d(x.value(), window), {x},
                [window](const Context& c) { return avg_pool2d_transpose(c.grad, c.input_shape(0), window); });
}

// ------------------------------------------------------------------------------------- batch normalisation

namespace {

// The formula in plain ops, moments included: what the fused kernels are the forward and backward of.
Variable plain_batch_norm(const Variable& x, const Variable& weight, const Variable& bias, double epsilon) {
  const int64_t channels = x.size(1);
  const Variable x3 = reshape(x, {x.size(0), channels, -1});
  const Variable centred = x3 - mean(mean(x3, 2, keep_dims), 0, keep_dims);
  const Variable variance = mean(mean(square(centred), 2, keep_dims), 0, keep_dims);
  const Variable y = centred / sqrt(variance + epsilon) * reshape(weight, {channels, 1}) + reshape(bias, {channels, 1});
  return reshape(y, x.shape());
}

Tensor times(const Tensor& x, const Tensor& y) { return core::binary(BinaryOp::multiply, x, y); }
Tensor scaled(const Tensor& x, double a) { return core::unary(UnaryOp::affine, x, a); }
Tensor inverse_deviation(const Tensor& variance, double epsilon) {
  return core::unary(UnaryOp::power, core::unary(UnaryOp::affine, variance, 1, epsilon), -0.5);
}

// With n elements a channel and x^ = (x - mean) / deviation:
//   dbias = sum grad,   dweight = sum grad x^,   dx = weight / deviation * (grad - dbias / n - x^ dweight / n)
// where dx is written as a * grad + b * x + c, so that one pass gathers the sums and one more writes it.
Gradients fused_batch_norm_backward(const Context& c, const Tensor& mean, const Tensor& variance, double epsilon) {
  const Tensor x = c.input(0).value(), grad = c.grad.value();
  const double n = static_cast<double>(x.numel()) / static_cast<double>(x.size(1));
  const Tensor inverse = inverse_deviation(variance, epsilon);
  const auto [sum_grad, sum_grad_x] = core::channel_sums(grad, x);
  Tensor dweight = sum_grad_x.clone();
  core::add_scaled(dweight, -1, times(mean, sum_grad));
  dweight = times(dweight, inverse);
  Gradients gradients;
  if (c.needs(0)) {
    const Tensor a = times(c.input(1).value(), inverse);
    const Tensor b = scaled(times(a, times(inverse, dweight)), -1 / n);
    Tensor shift = scaled(times(a, sum_grad), -1 / n);
    core::add_scaled(shift, -1, times(b, mean));
    gradients.push_back(core::channel_combine(grad, x, a, b, shift));
  } else {
    gradients.push_back(Variable());
  }
  gradients.push_back(dweight);
  gradients.push_back(sum_grad);
  return gradients;
}

}  // namespace

Variable batch_norm(const Variable& x, const Variable& weight, const Variable& bias, const Tensor& mean,
                    const Tensor& variance, double epsilon) {
  if (x.shape().rank() < 2) fail("batch_norm", text("x of shape ", x.shape()), "[batch, channels, ...]");
  const Shape channels{x.size(1)};
  for (const Shape& shape : {weight.shape(), bias.shape(), mean.shape(), variance.shape()})
    if (shape != channels)
      fail("batch_norm",
           text("weight ", weight.shape(), ", bias ", bias.shape(), ", mean ", mean.shape(), ", variance ",
                variance.shape()),
           text("each of shape ", channels, ", the channels of x ", x.shape()));
  const Tensor a = times(weight.value(), inverse_deviation(variance, epsilon));
  Tensor b = bias.value().clone();
  core::add_scaled(b, -1, times(a, mean));
  return record("batch_norm", core::channel_affine(x.value(), a, b), {saved(x), saved(weight), saved(bias)},
                [mean, variance, epsilon](const Context& c) {
                  if (!grad_enabled()) return fused_batch_norm_backward(c, mean, variance, epsilon);
                  return vjp([epsilon](const auto& v) { return plain_batch_norm(v[0], v[1], v[2], epsilon); },
                             {c.input(0), c.input(1), c.input(2)}, c.grad);
                });
}

}  // namespace minima
