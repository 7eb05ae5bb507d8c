// SPDX-License-Identifier: MIT
// Backend: every kernel of a device behind one interface. ops.h checks shapes and dtypes, allocates the result and
// calls these; a kernel may therefore trust its arguments. core/cpu and core/cuda implement it.
// Unless a line says otherwise, operands are floating tensors of one dtype on this device, `out` has its final shape,
// and a call overwrites `out`. Not here: validation (ops.cpp), derivatives (autograd/).
#pragma once

#include <cstddef>

#include "core/elementwise.h"
#include "core/random.h"
#include "core/tensor.h"
#include "core/update_rules.h"

namespace minima::core {

enum class ReduceOp : uint8_t { sum, max };

/// What a kernel applies to its result before writing it: a pass over memory saved.
enum class Activation : uint8_t { none, relu };

/// out = a b (+ out when `accumulate`), for each of `batch` matrices; a is [m, k] or stored transposed as [k, m],
/// b is [k, n] or stored as [n, k]. A stride of 0 elements repeats one matrix over the batch.
struct Gemm {
  int64_t m, n, k;
  bool transpose_a = false, transpose_b = false, accumulate = false;
  int64_t batch = 1, stride_a = 0, stride_b = 0;
};

/// A sliding window over images [batch, height, width, channels]; padding is the same on all four sides.
struct Window {
  int64_t kernel_h, kernel_w, stride = 1, padding = 0;
  int64_t out_extent(int64_t in, int64_t kernel) const { return (in + 2 * padding - kernel) / stride + 1; }
};

/// A rectangular block of a row-major tensor: element (i, j, ...) lies at offset + i * strides[0] + j * strides[1] ...
/// Strides may be 0 (repeat).
struct Block {
  int64_t offset = 0;
  int64_t strides[max_rank] = {};
};

/// What is done in the same pass as an optimizer's update.
struct AlongWithUpdate {
  /// Before the rule, weight += move * scale * states[0], as add_scaled does it; 0 moves nothing. `scale` is one
  /// float64 element, or undefined: 1.
  double move = 0;
  Tensor scale{};
  /// After it, dot(states[0], states[0]) is written here, the same bits; undefined: not wanted.
  Tensor squares{};
};

class Backend {
 public:
  virtual ~Backend() = default;

  // ---- memory
  virtual void* allocate(size_t bytes) = 0;  ///< throws Error when the device is full
  virtual void deallocate(void* block) = 0;
  virtual void copy_to_host(const void* source, void* target, size_t bytes) = 0;
  virtual void copy_from_host(const void* source, void* target, size_t bytes) = 0;
  /// A training step ends here; the next one may well ask for the same work.
  virtual void end_step() {}

  // ---- elements (any dtype where marked *)
  virtual void fill(Tensor& out, double value) = 0;     // *
  virtual void cast(const Tensor& x, Tensor& out) = 0;  // *
  virtual void copy_block(const Shape& shape, const Tensor& x, const Block& from, Tensor& out,
                          const Block& to) = 0;  // *
  virtual void unary(UnaryOp op, double a, double b, const Tensor& x, Tensor& out) = 0;
  virtual void binary(BinaryOp op, const Broadcast& plan, const Tensor& x, const Tensor& y, Tensor& out) = 0;
  /// out = base + alpha * x, or base + alpha * scale * x with a number that stays on the device: one element, float64;
  /// else undefined. `base` may be `out`.
  virtual void add_scaled(const Tensor& base, double alpha, const Tensor& scale, const Tensor& x, Tensor& out) = 0;
  /// out = keep * out + share * x, computed in double. x is float64, or undefined: 1. `out` may be int64 too.
  virtual void blend(double keep, double share, const Tensor& x, Tensor& out) = 0;
  virtual void random(Distribution distribution, uint64_t seed, uint64_t offset, double a, double b, Tensor& out) = 0;

  // ---- reductions, in a fixed order
  virtual void reduce(ReduceOp op, const Fold& fold, const Tensor& x, Tensor& out) = 0;
  virtual void dot(const Tensor& x, const Tensor& y, Tensor& out) = 0;  ///< out: one element, float64
  virtual void argmax(const Tensor& x, Tensor& out) = 0;                ///< x [rows, columns] -> out int64 [rows]

  // ---- rows
  /// out[i] = x[indices[i]]; x is [rows, ...] of any dtype, indices int64 and within range.
  virtual void gather_rows(const Tensor& x, const Tensor& indices, Tensor& out) = 0;
  /// out[indices[i]] += x[i], out zeroed first.
  virtual void scatter_rows(const Tensor& x, const Tensor& indices, Tensor& out) = 0;
  /// The loss of each row, as core::cross_entropy says. Labels are int64; one that is no class of the logits is an
  /// error.
  virtual void cross_entropy(const Tensor& logits, const Tensor& labels, double smoothing, Tensor& losses) = 0;
  /// out = the derivatives of losses . grad in the logits: grad[i] * (softmax(row i) - target)
  virtual void cross_entropy_backward(const Tensor& logits, const Tensor& labels, double smoothing, const Tensor& grad,
                                      Tensor& out) = 0;
  /// x [rows, columns] -> (log-)softmax of each row.
  virtual void softmax(bool log, const Tensor& x, Tensor& out) = 0;
  /// From the gradient of y = softmax(x) that of x: y * (grad - the row's sum of grad * y).
  virtual void softmax_backward(const Tensor& grad, const Tensor& y, Tensor& out) = 0;

