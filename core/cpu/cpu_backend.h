// SPDX-License-Identifier: MIT
// CpuBackend: every kernel on the CPU's threads. The methods are defined by theme in the files beside this one.
// Sums are cut by their size alone (parallel.h), so that every kernel gives the same bits at any number of threads, and
// no kernel takes memory from anywhere but the caching allocator.
#pragma once

#include "core/backend.h"
#include "core/host_device.h"
#include "core/parallel.h"

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::core {

class CpuBackend final : public Backend {
 public:
  // cpu_backend.cpp
  void* allocate(size_t bytes) override;
  void deallocate(void* block) override;
  void copy_to_host(const void* source, void* target, size_t bytes) override;
  void copy_from_host(const void* source, void* target, size_t bytes) override;
  void random(Distribution distribution, uint64_t seed, uint64_t offset, double a, double b, Tensor& out) override;

  // elementwise.cpp
  void fill(Tensor& out, double value) override;
  void cast(const Tensor& x, Tensor& out) override;
  void unary(UnaryOp op, double a, double b, const Tensor& x, Tensor& out) override;
  void binary(BinaryOp op, const Broadcast& plan, const Tensor& x, const Tensor& y, Tensor& out) override;
  void add_scaled(const Tensor& base, double alpha, const Tensor& scale, const Tensor& x, Tensor& out) override;
  void blend(double keep, double share, const Tensor& x, Tensor& out) override;

  // blocks.cpp
  void copy_block(const Shape& shape, const Tensor& x, const Block& from, Tensor& out, const Block& to) override;

  // reductions.cpp
  void reduce(ReduceOp op, const Fold& fold, const Tensor& x, Tensor& out) override;
  void dot(const Tensor& x, const Tensor& y, Tensor& out) override;

  // rows.cpp
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

  // matrix.cpp
  void gemm(const Gemm& shape, const Tensor& a, const Tensor& b, const Tensor& bias, Activation activation,
            Tensor& out) override;

  // epilogue.cpp
  void relu_backward(const Tensor& grad, const Tensor& y, Tensor& out, Tensor& grad_bias) override;

  // convolution.cpp
  void conv2d(const core::Window& window, const Tensor& x, const Tensor& weight, const Tensor& bias,
              Activation activation, Tensor& y) override;
  void conv2d_transpose(const core::Window& window, const Tensor& y, const Tensor& weight, Tensor& x) override;
  void conv2d_correlate(const core::Window& window, const Tensor& x, const Tensor& y, Tensor& weight) override;

  // pooling.cpp
  void max_pool2d(const core::Window& window, const Tensor& x, Tensor& y, Tensor& positions) override;
  void gather_positions(const Tensor& x, const Tensor& positions, Tensor& y) override;
  void scatter_positions(const core::Window& window, const Tensor& y, const Tensor& positions, Tensor& x) override;
  void avg_pool2d(const core::Window& window, const Tensor& x, Tensor& y) override;
  void avg_pool2d_transpose(const core::Window& window, const Tensor& y, Tensor& x) override;

  // normalise.cpp
  void channel_moments(const Tensor& x, Tensor& mean, Tensor& variance) override;
  void normalise(const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& weight, const Tensor& bias,
                 double epsilon, const Tensor& residual, Activation activation, Tensor& y) override;
  void normalise_backward(const Tensor& grad, const Tensor& x, const Tensor& y, const Tensor& mean,
                          const Tensor& variance, const Tensor& weight, const Tensor& bias, double epsilon,
                          Activation activation, Tensor& grad_x, Tensor& grad_weight, Tensor& grad_bias,
                          Tensor& grad_residual) override;

  // update.cpp
  void update(const UpdateKernel& rule, Tensor& weight, const Tensor& grad, Tensor* states,
              const AlongWithUpdate& also) override;
};

namespace cpu {

/// Elements that are worth a chunk of their own; less work than this runs on the calling thread.
inline constexpr int64_t grain = 32768;

/// How many items of `cost` elements each make a chunk.
inline int64_t grain_of(int64_t cost) { return std::max<int64_t>(1, grain / std::max<int64_t>(1, cost)); }

/// Long sums are cut into at most so many pieces, of so many elements: a function of their length alone.
inline constexpr int64_t max_partials = 256;
inline int64_t piece_of(int64_t n) { return std::max(grain, (n + max_partials - 1) / max_partials); }
/// Sums over rows: so many rows are summed in the tensor's own type, what is beyond in double; the threads share so
/// many groups of rows.
inline constexpr int64_t row_block = 64, row_groups = 32;

namespace {  // a function that is compiled for several processors would be exported
/// to[i] = base[i] + factor * from[i]; `to` may be `base`.
template <class T>
MINIMA_VECTOR_LOOP void add_scaled_line(const T* base, T factor, const T* from, int64_t n, T* to) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) to[i] = base[i] + factor * from[i];
}
}  // namespace

/// A sum of products in double, in lanes, to which strips of a long line are added one after the other
/// (reductions.cpp). All strips but the last are multiples of `width` long: then the sum does not depend on the cuts.
struct DotLanes {
  static constexpr int64_t width = 16;
  double lane[width] = {};

  template <class T>
  [[gnu::visibility("hidden")]] void add(const T* x, const T* y, int64_t n);
  double total() const;
};

/// One product of dense matrices (matrix.cpp), on all threads unless this is one of several chunks; bias [n] may be
/// null.
template <class T>
[[gnu::visibility("hidden")]] void multiply(const Gemm& shape, const T* a, const T* b, const T* bias,
                                            Activation activation, T* c);

/// The elements of a tensor as T.
template <class T>
const T* read(const Tensor& tensor) {
  return reinterpret_cast<const T*>(tensor.raw());
}
template <class T>
T* write(Tensor& tensor) {
  return reinterpret_cast<T*>(tensor.raw());
}

}  // namespace cpu
}  // namespace minima::core
#pragma GCC visibility pop
