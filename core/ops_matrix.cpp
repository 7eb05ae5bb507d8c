// Linear algebra, images and channels.
#include "core/ops.h"

#include "core/checks.h"

namespace minima::core {

namespace {

void require_rank(const char* op, const char* what, const Tensor& x, int rank) {
  if (!x.defined()) fail(op, text("an undefined ", what), "a tensor");
  if (x.rank() != rank) fail(op, text(what, " of shape ", x.shape()), text("rank ", rank));
  if (!is_floating(x.dtype())) fail(op, text(what, " of dtype ", name_of(x.dtype())), "float32 or float64");
}

Shape leading(const Shape& shape) {
  Shape result;
  for (int i = 0; i + 2 < shape.rank(); ++i) result.push_back(shape[i]);
  return result;
}

}  // namespace

// -------------------------------------------------------------------------------------------- linear algebra

Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b) {
  if (!a.defined() || !b.defined()) fail("matmul", "an undefined tensor", "two tensors");
  if (a.rank() < 2 || b.rank() < 2)
    fail("matmul", text(a.shape(), " x ", b.shape()), "at least two axes each",
         "Reshape a vector to [n, 1] or [1, n].");
  if (!is_floating(a.dtype())) fail("matmul", text("dtype ", name_of(a.dtype())), "float32 or float64");
  require_same_type("matmul", a, b);
  const int64_t m = a.size(transpose_a ? -1 : -2), k = a.size(transpose_a ? -2 : -1);
  const int64_t n = b.size(transpose_b ? -2 : -1);
  const char* flags = transpose_a && transpose_b ? " (both transposed)"
                      : transpose_a              ? " (first transposed)"
                      : transpose_b              ? " (second transposed)"
                                                 : "";
  if (k != b.size(transpose_b ? -1 : -2))
    fail("matmul", text(a.shape(), " x ", b.shape(), flags), "the inner dimensions to agree", "Transpose one side?");
  const Shape batch_a = leading(a.shape()), batch_b = leading(b.shape());
  if (batch_a != batch_b && batch_a.rank() > 0 && batch_b.rank() > 0)
    fail("matmul", text(a.shape(), " x ", b.shape(), flags), "equal leading axes, or none on one side");
  Shape shape = batch_a.rank() > 0 ? batch_a : batch_b;
  Gemm gemm{m, n, k, transpose_a, transpose_b};
  gemm.batch = shape.numel();
  gemm.stride_a = batch_a.rank() > 0 ? m * k : 0;
  gemm.stride_b = batch_b.rank() > 0 ? k * n : 0;
  shape.push_back(m);
  shape.push_back(n);
  Tensor out = Tensor::empty(shape, a.dtype(), a.device());
  backend(a.device()).gemm(gemm, a, b, out);
  return out;
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  require_rank("linear", "x", x, 2);
  require_rank("linear", "weight", weight, 2);
  require_same_type("linear", x, weight);
  if (x.size(1) != weight.size(1))
    fail("linear", text("x ", x.shape(), " and weight ", weight.shape()), "x [batch, in] and weight [out, in]",
         x.rank() == 2 ? "The layer was made for another number of input features." : "");
  Gemm gemm{x.size(0), weight.size(0), x.size(1), false, true};
  Tensor out;
  if (bias.defined()) {
    require_same_type("linear", x, bias);
    if (bias.shape() != Shape{gemm.n}) fail("linear", text("bias ", bias.shape()), text("(", gemm.n, ",)"));
    // The product is added to the bias, already in place.
    out = broadcast_to(bias.reshape({1, gemm.n}), {gemm.m, gemm.n});
    if (out.shares_storage_with(bias)) out = out.clone();
    gemm.accumulate = true;
  } else {
    out = Tensor::empty({gemm.m, gemm.n}, x.dtype(), x.device());
  }
  backend(x.device()).gemm(gemm, x, weight, out);
  return out;
}

