// SPDX-License-Identifier: MIT
// Ops on images [batch, height, width, channels], and normalisation.
#include "autograd/ops.h"
#include "autograd/record.h"
#include "core/checks.h"
#include "core/ops.h"

namespace minima {

using autograd::Context, autograd::Gradients, autograd::record, autograd::saved, autograd::vjp,
    autograd::epilogue_backward;
using core::UnaryOp, core::BinaryOp;

// y = conv2d(x, weight), without its bias, is linear in x and in weight. With its transposes in each of them,
//   x = conv2d_transpose(y, weight)    and    weight = conv2d_correlate(x, y),
// it forms a family in which every derivative is a member again: <y, conv2d(x, w)> is one form that is linear in x, y
// and w, and each function is its gradient in one of the three.

namespace {
Variable conv2d_correlate(const Variable& x, const Variable& y, const Shape& weight_shape, int64_t stride,
                          int64_t padding) {
  return record(
      "conv2d_correlate", core::conv2d_correlate(x.value(), y.value(), weight_shape, stride, padding),
      {saved(x, y.requires_grad()), saved(y, x.requires_grad())}, [stride, padding](const Context& c) -> Gradients {
        return {c.needs(0) ? conv2d_transpose(c.input(1), c.grad, c.input_shape(0), stride, padding) : Variable(),
                c.needs(1) ? conv2d(c.input(0), c.grad, Variable(), stride, padding) : Variable()};
      });
}
}  // namespace

Variable conv2d_transpose(const Variable& y, const Variable& weight, const Shape& x_shape, int64_t stride,
                          int64_t padding) {
  return record(
      "conv2d_transpose", core::conv2d_transpose(y.value(), weight.value(), x_shape, stride, padding),
      {saved(y, weight.requires_grad()), saved(weight, y.requires_grad())},
      [stride, padding](const Context& c) -> Gradients {
        return {c.needs(0) ? conv2d(c.grad, c.input(1), Variable(), stride, padding) : Variable(),
                c.needs(1) ? conv2d_correlate(c.grad, c.input(0), c.input_shape(1), stride, padding) : Variable()};
      });
}

Variable conv2d(const Variable& x, const Variable& weight, const Variable& bias, int64_t stride, int64_t padding,
                Activation activation) {
  return record("conv2d",
                saved(core::conv2d(x.value(), weight.value(), bias.value(), stride, padding, activation),
                      activation != Activation::none),
                {saved(x, weight.requires_grad()), saved(weight, x.requires_grad()), bias},
                [stride, padding, activation](const Context& c) -> Gradients {
                  const auto [grad, grad_bias] = epilogue_backward(c, activation, 2);
                  Variable grad_x, grad_weight;
                  if (c.needs(1))
                    grad_weight = grad_enabled()
                                      ? conv2d_correlate(c.input(0), grad, c.input_shape(1), stride, padding)
                                      : core::conv2d_correlate(c.input(0).value(), grad.value(), c.input_shape(1),
                                                               stride, padding, c.gradient_memory(1));
                  if (c.needs(0)) grad_x = conv2d_transpose(grad, c.input(1), c.input_shape(0), stride, padding);
                  return {grad_x, grad_weight, grad_bias};
                });
}

namespace {
Variable scatter_positions(const Variable& y, const Tensor& positions, const Shape& x_shape,
                           const core::Window& window);

Variable gather_positions(const Variable& x, const Tensor& positions, const core::Window& window, Tensor value) {
  return record("max_pool2d", std::move(value), {x}, [positions, window](const Context& c) {
    return scatter_positions(c.grad, positions, c.input_shape(0), window);
  });
}

Variable scatter_positions(const Variable& y, const Tensor& positions, const Shape& x_shape,
                           const core::Window& window) {
  return record("max_pool2d_backward", core::scatter_positions(y.value(), positions, x_shape, window), {y},
                [positions, window](const Context& c) {
                  return gather_positions(c.grad, positions, window, core::gather_positions(c.grad.value(), positions));
                });
}

Variable avg_pool2d_transpose(const Variable& y, const Shape& x_shape, const core::Window& window) {
  return record("avg_pool2d_transpose", core::avg_pool2d_transpose(y.value(), x_shape, window), {y},
                [window](const Context& c) { return avg_pool2d(c.grad, window); });
}
}  // namespace

// The positions of the maxima are constants: pooling selects elements of x.
Variable max_pool2d(const Variable& x, const core::Window& window) {
  auto [y, positions] = core::max_pool2d(x.value(), window);
  return gather_positions(x, positions, window, std::move(y));
}

Variable avg_pool2d(const Variable& x, const core::Window& window) {
  return record("avg_pool2d", core::avg_pool2d(x.value(), window), {x},
                [window](const Context& c) { return avg_pool2d_transpose(c.grad, c.input_shape(0), window); });
}

namespace {
// The formula in plain ops, moments along an axis included: what the fused kernels are the forward and backward of, but
// for the bias. What is taken off first is a constant that the true mean then corrects: the mean of large numbers alone
// would be too coarse in float32.
Variable plain_normalise(const Variable& x, const Tensor& mean_of_x, int axis, const Variable& weight, double epsilon) {
  const Variable shifted = x - Variable(mean_of_x.to(x.dtype()));
  const Variable centred = shifted - mean(shifted, axis, keep_dims);
  const Variable variance = mean(square(centred), axis, keep_dims);
  return centred / sqrt(variance + epsilon) * weight;
}

Variable plain_batch_norm(const Variable& x, const Tensor& mean_of_x, const Variable& weight, const Variable& bias,
                          double epsilon) {
  const Variable rows = reshape(x, {x.numel() / x.size(-1), x.size(-1)});
  return reshape(plain_normalise(rows, mean_of_x, 0, weight, epsilon) + bias, x.shape());
}

Variable plain_layer_norm(const Variable& x, const Variable& weight, double epsilon) {
  return plain_normalise(x, mean(x.detach(), -1, keep_dims).value(), -1, weight, epsilon);
}

// The gradient of y where the op gave activation(y + residual): that of the residual, too.
Variable before_activation(const Context& c, Activation activation) {
  return activation == Activation::none ? c.grad : where_positive(c.grad, c.output().detach());
}
}  // namespace

std::pair<Variable, core::Moments> batch_norm(const Variable& x, const Variable& weight, const Variable& bias,
                                              double epsilon, const Epilogue& epilogue) {
  const auto& [residual, activation] = epilogue;
  core::require_affine("batch_norm", weight.value(), bias.value(), epsilon, x.value());
  if (x.numel() == 0) fail("batch_norm", text("x of shape ", x.shape()), "at least one element a channel");
  const core::Moments moments = core::channel_moments(x.value());
  Tensor value =
      core::normalise(x.value(), moments, weight.value(), bias.value(), epsilon, residual.value(), activation);
  Variable y =
      record("batch_norm", saved(std::move(value), activation != Activation::none),
             {saved(x), saved(weight), saved(bias), residual},
             [moments, epsilon, activation = activation](const Context& c) -> Gradients {
               if (grad_enabled()) {
                 const Variable grad = before_activation(c, activation);
                 Gradients gradients =
                     vjp([&](const auto& v) { return plain_batch_norm(v[0], moments.mean, v[1], v[2], epsilon); },
                         {c.input(0), c.input(1), c.input(2)}, grad);
                 gradients.push_back(grad);
                 return gradients;
               }
               const core::NormaliseEpilogue did{.activation = activation,
                                                 .has_residual = c.needs(3),
                                                 .y = activation == Activation::none ? Tensor() : c.output().value()};
               const auto [dx, dweight, dbias, dresidual] = core::normalise_backward(
                   c.grad.value(), c.input(0).value(), moments, c.input(1).value(), c.input(2).value(), epsilon, did,
                   {.x = {}, .weight = c.gradient_memory(1), .bias = c.gradient_memory(2), .residual = {}});
               return {dx, dweight, dbias, dresidual};
             });
  return {y, moments};
}

// The moments are recorded as inputs, constant ones, so that changing them in place is noticed. The driver sums the
// gradients of weight and bias over everything but channels.
Variable normalise(const Variable& x, const core::Moments& moments, const Variable& weight, const Variable& bias,
                   double epsilon, const Epilogue& epilogue) {
  const auto& [residual, activation] = epilogue;
  const Variable fixed_mean(moments.mean), fixed_variance(moments.variance);
  return record(
      "normalise",
      saved(core::normalise(x.value(), moments, weight.value(), bias.value(), epsilon, residual.value(), activation),
            activation != Activation::none),
      {saved(x), saved(weight), saved(bias), saved(fixed_mean), saved(fixed_variance), residual},
      [epsilon, activation = activation](const Context& c) -> Gradients {
        const Variable grad = before_activation(c, activation);
        const Tensor exact = c.input(3).value(), mean = exact.to(grad.dtype());
        const Tensor rest = core::binary(BinaryOp::subtract, exact, mean.to(exact.dtype()));
        const Variable centred = (c.input(0) - Variable(mean)) - Variable(rest.to(grad.dtype()));
        const Variable slope = 1 / sqrt(Variable(c.input(4).value().to(grad.dtype())) + epsilon);
        return {grad * (c.input(1) * slope), grad * (centred * slope), grad, Variable(), Variable(), grad};
      });
}

Variable layer_norm(const Variable& x, const Variable& weight, const Variable& bias, double epsilon) {
  return record("layer_norm", core::layer_norm(x.value(), weight.value(), bias.value(), epsilon),
                {saved(x), saved(weight), bias}, [epsilon](const Context& c) -> Gradients {
                  if (grad_enabled()) {
                    Gradients gradients = vjp([&](const auto& v) { return plain_layer_norm(v[0], v[1], epsilon); },
                                              {c.input(0), c.input(1)}, c.grad);
                    gradients.push_back(c.grad);
                    return gradients;
                  }
                  const auto [dx, dweight, dbias, unused] = core::layer_norm_backward(
                      c.grad.value(), c.input(0).value(), c.input(1).value(), epsilon,
                      {.x = {}, .weight = c.gradient_memory(1), .bias = c.gradient_memory(2), .residual = {}});
                  return {dx, dweight, dbias};
                });
}

}  // namespace minima
