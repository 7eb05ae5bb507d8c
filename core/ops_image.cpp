// SPDX-License-Identifier: MIT
// Operations on images [batch, height, width, channels], and normalisation.
#include <atomic>
#include <limits>

#include "core/checks.h"
#include "core/ops.h"

namespace minima::core {
namespace {
void require_floating_image(const char* op, const char* what, const Tensor& x) {
  require_floating(op, x);
  if (x.rank() != 4) fail(op, text(what, " of shape ", x.shape()), "images [batch, height, width, channels]");
}

Shape window_output(const char* op, const Window& window, const Shape& x, int64_t channels) {
  if (window.stride < 1 || window.padding < 0 || window.kernel_h < 1 || window.kernel_w < 1)
    fail(op,
         text("kernel ", window.kernel_h, "x", window.kernel_w, ", stride ", window.stride, ", padding ",
              window.padding),
         "kernel and stride of at least 1, padding of at least 0");
  if (x[1] < 1 || x[2] < 1) fail(op, text("images of ", x[1], "x", x[2]), "at least one pixel");
  if (x[1] + 2 * window.padding < window.kernel_h || x[2] + 2 * window.padding < window.kernel_w)
    fail(op, text("images of ", x[1], "x", x[2], " with padding ", window.padding),
         text("at least the kernel's ", window.kernel_h, "x", window.kernel_w),
         "The images are too small for this layer.");
  return Shape{x[0], window.out_extent(x[1], window.kernel_h), window.out_extent(x[2], window.kernel_w), channels};
}

// Checks one set of convolution shapes and returns that of y.
Shape conv2d_output(const char* op, const Shape& x, const Shape& weight, const Window& window) {
  if (x.rank() != 4) fail(op, text("x of shape ", x), "images [batch, height, width, channels]");
  if (x[3] != weight[3])
    fail(op, text("x ", x, " and weight ", weight), text("x with the weight's ", weight[3], " input channels, last"),
         layout_hint(x, weight[3]));
  return window_output(op, window, x, weight[0]);
}

Window weight_window(const char* op, const Shape& weight, int64_t stride, int64_t padding) {
  if (weight.rank() != 4) fail(op, text("weight of shape ", weight), "[out, kernel height, kernel width, in]");
  return {weight[1], weight[2], stride, padding};
}

std::atomic<ConvAlgorithm> chosen_algorithm{ConvAlgorithm::automatic};

// Positions as max_pool2d gives them. Those of one's own could point anywhere in memory; on a GPU nobody looks, as a
// step would have to wait for it.
void check_positions(const char* op, const Tensor& positions, const Shape& x) {
  require_defined(op, positions);
  if (x.rank() != 4 || positions.rank() != 4 || positions.dtype() != DType::int32 || positions.size(0) != x[0])
    fail(op, text(name_of(positions.dtype()), " positions ", positions.shape(), " for x ", x),
         "int32 positions for the same batch");
  if (positions.device() != Device::cpu) return;
  const auto* at = reinterpret_cast<const uint32_t*>(positions.raw());
  const auto elements = static_cast<uint32_t>(x[1] * x[2] * x[3]);
  uint32_t outside = 0;  // the highest bit tells: one test for all keeps the loop short
  for (int64_t i = 0; i < positions.numel(); ++i) outside |= at[i] | (elements - 1 - at[i]);
  if (outside >> 31 == 0) return;
  for (int64_t i = 0; i < positions.numel(); ++i)
    if (at[i] >= elements)
      fail(op, text("position ", static_cast<int32_t>(at[i]), " at index ", i), text("0 to ", elements - 1));
}

Moments checked_moments(const char* op, const Moments& moments, const Tensor& x) {
  require_per_channel(op, "mean", moments.mean, x);
  require_per_channel(op, "variance", moments.variance, x);
  return {moments.mean.to(DType::float64), moments.variance.to(DType::float64)};
}
}  // namespace

std::string layout_hint(const Shape& images, int64_t channels) {
  if (images.rank() != 4 || images[1] != channels || images[3] == channels) return "";
  return text("Read as (batch, height, width, channels), these are ", images[1], " x ", images[2], " pixels of ",
              images[3], " channels; read as (batch, channels, height, width), ", images[2], " x ", images[3],
              " pixels of ", images[1],
              " channels. If the second is meant, put the channels last first: ", "permute(x, {0, 2, 3, 1}).");
}

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t stride, int64_t padding,
              Activation activation) {
  require_floating_image("conv2d", "x", x);
  require_floating("conv2d", weight);
  require_same_type("conv2d", x, weight);
  const Window window = weight_window("conv2d", weight.shape(), stride, padding);
  const Shape shape = conv2d_output("conv2d", x.shape(), weight.shape(), window);
  require_bias("conv2d", bias, shape[3], x);
  Tensor y = Tensor::empty(shape, x.dtype(), x.device());
  backend(x.device()).conv2d(window, x, weight, bias, activation, y);
  return y;
}

