// SPDX-License-Identifier: MIT
// Operations on plain tensors: each checks its arguments, allocates the result and calls the backend.
// Operands of one op share dtype and device. Where an op takes `into`, it writes its result there if that is defined: a
// tensor of the result's shape and dtype, such as a place in an optimizer's memory.
// Not here: derivatives (autograd/ops.h).
#pragma once

#include <utility>

#include "core/backend.h"

namespace minima::core {

// ---- elementwise, with broadcasting
Tensor unary(UnaryOp op, const Tensor& x, double a = 0, double b = 0);
Tensor binary(BinaryOp op, const Tensor& x, const Tensor& y);
/// y += alpha * x in place; same shape. With `scale`, one float64 element on the same device that nobody has to wait
/// for: y += alpha * scale * x.
void add_scaled(Tensor& y, double alpha, const Tensor& x);
void add_scaled(Tensor& y, double alpha, const Tensor& scale, const Tensor& x);
/// out = y + alpha * scale * x, of the same bits, in one pass; `out` has y's shape.
void add_scaled(const Tensor& y, double alpha, const Tensor& scale, const Tensor& x, Tensor& out);
/// y = keep * y + share * x in place, or keep * y + share: computed in double, then converted to y's type. x is float64
/// and has y's shape; y is floating, or int64, which loses what follows the point.
void blend(Tensor& y, double keep, double share, const Tensor& x);
void blend(Tensor& y, double keep, double share);

// ---- reductions
/// Sum or maximum over one axis.
Tensor reduce(ReduceOp op, const Tensor& x, int axis, bool keep_dim = false);
/// Sum of all elements, as a scalar.
Tensor sum(const Tensor& x);
/// Sums x over the axes along which `shape` was broadcast to x.shape().
Tensor sum_to(const Tensor& x, const Shape& shape);
/// Index of the largest element along the last axis; int64 [...].
Tensor argmax(const Tensor& x);
/// Sum of products over all elements, accumulated in double: one float64 element, which stays on the device.
Tensor dot(const Tensor& x, const Tensor& y);
/// sqrt(dot(x, x))
Tensor norm(const Tensor& x);
/// Whether every element is finite.
bool all_finite(const Tensor& x);

// ---- movement
Tensor broadcast_to(const Tensor& x, const Shape& shape);
/// Axis i of the result is axis order[i] of x.
Tensor permute(const Tensor& x, const std::vector<int>& order);
/// Every `step`-th index of one axis in [begin, end).
Tensor slice(const Tensor& x, int axis, int64_t begin, int64_t end, int64_t step = 1);
/// The transpose of slice: zeros of extent `size` along the axis, with x written at begin, begin + step, ...
Tensor unslice(const Tensor& x, int axis, int64_t size, int64_t begin, int64_t step = 1);
/// Joins tensors along an axis; other extents must agree.
Tensor concatenate(const std::vector<Tensor>& parts, int axis);
/// Rows of x by index (int32 or int64, [...]): result [..., row]. An index out of range is an error that names it.
Tensor gather_rows(const Tensor& x, const Tensor& indices);
/// The transpose of gather_rows: [rows, ...] with x added at the indices.
Tensor scatter_rows(const Tensor& x, const Tensor& indices, int64_t rows);

// ---- linear algebra
/// [m, k] x [k, n], or batched [..., m, k] x [..., k, n] where a leading shape may be absent (shared by the batch).
Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a = false, bool transpose_b = false, Tensor into = {});
/// activation(x W^T + bias): x [batch, in], weight [out, in], bias [out] or undefined -> [batch, out]
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, Activation activation = Activation::none);
/// The way back through y = activation(z + bias), z and y [..., n]: returns the gradient of z. That of the bias is
/// written to `grad_bias` [n] unless that is undefined. y is read where the activation needs it.
Tensor epilogue_backward(Activation activation, const Tensor& grad, const Tensor& y, Tensor grad_bias);
/// Along the last axis.
Tensor softmax(const Tensor& x);
Tensor log_softmax(const Tensor& x);
/// The gradient of x from that of y = softmax(x).
Tensor softmax_backward(const Tensor& grad, const Tensor& y);
/// The loss of each row, [batch]: -sum of target * log_softmax(row), where the target is 1 - smoothing at the label
/// plus smoothing / classes everywhere. logits [batch, classes], labels int32 or int64 [batch]. A masked class has the
/// logit -infinity: it counts for nothing unless it is the label or smoothing gives it a share; then the loss is
/// infinite.
Tensor cross_entropy(const Tensor& logits, const Tensor& labels, double smoothing = 0);
/// The derivatives of sum(grad * cross_entropy(...)) in the logits; grad [batch].
Tensor cross_entropy_backward(const Tensor& logits, const Tensor& labels, double smoothing, const Tensor& grad);