  /// x [rows, features], weight and bias [features]: y = (x - mean) / sqrt(variance + epsilon) * weight + bias with the
  /// moments of each row.
  virtual void layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon, Tensor& y) = 0;
  /// From the gradient of that y those of x, weight and bias.
  virtual void layer_norm_backward(const Tensor& grad, const Tensor& x, const Tensor& weight, double epsilon,
                                   Tensor& grad_x, Tensor& grad_weight, Tensor& grad_bias) = 0;

  // ---- linear algebra
  /// With a bias [n] or an activation, out = activation(a b + bias); `bias` may be undefined. Not with `accumulate`.
  virtual void gemm(const Gemm& shape, const Tensor& a, const Tensor& b, const Tensor& bias, Activation activation,
                    Tensor& out) = 0;
  /// The way back through y = relu(z + bias), y [..., n]: out = grad where y > 0, else 0; and grad_bias [n], unless it
  /// is undefined, = the sums of out over all axes but the last.
  virtual void relu_backward(const Tensor& grad, const Tensor& y, Tensor& out, Tensor& grad_bias) = 0;

  // ---- images: x [batch, height, width, in], weight [out, kernel_h, kernel_w, in], y [batch, height', width', out]
  /// y = activation(convolution + bias). `bias` is [out], or undefined where there is none.
  virtual void conv2d(const Window& window, const Tensor& x, const Tensor& weight, const Tensor& bias,
                      Activation activation, Tensor& y) = 0;
  /// The transpose of conv2d in x: scatters y back to the input's shape.
  virtual void conv2d_transpose(const Window& window, const Tensor& y, const Tensor& weight, Tensor& x) = 0;
  /// The transpose of conv2d in weight: correlates x with y.
  virtual void conv2d_correlate(const Window& window, const Tensor& x, const Tensor& y, Tensor& weight) = 0;
  /// y and the position (int32, an index into the elements of one image of x) of each maximum.
  virtual void max_pool2d(const Window& window, const Tensor& x, Tensor& y, Tensor& positions) = 0;
  /// y[image, i] = x[image, positions[image, i]]
  virtual void gather_positions(const Tensor& x, const Tensor& positions, Tensor& y) = 0;
  /// x[image, positions[image, i]] += y[image, i], x zeroed first. Each position lies in its window.
  virtual void scatter_positions(const Window& window, const Tensor& y, const Tensor& positions, Tensor& x) = 0;
  /// Means over windows, padding counted as zeros.
  virtual void avg_pool2d(const Window& window, const Tensor& x, Tensor& y) = 0;
  virtual void avg_pool2d_transpose(const Window& window, const Tensor& y, Tensor& x) = 0;

  // ---- batch normalisation: x [..., channels]; mean and variance are float64 [channels], weight and bias [channels]
  /// Mean and biased variance of each channel.
  virtual void channel_moments(const Tensor& x, Tensor& mean, Tensor& variance) = 0;
  /// y = activation((x - mean) / sqrt(variance + epsilon) * weight + bias + residual). `residual` has x's shape, or is
  /// undefined where there is none.
  virtual void normalise(const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& weight,
                         const Tensor& bias, double epsilon, const Tensor& residual, Activation activation,
                         Tensor& y) = 0;
  /// From the gradient of that y those of x, weight, bias and residual, where mean and variance are the moments of x.
  /// y is defined if the activation is relu. grad_residual is undefined without a residual, and without an activation.
  virtual void normalise_backward(const Tensor& grad, const Tensor& x, const Tensor& y, const Tensor& mean,
                                  const Tensor& variance, const Tensor& weight, const Tensor& bias, double epsilon,
                                  Activation activation, Tensor& grad_x, Tensor& grad_weight, Tensor& grad_bias,
                                  Tensor& grad_residual) = 0;

  // ---- optimizers: one pass over flat buffers; there are as many `states` as the rule takes
  virtual void update(const UpdateKernel& rule, Tensor& weight, const Tensor& grad, Tensor* states,
                      const AlongWithUpdate& also = {}) = 0;
};

/// The backend of a device. In a build without CUDA, asking for it is an error that says how to get it.
Backend& backend(Device device);
/// Puts another backend in the place of a device's own: one that counts or measures and passes the calls on to
/// own_backend(device). Null ends that. The other must live until then.
void replace_backend(Device device, Backend* other);
Backend& own_backend(Device device);
Backend& cuda_backend();
/// The GPU, its driver and the CUDA of this build, for reports: "NVIDIA H100 80GB HBM3, compute capability 9.0, ...".
/// Empty where there is none.
std::string cuda_description();

}  // namespace minima::core

namespace minima {

/// Why Device::cuda cannot be used in this build on this machine; empty when it can.
std::string cuda_unavailable_reason();

}  // namespace minima
