// SPDX-License-Identifier: MIT
#include "nn/layers.h"

#include <cmath>

namespace minima::nn {
namespace {
void check_extent(const char* layer, const char* what, int64_t value, int64_t least) {
  if (value < least) fail(layer, text(what, " ", value), text("at least ", least));
}

// [batch, h, w, channels] with this many channels (any number when channels is 0).
void check_image(const std::string& layer, const Variable& x, int64_t channels) {
  if (x.shape().rank() == 4 && (channels == 0 || x.size(3) == channels)) return;
  fail(layer, text("an input of shape ", x.shape()),
       text("images (batch, height, width, ", channels ? std::to_string(channels) : "channels", ")"),
       core::layout_hint(x.shape(), channels));
}

// A draw of this initialiser, which may be the user's own, with the shape checked.
Tensor draw(const char* layer, const Init& init, const Shape& shape) {
  if (!init) fail(layer, "an empty initialiser", "one such as nn::kaiming_uniform()");
  Tensor value = init(shape);
  if (value.shape() != shape) fail(layer, text("an initialiser that returns ", value.shape()), text("shape ", shape));
  return value;
}

// PyTorch's default bias of Linear and Conv2d.
Variable default_bias(int64_t out, int64_t fan_in) {
  const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
  return Variable(uniform(-bound, bound)({out}), requires_grad);
}

core::Window pool_window(const char* layer, int64_t kernel, const PoolOptions& options) {
  check_extent(layer, "kernel", kernel, 1);
  check_extent(layer, "stride", options.stride, 0);
  check_extent(layer, "padding", options.padding, 0);
  if (2 * options.padding > kernel)
    fail(layer, text("padding ", options.padding), text("at most half the kernel, which is ", kernel),
         "A window would lie in the padding altogether.");
  return {kernel, kernel, options.stride ? options.stride : kernel, options.padding};
}

std::string describe_pool(const char* layer, const core::Window& window) {
  std::string out = text(layer, "(", window.kernel_h);
  if (window.stride != window.kernel_h) out += text(", stride ", window.stride);
  if (window.padding != 0) out += text(", padding ", window.padding);
  return out + ")";
}
}  // namespace

Linear::Linear(int64_t in, int64_t out, const LinearOptions& options) {
  check_extent("Linear", "in", in, 1);
  check_extent("Linear", "out", out, 1);
  weight = Variable(draw("Linear", options.init, {out, in}), requires_grad);
  if (options.bias) bias = default_bias(out, in);
}

Variable Linear::forward_then(const Variable& x, Activation activation) {
  const int rank = x.shape().rank();
  const int64_t in = weight.size(1), out = weight.size(0);
  if (rank < 2 || x.size(-1) != in)
    fail(describe(), text("an input of shape ", x.shape()), text("(batch, ", in, ")"),
         rank > 2 ? "Put nn::Flatten{} before it to use images as rows." : "");
  if (rank == 2) return linear(x, weight, bias, activation);
  Shape y_shape = x.shape();
  y_shape[-1] = out;
  return reshape(linear(reshape(x, {x.numel() / in, in}), weight, bias, activation), y_shape);
}

std::string Linear::describe() const { return text("Linear(", weight.size(1), ", ", weight.size(0), ")"); }

Conv2d::Conv2d(int64_t in, int64_t out, int64_t kernel, const ConvOptions& options)
    : stride(options.stride), padding(options.padding) {
  check_extent("Conv2d", "in", in, 1);
  check_extent("Conv2d", "out", out, 1);
  check_extent("Conv2d", "kernel", kernel, 1);
  check_extent("Conv2d", "stride", stride, 1);
  check_extent("Conv2d", "padding", padding, 0);
  const Tensor drawn = draw("Conv2d", options.init, {out, in, kernel, kernel});
  weight = Variable(core::permute(drawn, {0, 2, 3, 1}), requires_grad);
  if (options.bias) bias = default_bias(out, in * kernel * kernel);
}

Variable Conv2d::forward_then(const Variable& x, Activation activation) {
  check_image(describe(), x, weight.size(3));
  return conv2d(x, weight, bias, stride, padding, activation);
}

std::string Conv2d::describe() const {
  std::string out = text("Conv2d(", weight.size(3), ", ", weight.size(0), ", ", weight.size(1));
  if (stride != 1) out += text(", stride ", stride);
  if (padding != 0) out += text(", padding ", padding);
  return out + ")";
}

LayerNorm::LayerNorm(int64_t features, double epsilon) : epsilon(epsilon) {
  if (!(epsilon >= 0)) fail("LayerNorm", text("epsilon ", epsilon), "a number >= 0");
  check_extent("LayerNorm", "features", features, 1);
  weight = Variable(ones()({features}), requires_grad);
  bias = Variable(zeros()({features}), requires_grad);
}

Variable LayerNorm::forward(const Variable& x) {
  if (x.shape().rank() < 1 || x.size(-1) != weight.numel())
    fail(describe(), text("an input of shape ", x.shape()), text("a last axis of ", weight.numel()));
  // Far from zero, a mean in float32 is too coarse: what is left after it is taken off has a mean of its own. The first
  // one is a constant; the result does not depend on it.
  Variable shifted = x - mean(x.detach(), -1, keep_dims);
  Variable centred = shifted - mean(shifted, -1, keep_dims);
  Variable variance = mean(square(centred), -1, keep_dims);
  return centred / sqrt(variance + epsilon) * weight + bias;
}

std::string LayerNorm::describe() const { return text("LayerNorm(", weight.numel(), ")"); }

Dropout::Dropout(double probability) : probability(probability) {
  if (!(probability >= 0 && probability < 1)) fail("Dropout", text("probability ", probability), "a number in [0, 1)");
}

std::string Dropout::describe() const { return text("Dropout(", probability, ")"); }

Variable Flatten::forward(const Variable& x) {
  if (x.shape().rank() < 1) fail("Flatten", text("an input of shape ", x.shape()), "(batch, ...)");
  int64_t features = 1;
  for (int axis = 1; axis < x.shape().rank(); ++axis) features *= x.size(axis);
  if (x.shape().rank() == 2) return x;
  const bool is_image = x.shape().rank() == 4, in_order = !is_image || x.size(3) == 1 || x.size(1) * x.size(2) == 1;
  return reshape(in_order ? x : permute(x, {0, 3, 1, 2}), {x.size(0), features});
}

MaxPool2d::MaxPool2d(int64_t kernel, const PoolOptions& options) : window(pool_window("MaxPool2d", kernel, options)) {}
std::string MaxPool2d::describe() const { return describe_pool("MaxPool2d", window); }

AvgPool2d::AvgPool2d(int64_t kernel, const PoolOptions& options) : window(pool_window("AvgPool2d", kernel, options)) {}
std::string AvgPool2d::describe() const { return describe_pool("AvgPool2d", window); }

Variable GlobalAvgPool::forward(const Variable& x) {
  check_image("GlobalAvgPool", x, 0);
  return mean(reshape(x, {x.size(0), x.size(1) * x.size(2), x.size(3)}), 1);
}

}  // namespace minima::nn