namespace {
Tensor softmax_rows(const char* op, bool log, const Tensor& x) {
  if (!x.defined() || x.rank() == 0 || !is_floating(x.dtype()))
    fail(op, x.defined() ? text(name_of(x.dtype()), " ", x.shape()) : std::string("an undefined tensor"),
         "a floating tensor with at least one axis");
  Tensor out = x.empty_like();
  if (x.numel() == 0) return out;
  const Shape rows{x.numel() / x.size(-1), x.size(-1)};
  Tensor flat = out.reshape(rows);
  backend(x.device()).softmax(log, x.reshape(rows), flat);
  return out;
}
}  // namespace

Tensor softmax(const Tensor& x) { return softmax_rows("softmax", false, x); }
Tensor log_softmax(const Tensor& x) { return softmax_rows("log_softmax", true, x); }

namespace {
// What the kernels may rely on, but for the range of the labels: a kernel looks at those on its own device.
Tensor checked_labels(const Tensor& logits, const Tensor& labels, double smoothing) {
  const char* op = "cross_entropy";
  require_floating(op, logits);
  if (logits.rank() != 2) fail(op, text("logits of shape ", logits.shape()), "[batch, classes]");
  require_defined(op, labels);
  if (labels.shape() != Shape{logits.size(0)})
    fail(op, text("labels of shape ", labels.shape()), text(Shape{logits.size(0)}, ", one a row of logits"));
  if (labels.dtype() != DType::int32 && labels.dtype() != DType::int64)
    fail(op, text(name_of(labels.dtype()), " labels"), "int32 or int64 class numbers");
  if (labels.device() != logits.device())
    fail(op, text("labels on ", name_of(labels.device())), text("the logits' device ", name_of(logits.device())));
  if (!(smoothing >= 0 && smoothing <= 1)) fail(op, text("label_smoothing ", smoothing), "0 to 1");
  return labels.to(DType::int64);
}
}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& labels, double smoothing) {
  const Tensor classes = checked_labels(logits, labels, smoothing);
  Tensor losses = Tensor::empty(labels.shape(), logits.dtype(), logits.device());
  backend(logits.device()).cross_entropy(logits, classes, smoothing, losses);
  return losses;
}

Tensor cross_entropy_backward(const Tensor& logits, const Tensor& labels, double smoothing, const Tensor& grad) {
  const Tensor classes = checked_labels(logits, labels, smoothing);
  require_same_type("cross_entropy", logits, grad);
  if (grad.shape() != labels.shape()) fail("cross_entropy", text("grad of shape ", grad.shape()), text(labels.shape()));
  Tensor out = logits.empty_like();
  backend(logits.device()).cross_entropy_backward(logits, classes, smoothing, grad, out);
  return out;
}

// ---------------------------------------------------------------------------------------------------- images

