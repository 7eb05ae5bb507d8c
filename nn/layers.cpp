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

void check_convolution(const char* layer, int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding) {
  check_extent(layer, "in", in, 1);
  check_extent(layer, "out", out, 1);
  check_extent(layer, "kernel", kernel, 1);
  check_extent(layer, "stride", stride, 1);
  check_extent(layer, "padding", padding, 0);
}

std::string describe_convolution(const char* layer, int64_t in, int64_t out, int64_t kernel, int64_t stride,
                                 int64_t padding) {
  std::string description = text(layer, "(", in, ", ", out, ", ", kernel);
  if (stride != 1) description += text(", stride ", stride);
  if (padding != 0) description += text(", padding ", padding);
  return description + ")";
}

// PyTorch's default bias of Linear and of convolutions.
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

Embedding::Embedding(int64_t count, int64_t width, const Init& init) {
  check_extent("Embedding", "count", count, 1);
  check_extent("Embedding", "width", width, 1);
  weight = Variable(draw("Embedding", init, {count, width}), requires_grad);
}

Variable Embedding::forward(const Variable& x) { return gather_rows(weight, x.value()); }

std::string Embedding::describe() const { return text("Embedding(", weight.size(0), ", ", weight.size(1), ")"); }

Conv2d::Conv2d(int64_t in, int64_t out, int64_t kernel, const ConvOptions& options)
    : stride(options.stride), padding(options.padding) {
  check_convolution("Conv2d", in, out, kernel, stride, padding);
  const Tensor drawn = draw("Conv2d", options.init, {out, in, kernel, kernel});
  weight = Variable(core::permute(drawn, {0, 2, 3, 1}), requires_grad);
  if (options.bias) bias = default_bias(out, in * kernel * kernel);
}

Variable Conv2d::forward_then(const Variable& x, Activation activation) {
  check_image(describe(), x, weight.size(3));
  return conv2d(x, weight, bias, stride, padding, activation);
}

std::string Conv2d::describe() const {
  return describe_convolution("Conv2d", weight.size(3), weight.size(0), weight.size(1), stride, padding);
}

Conv1d::Conv1d(int64_t in, int64_t out, int64_t kernel, const ConvOptions& options)
    : stride(options.stride), padding(options.padding) {
  check_convolution("Conv1d", in, out, kernel, stride, padding);
  weight = Variable(core::permute(draw("Conv1d", options.init, {out, in, kernel}), {0, 2, 1}), requires_grad);
  if (options.bias) bias = default_bias(out, in * kernel);
}

// A sequence is an image of one column. conv2d would pad that on all four sides, so the ends are padded here.
Variable Conv1d::forward(const Variable& x) {
  const int64_t out = weight.size(0), kernel = weight.size(1), in = weight.size(2);
  if (x.shape().rank() != 3 || x.size(2) != in)
    fail(describe(), text("an input of shape ", x.shape()), text("sequences (batch, length, ", in, ")"));
  const int64_t length = x.size(1) + 2 * padding;
  if (length < kernel)
    fail(describe(), text("sequences of length ", x.size(1)), text("at least ", kernel - 2 * padding));
  const Variable padded = padding == 0 ? x : unslice(x, 1, length, padding);
  const Variable y =
      conv2d(reshape(padded, {x.size(0), length, 1, in}), reshape(weight, {out, kernel, 1, in}), bias, stride);
  return reshape(y, {y.size(0), y.size(1), out});
}

std::string Conv1d::describe() const {
  return describe_convolution("Conv1d", weight.size(2), weight.size(0), weight.size(1), stride, padding);
}

ConvTranspose2d::ConvTranspose2d(int64_t in, int64_t out, int64_t kernel, const ConvTransposeOptions& options)
    : stride(options.stride), padding(options.padding), output_padding(options.output_padding) {
  check_convolution("ConvTranspose2d", in, out, kernel, stride, padding);
  if (output_padding < 0 || output_padding >= stride)
    fail("ConvTranspose2d", text("output_padding ", output_padding, " with stride ", stride),
         text("0 to ", stride - 1));
  const Tensor drawn = draw("ConvTranspose2d", options.init, {in, out, kernel, kernel});
  weight = Variable(core::permute(drawn, {0, 2, 3, 1}), requires_grad);
  if (options.bias) bias = default_bias(out, out * kernel * kernel);
}

Variable ConvTranspose2d::forward(const Variable& x) {
  check_image(describe(), x, weight.size(0));
  const auto larger = [&](int64_t extent) {
    return (extent - 1) * stride - 2 * padding + weight.size(1) + output_padding;
  };
  const Shape shape{x.size(0), larger(x.size(1)), larger(x.size(2)), weight.size(3)};
  if (shape[1] < 1 || shape[2] < 1)
    fail(describe(), text("images of ", x.size(1), " x ", x.size(2)), "larger ones: nothing is left after the padding");
  const Variable y = conv2d_transpose(x, weight, shape, stride, padding);
  return bias.defined() ? y + bias : y;
}

std::string ConvTranspose2d::describe() const {
  std::string out =
      describe_convolution("ConvTranspose2d", weight.size(0), weight.size(3), weight.size(1), stride, padding);
  if (output_padding != 0) out.insert(out.size() - 1, text(", output padding ", output_padding));
  return out;
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
  return layer_norm(x, weight, bias, epsilon);
}

std::string LayerNorm::describe() const { return text("LayerNorm(", weight.numel(), ")"); }

GroupNorm::GroupNorm(int64_t groups, int64_t channels, double epsilon) : groups(groups), epsilon(epsilon) {
  if (!(epsilon >= 0)) fail("GroupNorm", text("epsilon ", epsilon), "a number >= 0");
  check_extent("GroupNorm", "groups", groups, 1);
  check_extent("GroupNorm", "channels", channels, 1);
  if (channels % groups != 0)
    fail("GroupNorm", text(channels, " channels in ", groups, " groups"), "groups of one size");
  weight = Variable(ones()({channels}), requires_grad);
  bias = Variable(zeros()({channels}), requires_grad);
}

Variable GroupNorm::forward(const Variable& x) {
  const int64_t channels = weight.numel(), rank = x.shape().rank();
  if (rank < 2 || x.size(-1) != channels)
    fail(describe(), text("an input of shape ", x.shape()), text("(batch, ..., ", channels, ")"),
         rank == 4 ? core::layout_hint(x.shape(), channels) : "");
  if (x.numel() == 0) return x * weight + bias;  // gradients of zeros
  const int64_t positions = x.numel() / x.size(0) / channels;
  const auto mean_of_group = [](const Variable& v) { return mean(mean(v, 3, keep_dims), 1, keep_dims); };
  const Variable grouped = reshape(x, {x.size(0), positions, groups, channels / groups});
  // Far from zero, a mean in float32 is too coarse: what is left after it is taken off has a mean of its own. The first
  // one is a constant; the result does not depend on it.
  const Variable shifted = grouped - mean_of_group(grouped.detach());
  const Variable centred = shifted - mean_of_group(shifted);
  const Variable variance = mean_of_group(square(centred));
  return reshape(centred / sqrt(variance + epsilon), x.shape()) * weight + bias;
}

std::string GroupNorm::describe() const { return text("GroupNorm(", groups, ", ", weight.numel(), ")"); }

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
