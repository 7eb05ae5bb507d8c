// SPDX-License-Identifier: MIT
// Differentiable operations. Each is one function in ops*.cpp with its backward rule beside the forward line.
// Shapes broadcast as in NumPy; operands of one op share dtype and device.
#pragma once

#include <vector>

#include "autograd/variable.h"
#include "core/ops.h"

namespace minima {

using core::Activation;

enum class KeepDims : bool { no, yes };
inline constexpr KeepDims keep_dims = KeepDims::yes;

// ---- arithmetic
Variable operator+(const Variable& x, const Variable& y);
Variable operator-(const Variable& x, const Variable& y);
Variable operator*(const Variable& x, const Variable& y);
Variable operator/(const Variable& x, const Variable& y);
Variable operator+(const Variable& x, double y);
Variable operator-(const Variable& x, double y);
Variable operator*(const Variable& x, double y);
Variable operator/(const Variable& x, double y);
Variable operator+(double x, const Variable& y);
Variable operator-(double x, const Variable& y);
Variable operator*(double x, const Variable& y);
Variable operator/(double x, const Variable& y);
Variable operator-(const Variable& x);
/// a * x + b
Variable affine(const Variable& x, double a, double b);
/// Elementwise; where both are equal the gradient goes to x.
Variable maximum(const Variable& x, const Variable& y);
Variable minimum(const Variable& x, const Variable& y);
/// x where y > 0, else 0; no gradient flows to y.
Variable where_positive(const Variable& x, const Variable& y);

// ---- functions of one element
Variable exp(const Variable& x);
Variable log(const Variable& x);
/// log(1 + x), exact near 0
Variable log1p(const Variable& x);
Variable sqrt(const Variable& x);
Variable pow(const Variable& x, double exponent);
Variable square(const Variable& x);
Variable abs(const Variable& x);
Variable sin(const Variable& x);
Variable cos(const Variable& x);
Variable tanh(const Variable& x);
Variable sigmoid(const Variable& x);
/// log(1 + exp(x)), without overflow
Variable softplus(const Variable& x);
Variable relu(const Variable& x);
Variable erf(const Variable& x);
/// x times the normal distribution function of x (exact, not the tanh approximation)
Variable gelu(const Variable& x);

// ---- reductions
Variable sum(const Variable& x);
Variable sum(const Variable& x, int axis, KeepDims keep = KeepDims::no);
/// A mean over no elements is an error.
Variable mean(const Variable& x);
Variable mean(const Variable& x, int axis, KeepDims keep = KeepDims::no);
/// Largest element along an axis, which must have elements; ties share the gradient equally.
Variable max(const Variable& x, int axis, KeepDims keep = KeepDims::no);
/// Sums x over the axes along which `shape` was broadcast to x's shape.
Variable sum_to(const Variable& x, const Shape& shape);

// ---- shape
Variable reshape(const Variable& x, const Shape& shape);
Variable broadcast_to(const Variable& x, const Shape& shape);
Variable permute(const Variable& x, const std::vector<int>& order);
/// Swaps the last two axes.
Variable transpose(const Variable& x);
Variable slice(const Variable& x, int axis, int64_t begin, int64_t end, int64_t step = 1);
/// Zeros of extent `size` along the axis with x at begin, begin + step, ...: the transpose of slice; pads an axis.
Variable unslice(const Variable& x, int axis, int64_t size, int64_t begin, int64_t step = 1);
Variable concatenate(const std::vector<Variable>& parts, int axis);
/// Rows of x by integer index [...]: embedding lookup. Result [..., row].
Variable gather_rows(const Variable& x, const Tensor& indices);
Variable scatter_rows(const Variable& x, const Tensor& indices, int64_t rows);

// ---- linear algebra
/// [m, k] x [k, n]; or batched over equal leading axes, where one side may have none. Flags read an operand transposed.
Variable matmul(const Variable& a, const Variable& b, bool transpose_a = false, bool transpose_b = false);
/// activation(x W^T + b), in one pass: x [batch, in], weight [out, in], bias [out] or undefined.
/// linear(x, w, b, Activation::relu) is relu(linear(x, w, b)).
Variable linear(const Variable& x, const Variable& weight, const Variable& bias,
                Activation activation = Activation::none);

// ---- classification, along the last axis
Variable softmax(const Variable& x);
Variable log_softmax(const Variable& x);
/// The loss of each sample, [batch]: -sum(target * log_softmax(logits)), where target is 1 - label_smoothing at the
/// label plus label_smoothing / classes everywhere. logits [batch, classes], labels int32 or int64 [batch]. A class is
/// masked by the logit -infinity: the loss and the gradient are those of the other classes. Where a masked class has a
/// share in the target, the loss is infinite.
Variable cross_entropies(const Variable& logits, const Tensor& labels, double label_smoothing = 0);
/// Elementwise -t log s(z) - (1 - t) log(1 - s(z)), with s the sigmoid, z a logit and t a target in [0, 1]; a target
/// beyond that, or NaN, is an error on the CPU.
Variable binary_cross_entropies(const Variable& logits, const Variable& targets);

// ---- images [batch, height, width, channels]
/// x [batch, h, w, in], weight [out, kh, kw, in], bias [out] or undefined -> [batch, h', w', out],
/// h' = (h + 2 padding - kh) / stride + 1, rounded down. Padding is zeros on all four sides. The activation is applied
/// in the same pass.
Variable conv2d(const Variable& x, const Variable& weight, const Variable& bias, int64_t stride = 1,
                int64_t padding = 0, Activation activation = Activation::none);
/// The transpose of conv2d in x: adds each number of y, times the weight, to the window of x that conv2d reads for it.
/// This is conv2d's gradient in x, and a transposed convolution. y [batch, h', w', out], weight [out, kh, kw, in] ->
/// [batch, h, w, in] = x_shape, for which conv2d gives y's shape: several sizes do, so it must be said which is meant.
Variable conv2d_transpose(const Variable& y, const Variable& weight, const Shape& x_shape, int64_t stride = 1,
                          int64_t padding = 0);
/// The largest of each window, for each channel; h' as above. max_pool2d(x, {.kernel_h = 2, .kernel_w = 2, .stride =
/// 2})
Variable max_pool2d(const Variable& x, const core::Window& window);
/// The mean of each window, padding counted as zeros.
Variable avg_pool2d(const Variable& x, const core::Window& window);

// ---- normalisation of the last axis, channels, and noise
/// What a normalisation does with its result y: activation(y + residual).
struct Epilogue {
  Variable residual{};  ///< of y's shape, or undefined: nothing is added
  Activation activation = Activation::none;
};
/// Batch normalisation (Ioffe & Szegedy, 2015): y = (x - mean) / sqrt(variance + epsilon) * weight + bias with the mean
/// and biased variance of each channel of x itself, which it also returns. Gradients flow through them.
/// x [batch, ..., channels], weight and bias [channels]. What follows is done in the same pass:
///   batch_norm(x, weight, bias, epsilon, {.residual = r, .activation = Activation::relu})   is relu(y + r)
std::pair<Variable, core::Moments> batch_norm(const Variable& x, const Variable& weight, const Variable& bias,
                                              double epsilon, const Epilogue& epilogue = {});
/// The same formula with given moments, which are constants: no gradient flows through them.
Variable normalise(const Variable& x, const core::Moments& moments, const Variable& weight, const Variable& bias,
                   double epsilon, const Epilogue& epilogue = {});
/// Layer normalisation (Ba et al., 2016): the same formula with the mean and biased variance of each row of x
/// [..., features]; weight and bias [features]. Gradients flow through the moments.
Variable layer_norm(const Variable& x, const Variable& weight, const Variable& bias, double epsilon);
/// Zeroes elements with this probability and scales the rest by 1 / (1 - probability). Draws from default_generator().
Variable dropout(const Variable& x, double probability);

}  // namespace minima
