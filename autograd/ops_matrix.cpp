// SPDX-License-Identifier: MIT
// Matrix products, and classification on top of them.
#include "autograd/ops.h"
#include "autograd/record.h"
#include "core/ops.h"

namespace minima {

using autograd::Context, autograd::Gradients, autograd::record, autograd::saved, autograd::epilogue_backward;

Variable matmul(const Variable& a, const Variable& b, bool transpose_a, bool transpose_b) {
  // A matrix shared by a whole batch: fold the batch into the rows, so that its gradient is one product, not a sum.
  if (a.shape().rank() > 2 && b.shape().rank() == 2 && !transpose_a && a.numel() > 0) {
    const Variable rows = reshape(a, {-1, a.size(-1)});
    Shape shape = a.shape();
    const Variable product = matmul(rows, b, false, transpose_b);
    shape[-1] = product.size(-1);
    return reshape(product, shape);
  }
  return record("matmul", core::matmul(a.value(), b.value(), transpose_a, transpose_b),
                {saved(a, b.requires_grad()), saved(b, a.requires_grad())},
                [transpose_a, transpose_b](const Context& c) -> Gradients {
                  Variable grad_a, grad_b;
                  if (c.needs(0))
                    grad_a = transpose_a ? matmul(c.input(1), c.grad, transpose_b, true)
                                         : matmul(c.grad, c.input(1), false, !transpose_b);
                  if (c.needs(1))
                    grad_b = transpose_b ? matmul(c.grad, c.input(0), true, transpose_a)
                                         : matmul(c.input(0), c.grad, !transpose_a, false);
                  return {grad_a, grad_b};
                });
}

autograd::EpilogueGradients autograd::epilogue_backward(const Context& c, Activation activation, int bias) {
  const bool is_active = activation != Activation::none;
  if (grad_enabled()) {
    const Variable grad = is_active ? where_positive(c.grad, c.output().detach()) : c.grad;
    return {grad, c.needs(bias) ? sum_to(grad, c.input_shape(bias)) : Variable()};
  }
  Tensor grad_bias = c.needs(bias) ? c.gradient_memory(bias) : Tensor();
  if (c.needs(bias) && !grad_bias.defined())
    grad_bias = Tensor::empty(c.input_shape(bias), c.grad.dtype(), c.grad.device());
  const Tensor y = is_active ? c.output().value() : Tensor();
  return {core::epilogue_backward(activation, c.grad.value(), y, grad_bias), grad_bias};
}

Variable linear(const Variable& x, const Variable& weight, const Variable& bias, Activation activation) {
  return record(
      "linear",
      saved(core::linear(x.value(), weight.value(), bias.value(), activation), activation != Activation::none),
      {saved(x, weight.requires_grad()), saved(weight, x.requires_grad()), bias},
      [activation](const Context& c) -> Gradients {
        const auto [grad, grad_bias] = epilogue_backward(c, activation, 2);
        Variable grad_x, grad_weight;
        if (c.needs(1))
          grad_weight = grad_enabled()
                            ? matmul(grad, c.input(0), true)
                            : core::matmul(grad.value(), c.input(0).value(), true, false, c.gradient_memory(1));
        if (c.needs(0)) grad_x = matmul(grad, c.input(1));
        return {grad_x, grad_weight, grad_bias};
      });
}

Variable softmax(const Variable& x) {
  return record("softmax", saved(core::softmax(x.value())), {x}, [](const Context& c) {
    const Variable y = c.output();
    return grad_enabled() ? y * (c.grad - sum(c.grad * y, -1, keep_dims))
                          : Variable(core::softmax_backward(c.grad.value(), y.value()));
  });
}

Variable log_softmax(const Variable& x) {
  return record("log_softmax", saved(core::log_softmax(x.value())), {x},
                [](const Context& c) { return c.grad - exp(c.output()) * sum(c.grad, -1, keep_dims); });
}

namespace {
// grad[i] * (softmax(row i) - target). It is linear in grad; in the logits its derivative is that of the softmax.
Variable cross_entropy_backward(const Variable& logits, const Variable& labels, double smoothing,
                                const Variable& grad) {
  return record("cross_entropy_backward",
                core::cross_entropy_backward(logits.value(), labels.value(), smoothing, grad.value()),
                {saved(logits), saved(labels), saved(grad)}, [smoothing](const Context& c) -> Gradients {
                  const Variable logits = c.input(0), grad = c.input(2);
                  Variable d_logits, d_grad;
                  if (c.needs(0)) {
                    const Variable p = softmax(logits);
                    d_logits = reshape(grad, {-1, 1}) * p * (c.grad - sum(c.grad * p, 1, keep_dims));
                  }
                  if (c.needs(2)) {
                    const Variable ones(Tensor::full(grad.shape(), 1, grad.dtype(), grad.device()));
                    d_grad = sum(c.grad * cross_entropy_backward(logits, c.input(1), smoothing, ones), 1);
                  }
                  return {d_logits, Variable(), d_grad};
                });
}
}  // namespace

// The labels are recorded as an input, a constant one, so that changing them in place is noticed.
Variable cross_entropies(const Variable& logits, const Tensor& labels, double label_smoothing) {
  const Variable classes(labels);
  return record("cross_entropy", core::cross_entropy(logits.value(), labels, label_smoothing),
                {saved(logits), saved(classes)}, [label_smoothing](const Context& c) -> Gradients {
                  return {cross_entropy_backward(c.input(0), c.input(1), label_smoothing, c.grad), Variable()};
                });
}

}  // namespace minima