Tensor conv2d_transpose(const Tensor& y, const Tensor& weight, const Shape& x_shape, int64_t stride, int64_t padding) {
  require_floating_image("conv2d_transpose", "y", y);
  require_floating("conv2d_transpose", weight);
  require_same_type("conv2d_transpose", y, weight);
  const Window window = weight_window("conv2d_transpose", weight.shape(), stride, padding);
  const Shape expected = conv2d_output("conv2d_transpose", x_shape, weight.shape(), window);
  if (y.shape() != expected) fail("conv2d_transpose", text("y ", y.shape()), text(expected, " for x ", x_shape));
  Tensor x = Tensor::empty(x_shape, y.dtype(), y.device());
  backend(y.device()).conv2d_transpose(window, y, weight, x);
  return x;
}

Tensor conv2d_correlate(const Tensor& x, const Tensor& y, const Shape& weight_shape, int64_t stride, int64_t padding,
                        Tensor into) {
  require_floating_image("conv2d_correlate", "x", x);
  require_floating_image("conv2d_correlate", "y", y);
  require_same_type("conv2d_correlate", x, y);
  const Window window = weight_window("conv2d_correlate", weight_shape, stride, padding);
  const Shape expected = conv2d_output("conv2d_correlate", x.shape(), weight_shape, window);
  if (y.shape() != expected) fail("conv2d_correlate", text("y ", y.shape()), text(expected, " for x ", x.shape()));
  Tensor weight = result_memory("conv2d_correlate", std::move(into), weight_shape, x);
  backend(x.device()).conv2d_correlate(window, x, y, weight);
  return weight;
}

void set_conv_algorithm(ConvAlgorithm algorithm) { chosen_algorithm = algorithm; }
ConvAlgorithm conv_algorithm() { return chosen_algorithm; }

std::pair<Tensor, Tensor> max_pool2d(const Tensor& x, const Window& window) {
  require_floating_image("max_pool2d", "x", x);
  if (2 * window.padding > window.kernel_h || 2 * window.padding > window.kernel_w)
    fail("max_pool2d", text("padding ", window.padding),
         text("at most half the kernel's ", window.kernel_h, "x", window.kernel_w));
  const Shape shape = window_output("max_pool2d", window, x.shape(), x.size(3));
  constexpr int64_t most = std::numeric_limits<int32_t>::max();
  if (x.size(1) * x.size(2) * x.size(3) > most)
    fail("max_pool2d", text("images of shape ", x.shape()), text("at most ", most, " elements in one image"));
  Tensor y = Tensor::empty(shape, x.dtype(), x.device());
  Tensor positions = Tensor::empty(shape, DType::int32, x.device());
  backend(x.device()).max_pool2d(window, x, y, positions);
  return {y, positions};
}

Tensor gather_positions(const Tensor& x, const Tensor& positions) {
  require_floating_image("gather_positions", "x", x);
  check_positions("gather_positions", positions, x.shape());
  require_same_device("gather_positions", x, positions);
  Tensor y = Tensor::empty(positions.shape(), x.dtype(), x.device());
  backend(x.device()).gather_positions(x, positions, y);
  return y;
}

Tensor scatter_positions(const Tensor& y, const Tensor& positions, const Shape& x_shape, const Window& window) {
  require_floating_image("scatter_positions", "y", y);
  check_positions("scatter_positions", positions, x_shape);
  if (y.shape() != positions.shape())
    fail("scatter_positions", text("values ", y.shape()), text("the positions' shape ", positions.shape()));
  require_same_device("scatter_positions", y, positions);
  Tensor x = Tensor::empty(x_shape, y.dtype(), y.device());
  backend(y.device()).scatter_positions(window, y, positions, x);
  return x;
}

Tensor avg_pool2d(const Tensor& x, const Window& window) {
  require_floating_image("avg_pool2d", "x", x);
  Tensor y = Tensor::empty(window_output("avg_pool2d", window, x.shape(), x.size(3)), x.dtype(), x.device());
  backend(x.device()).avg_pool2d(window, x, y);
  return y;
}

