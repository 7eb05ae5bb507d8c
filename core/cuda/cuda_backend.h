// SPDX-License-Identifier: MIT
// CudaBackend: every kernel on one NVIDIA GPU. The methods are defined by theme in the files beside this one.
// All work goes to one stream, in the order of the calls. A call returns when its work is enqueued, except
// copy_to_host, which waits for the device. The order of every sum depends on shapes alone, so that the same seed gives
// the same bits on the same GPU.
#pragma once

#include "core/backend.h"

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::core {

class CudaBackend final : public Backend {
 public:
  // device.cu
  void* allocate(size_t bytes) override;
  void deallocate(void* block) override;
  void copy_to_host(const void* source, void* target, size_t bytes) override;
  void copy_from_host(const void* source, void* target, size_t bytes) override;
  void end_step() override;
  /// Whether steps become CUDA graphs (queue.cuh); they do unless the environment has MINIMA_GRAPHS=0.
  void use_graphs(bool use);

  // elements.cu
  void fill(Tensor& out, double value) override;
  void cast(const Tensor& x, Tensor& out) override;
  void copy_block(const Shape& shape, const Tensor& x, const Block& from, Tensor& out, const Block& to) override;
  void unary(UnaryOp op, double a, double b, const Tensor& x, Tensor& out) override;
  void binary(BinaryOp op, const Broadcast& plan, const Tensor& x, const Tensor& y, Tensor& out) override;
  void add_scaled(const Tensor& base, double alpha, const Tensor& scale, const Tensor& x, Tensor& out) override;
  void blend(double keep, double share, const Tensor& x, Tensor& out) override;
  void random(Distribution distribution, uint64_t seed, uint64_t offset, double a, double b, Tensor& out) override;

  // reductions.cu
  void reduce(ReduceOp op, const Fold& fold, const Tensor& x, Tensor& out) override;
  void dot(const Tensor& x, const Tensor& y, Tensor& out) override;

  // rows.cu
  void argmax(const Tensor& x, Tensor& out) override;
  void gather_rows(const Tensor& x, const Tensor& indices, Tensor& out) override;
  void scatter_rows(const Tensor& x, const Tensor& indices, Tensor& out) override;
  void softmax(bool log, const Tensor& x, Tensor& out) override;
  void softmax_backward(const Tensor& grad, const Tensor& y, Tensor& out) override;
  void cross_entropy(const Tensor& logits, const Tensor& labels, double smoothing, Tensor& losses) override;
  void cross_entropy_backward(const Tensor& logits, const Tensor& labels, double smoothing, const Tensor& grad,
                              Tensor& out) override;
  void layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon, Tensor& y) override;
  void layer_norm_backward(const Tensor& grad, const Tensor& x, const Tensor& weight, double epsilon, Tensor& grad_x,
                           Tensor& grad_weight, Tensor& grad_bias) override;

  // gemm.cu
  void gemm(const Gemm& shape, const Tensor& a, const Tensor& b, const Tensor& bias, Activation activation,
            Tensor& out) override;
  void relu_backward(const Tensor& grad, const Tensor& y, Tensor& out, Tensor& grad_bias) override;

  // convolution.cu
  void conv2d(const core::Window& window, const Tensor& x, const Tensor& weight, const Tensor& bias,
              Activation activation, Tensor& y) override;
  void conv2d_transpose(const core::Window& window, const Tensor& y, const Tensor& weight, Tensor& x) override;
  void conv2d_correlate(const core::Window& window, const Tensor& x, const Tensor& y, Tensor& weight) override;

  // pooling.cu
  void max_pool2d(const core::Window& window, const Tensor& x, Tensor& y, Tensor& positions) override;
  void gather_positions(const Tensor& x, const Tensor& positions, Tensor& y) override;
  void scatter_positions(const core::Window& window, const Tensor& y, const Tensor& positions, Tensor& x) override;
  void avg_pool2d(const core::Window& window, const Tensor& x, Tensor& y) override;
  void avg_pool2d_transpose(const core::Window& window, const Tensor& y, Tensor& x) override;

  // normalise.cu
  void channel_moments(const Tensor& x, Tensor& mean, Tensor& variance) override;
  void normalise(const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& weight, const Tensor& bias,
                 double epsilon, const Tensor& residual, Activation activation, Tensor& y) override;
  void normalise_backward(const Tensor& grad, const Tensor& x, const Tensor& y, const Tensor& mean,
                          const Tensor& variance, const Tensor& weight, const Tensor& bias, double epsilon,
                          Activation activation, Tensor& grad_x, Tensor& grad_weight, Tensor& grad_bias,
                          Tensor& grad_residual) override;

  // update.cu
  void update(const UpdateKernel& rule, Tensor& weight, const Tensor& grad, Tensor* states,
              const AlongWithUpdate& also) override;
};

}  // namespace minima::core
#pragma GCC visibility pop