namespace {

Shape window_output(const char* op, const Window& window, const Shape& x, int64_t channels) {
  if (window.stride < 1 || window.padding < 0 || window.kernel_h < 1 || window.kernel_w < 1)
    fail(op,
         text("kernel ", window.kernel_h, "x", window.kernel_w, ", stride ", window.stride, ", padding ",
              window.padding),
         "kernel and stride of at least 1, padding of at least 0");
  if (x[2] + 2 * window.padding < window.kernel_h || x[3] + 2 * window.padding < window.kernel_w)
    fail(op, text("images of ", x[2], "x", x[3], " with padding ", window.padding),
         text("at least the kernel's ", window.kernel_h, "x", window.kernel_w),
         "The images are too small for this layer.");
  return Shape{x[0], channels, window.out_extent(x[2], window.kernel_h), window.out_extent(x[3], window.kernel_w)};
}

// Checks one set of convolution shapes and returns that of y.
Shape conv2d_output(const char* op, const Shape& x, const Shape& weight, const Window& window) {
  if (x.rank() != 4) fail(op, text("x of shape ", x), "[batch, channels, height, width]");
  if (weight.rank() != 4) fail(op, text("weight of shape ", weight), "[out, in, kernel height, kernel width]");
  if (x[1] != weight[1])
    fail(op, text("x ", x, " and weight ", weight), text("x with the weight's ", weight[1], " input channels"));
  return window_output(op, window, x, weight[0]);
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& weight, int64_t stride, int64_t padding) {
  require_rank("conv2d", "x", x, 4);
  require_rank("conv2d", "weight", weight, 4);
  require_same_type("conv2d", x, weight);
  const Window window{weight.size(2), weight.size(3), stride, padding};
  Tensor y = Tensor::empty(conv2d_output("conv2d", x.shape(), weight.shape(), window), x.dtype(), x.device());
  backend(x.device()).conv2d(window, x, weight, y);
  return y;
}

Tensor conv2d_transpose(const Tensor& y, const Tensor& weight, const Shape& x_shape, int64_t stride, int64_t padding) {
  require_rank("conv2d_transpose", "y", y, 4);
  require_rank("conv2d_transpose", "weight", weight, 4);
  require_same_type("conv2d_transpose", y, weight);
  const Window window{weight.size(2), weight.size(3), stride, padding};
  const Shape expected = conv2d_output("conv2d_transpose", x_shape, weight.shape(), window);
  if (y.shape() != expected) fail("conv2d_transpose", text("y ", y.shape()), text(expected, " for x ", x_shape));
  Tensor x = Tensor::empty(x_shape, y.dtype(), y.device());
  backend(y.device()).conv2d_transpose(window, y, weight, x);
  return x;
}

Tensor conv2d_correlate(const Tensor& x, const Tensor& y, const Shape& weight_shape, int64_t stride, int64_t padding) {
  require_rank("conv2d_correlate", "x", x, 4);
  require_rank("conv2d_correlate", "y", y, 4);
  require_same_type("conv2d_correlate", x, y);
  if (weight_shape.rank() != 4) fail("conv2d_correlate", text("weight of shape ", weight_shape), "rank 4");
  const Window window{weight_shape[2], weight_shape[3], stride, padding};
  const Shape expected = conv2d_output("conv2d_correlate", x.shape(), weight_shape, window);
  if (y.shape() != expected) fail("conv2d_correlate", text("y ", y.shape()), text(expected, " for x ", x.shape()));
  Tensor weight = Tensor::empty(weight_shape, x.dtype(), x.device());
  backend(x.device()).conv2d_correlate(window, x, y, weight);
  return weight;
}

std::pair<Tensor, Tensor> max_pool2d(const Tensor& x, const Window& window) {
  require_rank("max_pool2d", "x", x, 4);
  if (2 * window.padding > window.kernel_h || 2 * window.padding > window.kernel_w)
    fail("max_pool2d", text("padding ", window.padding),
         text("at most half the kernel's ", window.kernel_h, "x", window.kernel_w));
  const Shape shape = window_output("max_pool2d", window, x.shape(), x.size(1));
  Tensor y = Tensor::empty(shape, x.dtype(), x.device());
  Tensor positions = Tensor::empty(shape, DType::int32, x.device());
  backend(x.device()).max_pool2d(window, x, y, positions);
  return {y, positions};
}

Tensor gather_planes(const Tensor& x, const Tensor& positions) {
  require_rank("gather_planes", "x", x, 4);
  if (positions.rank() != 4 || positions.dtype() != DType::int32 || positions.size(0) != x.size(0) ||
      positions.size(1) != x.size(1))
    fail("gather_planes", text(name_of(positions.dtype()), " positions ", positions.shape(), " for x ", x.shape()),
         "int32 positions with the same batch and channels");
  Tensor y = Tensor::empty(positions.shape(), x.dtype(), x.device());
  backend(x.device()).gather_planes(x, positions, y);
  return y;
}

Tensor scatter_planes(const Tensor& y, const Tensor& positions, const Shape& x_shape) {
  require_rank("scatter_planes", "y", y, 4);
  if (y.shape() != positions.shape())
    fail("scatter_planes", text("values ", y.shape()), text("the positions' shape ", positions.shape()));
  Tensor x = Tensor::empty(x_shape, y.dtype(), y.device());
  backend(y.device()).scatter_planes(y, positions, x);
  return x;
}

Tensor avg_pool2d(const Tensor& x, const Window& window) {
  require_rank("avg_pool2d", "x", x, 4);
  Tensor y = Tensor::empty(window_output("avg_pool2d", window, x.shape(), x.size(1)), x.dtype(), x.device());
  backend(x.device()).avg_pool2d(window, x, y);
  return y;
}

Tensor avg_pool2d_transpose(const Tensor& y, const Shape& x_shape, const Window& window) {
  require_rank("avg_pool2d_transpose", "y", y, 4);
  const Shape expected = window_output("avg_pool2d_transpose", window, x_shape, x_shape[1]);
  if (y.shape() != expected) fail("avg_pool2d_transpose", text("y ", y.shape()), text(expected));
  Tensor x = Tensor::empty(x_shape, y.dtype(), y.device());
  backend(y.device()).avg_pool2d_transpose(window, y, x);
  return x;
}

// -------------------------------------------------------------------------------------------------- channels

namespace {
Shape require_channels(const char* op, const Tensor& x, std::initializer_list<const Tensor*> coefficients = {}) {
  if (!x.defined() || x.rank() < 2 || !is_floating(x.dtype()))
    fail(op, x.defined() ? text(name_of(x.dtype()), " ", x.shape()) : std::string("an undefined tensor"),
         "a floating tensor [batch, channels, ...]");
  const Shape channels{x.size(1)};
  for (const Tensor* coefficient : coefficients) {
    require_same_type(op, x, *coefficient);
    if (coefficient->shape() != channels)
      fail(op, text("coefficients ", coefficient->shape(), " for x ", x.shape()), text(channels));
  }
  return channels;
}
}  // namespace

std::pair<Tensor, Tensor> channel_moments(const Tensor& x) {
  const Shape channels = require_channels("channel_moments", x);
  if (x.numel() == 0) fail("channel_moments", text("shape ", x.shape()), "at least one element a channel");
  Tensor mean = Tensor::empty(channels, x.dtype(), x.device());
  Tensor variance = Tensor::empty(channels, x.dtype(), x.device());
  backend(x.device()).channel_moments(x, mean, variance);
  return {mean, variance};
}

Tensor channel_affine(const Tensor& x, const Tensor& a, const Tensor& b) {
  require_channels("channel_affine", x, {&a, &b});
  Tensor out = x.empty_like();
  backend(x.device()).channel_affine(x, a, b, out);
  return out;
}

std::pair<Tensor, Tensor> channel_sums(const Tensor& x, const Tensor& y) {
  const Shape channels = require_channels("channel_sums", x);
  require_same_type("channel_sums", x, y);
  if (y.shape() != x.shape()) fail("channel_sums", text("shapes ", x.shape(), " and ", y.shape()), "equal shapes");
  Tensor sum_x = Tensor::empty(channels, x.dtype(), x.device());
  Tensor sum_xy = Tensor::empty(channels, x.dtype(), x.device());
  backend(x.device()).channel_sums(x, y, sum_x, sum_xy);
  return {sum_x, sum_xy};
}

Tensor channel_combine(const Tensor& x, const Tensor& y, const Tensor& a, const Tensor& b, const Tensor& c) {
  require_channels("channel_combine", x, {&a, &b, &c});
  require_same_type("channel_combine", x, y);
  if (y.shape() != x.shape()) fail("channel_combine", text("shapes ", x.shape(), " and ", y.shape()), "equal shapes");
  Tensor out = x.empty_like();
  backend(x.device()).channel_combine(x, y, a, b, c, out);
  return out;
}

}  // namespace minima::core