Tensor avg_pool2d_transpose(const Tensor& y, const Shape& x_shape, const Window& window) {
  require_floating_image("avg_pool2d_transpose", "y", y);
  const Shape expected = window_output("avg_pool2d_transpose", window, x_shape, x_shape[3]);
  if (y.shape() != expected) fail("avg_pool2d_transpose", text("y ", y.shape()), text(expected));
  Tensor x = Tensor::empty(x_shape, y.dtype(), y.device());
  backend(y.device()).avg_pool2d_transpose(window, y, x);
  return x;
}

Moments channel_moments(const Tensor& x) {
  const Shape channels = channels_of("channel_moments", x);
  if (x.numel() == 0) fail("channel_moments", text("shape ", x.shape()), "at least one element a channel");
  Moments moments{Tensor::empty(channels, DType::float64, x.device()),
                  Tensor::empty(channels, DType::float64, x.device())};
  backend(x.device()).channel_moments(x, moments.mean, moments.variance);
  return moments;
}

Tensor normalise(const Tensor& x, const Moments& moments, const Tensor& weight, const Tensor& bias, double epsilon,
                 const Tensor& residual, Activation activation) {
  require_affine("normalise", weight, bias, epsilon, x);
  if (residual.defined()) require_like("normalise", "a residual", residual, x);
  const auto [mean, variance] = checked_moments("normalise", moments, x);
  Tensor y = x.empty_like();
  backend(x.device()).normalise(x, mean, variance, weight, bias, epsilon, residual, activation, y);
  return y;
}

NormaliseGradients normalise_backward(const Tensor& grad, const Tensor& x, const Moments& moments, const Tensor& weight,
                                      const Tensor& bias, double epsilon, const NormaliseEpilogue& epilogue,
                                      const NormaliseGradients& into) {
  const char* op = "normalise_backward";
  require_affine(op, weight, bias, epsilon, x);
  require_like(op, "a gradient", grad, x);
  const bool is_active = epilogue.activation != Activation::none;
  if (is_active) require_like(op, "y of shape", epilogue.y, x);
  const auto [mean, variance] = checked_moments(op, moments, x);
  NormaliseGradients gradients{x.empty_like(),
                               result_memory(op, into.weight, weight.shape(), x),
                               result_memory(op, into.bias, weight.shape(), x),
                               {}};
  if (epilogue.has_residual && is_active) gradients.residual = x.empty_like();
  backend(x.device())
      .normalise_backward(grad, x, epilogue.y, mean, variance, weight, bias, epsilon, epilogue.activation, gradients.x,
                          gradients.weight, gradients.bias, gradients.residual);
  if (epilogue.has_residual && !is_active) gradients.residual = grad;
  return gradients;
}

namespace {
// x as [rows, features], for a weight and an epsilon that fit.
Tensor rows_to_normalise(const char* op, const Tensor& x, const Tensor& weight, double epsilon) {
  const Tensor rows = as_rows(op, x);
  if (x.size(-1) == 0) fail(op, text("x of shape ", x.shape()), "at least one feature");
  if (!(epsilon >= 0)) fail(op, text("epsilon ", epsilon), "a number >= 0");
  require_per_channel(op, "weight", weight, x);
  require_same_type(op, x, weight);
  return rows;
}
}  // namespace

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon) {
  const Tensor rows = rows_to_normalise("layer_norm", x, weight, epsilon);
  require_per_channel("layer_norm", "bias", bias, x);
  require_same_type("layer_norm", x, bias);
  Tensor y = x.empty_like(), y_rows = y.reshape(rows.shape());
  backend(x.device()).layer_norm(rows, weight, bias, epsilon, y_rows);
  return y;
}

NormaliseGradients layer_norm_backward(const Tensor& grad, const Tensor& x, const Tensor& weight, double epsilon,
                                       const NormaliseGradients& into) {
  const char* op = "layer_norm_backward";
  const Tensor rows = rows_to_normalise(op, x, weight, epsilon);
  require_like(op, "a gradient", grad, x);
  NormaliseGradients gradients{x.empty_like(),
                               result_memory(op, into.weight, weight.shape(), x),
                               result_memory(op, into.bias, weight.shape(), x),
                               {}};
  Tensor grad_rows = gradients.x.reshape(rows.shape());
  backend(x.device())
      .layer_norm_backward(grad.reshape(rows.shape()), rows, weight, epsilon, grad_rows, gradients.weight,
                           gradients.bias);
  return gradients;
}

}  // namespace minima::core