// ---- images: x [batch, height, width, in], weight [out, kernel_h, kernel_w, in], y [batch, height', width', out]
/// activation(convolution + bias). `bias` is [out], or undefined where there is none.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t stride = 1, int64_t padding = 0,
              Activation activation = Activation::none);
Tensor conv2d_transpose(const Tensor& y, const Tensor& weight, const Shape& x_shape, int64_t stride, int64_t padding);
Tensor conv2d_correlate(const Tensor& x, const Tensor& y, const Shape& weight_shape, int64_t stride, int64_t padding,
                        Tensor into = {});
/// How float32 convolutions are computed on the CPU. Winograd's algorithm takes a quarter to a half of the
/// multiplications of the direct one for 3 x 3 kernels of stride 1, and rounds a little more coarsely
/// (core/cpu/winograd.cpp has figures). `winograd` is direct for all other kernels, and where a result would not be
/// finite. `automatic`, the default, takes the faster one by the shapes alone; where there are few outputs, and for
/// the gradient of an x of few channels or with a stride of 3 or more, it takes im2col.
enum class ConvAlgorithm : uint8_t { automatic, direct, winograd };
void set_conv_algorithm(ConvAlgorithm algorithm);
ConvAlgorithm conv_algorithm();
/// Values and positions; a position is an index into the elements of its image.
std::pair<Tensor, Tensor> max_pool2d(const Tensor& x, const Window& window);
/// The elements of each image of x at these positions, and the transpose of that, which adds them back; `window` is the
/// one that gave the positions.
Tensor gather_positions(const Tensor& x, const Tensor& positions);
Tensor scatter_positions(const Tensor& y, const Tensor& positions, const Shape& x_shape, const Window& window);
Tensor avg_pool2d(const Tensor& x, const Window& window);
Tensor avg_pool2d_transpose(const Tensor& y, const Shape& x_shape, const Window& window);
/// What to tell a user whose images have another number of channels than `channels`: if they lie as [batch, channels,
/// height, width], both readings of their shape and how to permute them; else nothing.
std::string layout_hint(const Shape& images, int64_t channels);

// ---- batch normalisation of the last axis, channels
/// Mean and biased variance of each channel, in float64 for either dtype: rounded to float32, they could not tell data
/// far from zero from their mean.
struct Moments {
  Tensor mean, variance;  ///< [channels]
};
Moments channel_moments(const Tensor& x);
/// y = activation((x - mean) / sqrt(variance + epsilon) * weight + bias + residual), the residual of x's shape or
/// undefined
Tensor normalise(const Tensor& x, const Moments& moments, const Tensor& weight, const Tensor& bias, double epsilon,
                 const Tensor& residual = {}, Activation activation = Activation::none);
struct NormaliseGradients {
  Tensor x, weight, bias, residual;
};
/// What normalise_backward needs to know beyond a plain normalise(x, moments, weight, bias, epsilon).
struct NormaliseEpilogue {
  Activation activation = Activation::none;
  bool has_residual = false;
  Tensor y{};  ///< what normalise gave; needed with an activation
};
/// The gradients of normalise(x, channel_moments(x), weight, bias, ...), with those that flow through the moments.
/// Where `into` has tensors for weight and bias, these gradients are written there.
NormaliseGradients normalise_backward(const Tensor& grad, const Tensor& x, const Moments& moments, const Tensor& weight,
                                      const Tensor& bias, double epsilon, const NormaliseEpilogue& epilogue = {},
                                      const NormaliseGradients& into = {});

// ---- layer normalisation of the last axis, features: each row has its own moments
/// y = (x - mean) / sqrt(variance + epsilon) * weight + bias, with the biased variance; x [..., features], weight and
/// bias [features]
Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon);
/// The gradients of layer_norm in x, weight and bias, with those that flow through the moments; `into` as above.
NormaliseGradients layer_norm_backward(const Tensor& grad, const Tensor& x, const Tensor& weight, double epsilon,
                                       const NormaliseGradients& into = {});

}  // namespace minima::core
