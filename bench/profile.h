// Profiler: a backend that measures how long each call of the CPU's own backend takes, and how many floating-point
// operations it needs. Everything goes through the backend, so that the rest of a step is what no kernel took:
// dispatch, recording, the walk back. Calls that nest (a rule's) do not occur: a kernel calls no other through this.
//   Profiler profiler;                  // from here on calls are measured
//   profiler.start(), step(), profiler.print(steps, milliseconds)
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "core/backend.h"

namespace minima {

/// GFLOP/s of fused multiply-adds in registers, on as many threads as kernels use: what the best kernel cannot exceed.
double measured_peak();

class Profiler final : public core::Backend {
 public:
  Profiler();
  ~Profiler() override;

  void start() { calls_.clear(); }
  /// A line for each kernel and shape, the longest first; of `steps` steps that took `milliseconds` in all.
  void print(int64_t steps, double milliseconds) const;
  /// The calls as a file for chrome://tracing or ui.perfetto.dev.
  void write_trace(const std::string& path) const;

  void* allocate(size_t bytes) override { return own_.allocate(bytes); }
  void deallocate(void* block) override { own_.deallocate(block); }
  void copy_to_host(const void* source, void* target, size_t bytes) override {
    own_.copy_to_host(source, target, bytes);
  }
  void copy_from_host(const void* source, void* target, size_t bytes) override {
    own_.copy_from_host(source, target, bytes);
  }
  void fill(Tensor& out, double value) override;
  void cast(const Tensor& x, Tensor& out) override;
  void copy_block(const Shape& shape, const Tensor& x, const core::Block& from, Tensor& out,
                  const core::Block& to) override;
  void unary(core::UnaryOp op, double a, double b, const Tensor& x, Tensor& out) override;
  void binary(core::BinaryOp op, const core::Broadcast& plan, const Tensor& x, const Tensor& y, Tensor& out) override;
  void add_scaled(const Tensor& base, double alpha, const Tensor& scale, const Tensor& x, Tensor& out) override;
  void blend(double keep, double share, const Tensor& x, Tensor& out) override;
  void random(core::Distribution distribution, uint64_t seed, uint64_t offset, double a, double b,
              Tensor& out) override;
  void reduce(core::ReduceOp op, const core::Fold& fold, const Tensor& x, Tensor& out) override;
  void dot(const Tensor& x, const Tensor& y, Tensor& out) override;
  void argmax(const Tensor& x, Tensor& out) override;
  void gather_rows(const Tensor& x, const Tensor& indices, Tensor& out) override;
  void scatter_rows(const Tensor& x, const Tensor& indices, Tensor& out) override;
  void cross_entropy(const Tensor& logits, const Tensor& labels, double smoothing, Tensor& losses) override;
  void cross_entropy_backward(const Tensor& logits, const Tensor& labels, double smoothing, const Tensor& grad,
                              Tensor& out) override;
  void softmax(bool log, const Tensor& x, Tensor& out) override;
  void softmax_backward(const Tensor& grad, const Tensor& y, Tensor& out) override;
  void layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon, Tensor& y) override;
  void layer_norm_backward(const Tensor& grad, const Tensor& x, const Tensor& weight, double epsilon, Tensor& grad_x,
                           Tensor& grad_weight, Tensor& grad_bias) override;
  void gemm(const core::Gemm& shape, const Tensor& a, const Tensor& b, const Tensor& bias, core::Activation activation,
            Tensor& out) override;
  void relu_backward(const Tensor& grad, const Tensor& y, Tensor& out, Tensor& grad_bias) override;
  void conv2d(const core::Window& window, const Tensor& x, const Tensor& weight, const Tensor& bias,
              core::Activation activation, Tensor& y) override;
  void conv2d_transpose(const core::Window& window, const Tensor& y, const Tensor& weight, Tensor& x) override;
  void conv2d_correlate(const core::Window& window, const Tensor& x, const Tensor& y, Tensor& weight) override;
  void max_pool2d(const core::Window& window, const Tensor& x, Tensor& y, Tensor& positions) override;
  void gather_positions(const Tensor& x, const Tensor& positions, Tensor& y) override;
  void scatter_positions(const core::Window& window, const Tensor& y, const Tensor& positions, Tensor& x) override;
  void avg_pool2d(const core::Window& window, const Tensor& x, Tensor& y) override;
  void avg_pool2d_transpose(const core::Window& window, const Tensor& y, Tensor& x) override;
  void channel_moments(const Tensor& x, Tensor& mean, Tensor& variance) override;
  void normalise(const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& weight, const Tensor& bias,
                 double epsilon, const Tensor& residual, core::Activation activation, Tensor& y) override;
  void normalise_backward(const Tensor& grad, const Tensor& x, const Tensor& y, const Tensor& mean,
                          const Tensor& variance, const Tensor& weight, const Tensor& bias, double epsilon,
                          core::Activation activation, Tensor& grad_x, Tensor& grad_weight, Tensor& grad_bias,
                          Tensor& grad_residual) override;
  void update(const core::UpdateKernel& rule, Tensor& weight, const Tensor& grad, Tensor* states,
              const core::AlongWithUpdate& also) override;

 private:
  using Clock = std::chrono::steady_clock;
  struct Call {
    std::string kernel, shape;
    double flops;
    Clock::time_point begin, end;
  };
  template <class F>
  void time(const char* kernel, const Shape& shape, double flops, F&& call);

  core::Backend& own_;
  std::vector<Call> calls_;
};

}  // namespace minima
