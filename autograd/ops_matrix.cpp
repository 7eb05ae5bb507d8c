// Matrix products, and classification on top of them.
#include "autograd/ops.h"
#include "autograd/record.h"
#include "core/ops.h"

namespace minima {

Variable matmul(const Variable& a, const Variable& b, bool transpose_a, bool transpose_b) {
  // A matrix shared by a whole batch: fold the batch into the rows, so that its gradient is one product, not a sum.
  if (a.shape().rank() > 2 && b.shape().rank() == 2 && !transpose_a) {
    const Variable rows = reshape(a, {-1, a.size(-1)});
    Shape shape = a.shape();
    const Variable product = matmul(rows, b, false, transpose_b);
    shape[-1] = product.size(-1);
    return reshape(product, shape);
  }
  return record("matmul", core::matmul(a.value(), b.value(), transpose_a, transpose_b), {a, b}, saves_partners,
                [transpose_a, transpose_b](const Context& c) {
                  Gradients gradients;
                  if (!c.needs(0))
                    gradients.push_back(Variable());
                  else if (transpose_a)
                    gradients.push_back(matmul(c.input(1), c.grad, transpose_b, true));
                  else
                    gradients.push_back(matmul(c.grad, c.input(1), false, !transpose_b));
                  if (!c.needs(1))
                    gradients.push_back(Variable());
                  else if (transpose_b)
                    gradients.push_back(matmul(c.grad, c.input(0), true, transpose_a));
                  else
                    gradients.push_back(matmul(c.input(0), c.grad, !transpose_a, false));
                  return gradients;
                });
}

Variable linear(const Variable& x, const Variable& weight, const Variable& bias) {
  return record("linear", core::linear(x.value(), weight.value(), bias.value()), {x, weight, bias}, saves_partners,
                [](const Context& c) -> Gradients {
                  return {c.needs(0) ? matmul(c.grad, c.input(1)) : Variable(),
                          c.needs(1) ? matmul(c.grad, c.input(0), true) : Variable(),
                          c.needs(2) ? sum(c.grad, 0) : Variable()};
                });
}

// ------------------------------------------------------------------------------------------ classification

Variable softmax(const Variable& x) {
  return record("softmax", core::softmax(x.value()), {x}, saves_output, [](const Context& c) {
    const Variable y = c.output();
    return y * (c.grad - sum(c.grad * y, -1, keep_dims));
  });
}

Variable log_softmax(const Variable& x) {
  return record("log_softmax", core::log_softmax(x.value()), {x}, saves_output,
                [](const Context& c) { return c.grad - exp(c.output()) * sum(c.grad, -1, keep_dims); });
}

namespace {
void check_labels(const Shape& logits, const Tensor& labels) {
  if (logits.rank() != 2) fail("cross_entropy", text("logits of shape ", logits), "[batch, classes]");
  if (labels.shape() != Shape{logits[0]})
    fail("cross_entropy", text("labels of shape ", labels.shape()), text(Shape{logits[0]}, ", one a row of logits"));
  if (labels.dtype() != DType::int32 && labels.dtype() != DType::int64)
    fail("cross_entropy", text(name_of(labels.dtype()), " labels"), "int32 or int64 class numbers");
  if (logits[0] == 0)
    fail("cross_entropy", "an empty batch", "at least one row", "The mean over no rows is undefined.");
  const Tensor host = labels.to(DType::int64).to(Device::cpu);
  const int64_t* label = host.data<int64_t>();
  for (int64_t i = 0; i < host.numel(); ++i)
    if (label[i] < 0 || label[i] >= logits[1])
      fail("cross_entropy", text("label ", label[i], " at position ", i), text("0 to ", logits[1] - 1),
           text("The logits have ", logits[1], " classes."));
}
}  // namespace

Variable cross_entropy(const Variable& logits, const Tensor& labels, double label_smoothing) {
  check_labels(logits.shape(), labels);
  if (!(label_smoothing >= 0 && label_smoothing <= 1))
    fail("cross_entropy", text("label_smoothing ", label_smoothing), "0 to 1");
  const double batch = static_cast<double>(logits.size(0)), classes = static_cast<double>(logits.size(1));
  Tensor target = core::unary(UnaryOp::affine, core::one_hot(labels, logits.size(1), logits.dtype()),
                              1 - label_smoothing, label_smoothing / classes);
  const Tensor terms = core::binary(BinaryOp::multiply, target, core::log_softmax(logits.value()));
  return record(
      "cross_entropy", core::unary(UnaryOp::affine, core::sum(terms), -1 / batch), {logits}, saves_inputs,
      [target, batch](const Context& c) { return (softmax(c.input(0)) - Variable(target)) * (c.grad / batch); });
}

}  // namespace minima
