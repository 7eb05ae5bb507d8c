// SPDX-License-Identifier: MIT
// Linear algebra.
#include "core/ops.h"

#include "core/checks.h"

namespace minima::core {
namespace {
void require_matrix(const char* op, const char* what, const Tensor& x) {
  require_floating(op, x);
  if (x.rank() != 2) fail(op, text(what, " of shape ", x.shape()), "rank 2");
}

Shape leading(const Shape& shape) {
  Shape result;
  for (int i = 0; i + 2 < shape.rank(); ++i) result.push_back(shape[i]);
  return result;
}

Tensor softmax_rows(const char* op, bool log, const Tensor& x) {
  const Tensor rows = as_rows(op, x);
  Tensor out = x.empty_like(), flat = out.reshape(rows.shape());
  if (x.numel() > 0) backend(x.device()).softmax(log, rows, flat);
  return out;
}

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

Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b, Tensor into) {
  require_floating("matmul", a);
  require_defined("matmul", b);
  if (a.rank() < 2 || b.rank() < 2)
    fail("matmul", text(a.shape(), " x ", b.shape()), "at least two axes each",
         "Reshape a vector to [n, 1] or [1, n].");
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
  Tensor out = result_memory("matmul", std::move(into), shape, a);
  backend(a.device()).gemm(gemm, a, b, Tensor(), Activation::none, out);
  return out;
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, Activation activation) {
  require_matrix("linear", "x", x);
  require_matrix("linear", "weight", weight);
  require_same_type("linear", x, weight);
  if (x.size(1) != weight.size(1))
    fail("linear", text("x ", x.shape(), " and weight ", weight.shape()), "x [batch, in] and weight [out, in]",
         "The layer was made for another number of input features.");
  const Gemm gemm{x.size(0), weight.size(0), x.size(1), false, true};
  require_bias("linear", bias, gemm.n, x);
  Tensor out = Tensor::empty({gemm.m, gemm.n}, x.dtype(), x.device());
  backend(x.device()).gemm(gemm, x, weight, bias, activation, out);
  return out;
}

Tensor epilogue_backward(Activation activation, const Tensor& grad, const Tensor& y, Tensor grad_bias) {
  const char* op = "epilogue_backward";
  require_floating(op, grad);
  if (grad_bias.defined()) grad_bias = result_memory(op, grad_bias, {grad.size(-1)}, grad);
  Backend& device = backend(grad.device());
  if (activation == Activation::none) {
    if (grad_bias.defined())
      device.reduce(ReduceOp::sum, {1, grad.numel() / std::max<int64_t>(1, grad.size(-1)), grad.size(-1)}, grad,
                    grad_bias);
    return grad;
  }
  require_like(op, "y of shape", y, grad);
  Tensor out = grad.empty_like();
  device.relu_backward(grad, y, out, grad_bias);
  return out;
}

Tensor softmax(const Tensor& x) { return softmax_rows("softmax", false, x); }
Tensor log_softmax(const Tensor& x) { return softmax_rows("log_softmax", true, x); }

Tensor softmax_backward(const Tensor& grad, const Tensor& y) {
  const char* op = "softmax_backward";
  const Tensor rows = as_rows(op, y);
  require_like(op, "a gradient", grad, y);
  Tensor out = y.empty_like(), flat = out.reshape(rows.shape());
  if (y.numel() > 0) backend(y.device()).softmax_backward(grad.reshape(rows.shape()), rows, flat);
  return out;
}

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

}  // namespace minima::core
