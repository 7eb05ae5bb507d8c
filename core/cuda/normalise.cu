// SPDX-License-Identifier: MIT
// Batch normalisation over the channels (the last axis) of [..., channels]. What is a small difference of large numbers
// (the variance, and x - mean) is computed in double, or from a difference that float32 holds exactly.
#include <cmath>

#include "core/cuda/cuda_backend.h"
#include "core/cuda/fold.cuh"

namespace minima::core {

using namespace cuda;

namespace {

struct Rows {
  int64_t count, channels;

  explicit Rows(const Shape& x) : count(x[-1] == 0 ? 0 : x.numel() / x[-1]), channels(x[-1]) {}
};

/// Taken off first, one element of each channel keeps the sum of squares from cancelling where |mean| is large.
template <class T>
struct ChannelMoments : DoubleSums {
  const T* x;
  double *mean, *variance;
  Rows rows;

  ChannelMoments(const T* x, double* mean, double* variance, Rows rows)
      : x(x), mean(mean), variance(variance), rows(rows) {}
  __device__ void add(SumPair& total, int64_t, int64_t row, int64_t channel) const {
    const double d = static_cast<double>(x[row * rows.channels + channel]) - static_cast<double>(x[channel]);
    total.first += d;
    total.second += d * d;
  }
  __device__ void finish(int64_t, int64_t channel, const SumPair& total) const {
    const double n = static_cast<double>(rows.count), m = total.first / n, v = total.second / n - m * m;
    mean[channel] = static_cast<double>(x[channel]) + m;
    variance[channel] = v < 0 ? 0 : v;
  }
};

/// One channel's numbers in  out = slope_x * (x - centre) + slope_grad * grad + shift, all channels' slope_x first.
template <class T>
struct Coefficients {
  T* memory;
  int64_t channels;

  __device__ void set(int64_t channel, double slope_x, double centre, double shift, double slope_grad) const {
    memory[channel] = static_cast<T>(slope_x);
    memory[channels + channel] = static_cast<T>(centre);
    memory[2 * channels + channel] = static_cast<T>(shift);
    memory[3 * channels + channel] = static_cast<T>(slope_grad);
  }
  __device__ T slope_x(uint32_t channel) const { return memory[channel]; }
  __device__ T centre(uint32_t channel) const { return memory[channels + channel]; }
  __device__ T shift(uint32_t channel) const { return memory[2 * channels + channel]; }
  __device__ T slope_grad(uint32_t channel) const { return memory[3 * channels + channel]; }
};

template <class T>
Tensor memory_for_coefficients(const Rows& rows) {
  return Tensor::empty({4 * rows.channels}, dtype_of<T>, Device::cuda);
}

/// x - centre is exact near the mean. What rounding took from the mean goes into the shift.
template <class T>
struct ForwardCoefficients {
  const double *mean, *variance;
  const T *weight, *bias;
  double epsilon;
  Coefficients<T> to;
  __device__ void operator()(int64_t i) const {
    using std::sqrt;
    const double scale = static_cast<double>(weight[i]) / sqrt(variance[i] + epsilon);
    const double centre = static_cast<double>(static_cast<T>(mean[i]));
    to.set(i, scale, centre, static_cast<double>(bias[i]) + scale * (centre - mean[i]), 0);
  }
};

template <class T>
struct Normalise {
  const T* x;
  const T* residual;  // or null
  Coefficients<T> by;
  Divider channels;
  bool relu;
  T* y;
  __device__ void operator()(int64_t i) const {
    uint32_t channel = static_cast<uint32_t>(i);
    channels.split(channel);
    T value = (x[i] - by.centre(channel)) * by.slope_x(channel) + by.shift(channel);
    if (residual) value += residual[i];
    y[i] = relu && value < 0 ? T(0) : value;
  }
};

/// The gradient before the activation: 0 where relu has cut the value off.
template <class T>
struct GradientBefore {
  const T *grad, *y;  // y is null where there is no relu
  __device__ T operator()(int64_t i) const { return y && !(y[i] > 0) ? T(0) : grad[i]; }
};

// With n rows and x^ = (x - mean) / deviation:
//   grad_bias   = sum grad
//   grad_weight = sum grad x^
//   grad_x      = weight / deviation * (grad - grad_bias / n - x^ grad_weight / n)
template <class T>
struct NormaliseSums : DoubleSums {
  GradientBefore<T> grad;
  const T *x, *weight;
  const double *mean, *variance;
  double epsilon;
  Rows rows;
  T *grad_weight, *grad_bias;
  Coefficients<T> to;

  __device__ void add(SumPair& total, int64_t, int64_t row, int64_t channel) const {
    const int64_t at = row * rows.channels + channel;
    const double gradient = static_cast<double>(grad(at));
    total.first += gradient;
    total.second += gradient * (static_cast<double>(x[at]) - mean[channel]);
  }
  __device__ void finish(int64_t, int64_t i, const SumPair& total) const {
    using std::sqrt;
    const double n = static_cast<double>(rows.count), inverse = 1 / sqrt(variance[i] + epsilon);
    grad_bias[i] = static_cast<T>(total.first);
    grad_weight[i] = static_cast<T>(total.second * inverse);
    const double slope_grad = static_cast<double>(weight[i]) * inverse;
    const double slope_x = -slope_grad * inverse * inverse * total.second / n;
    const double centre = static_cast<double>(static_cast<T>(mean[i]));
    to.set(i, slope_x, centre, slope_x * (centre - mean[i]) - slope_grad * total.first / n, slope_grad);
  }
};

template <class T>
struct NormaliseBackward {
  GradientBefore<T> grad;
  const T* x;
  Coefficients<T> by;
  Divider channels;
  T *grad_x, *grad_residual;  // the latter may be null
  __device__ void operator()(int64_t i) const {
    uint32_t channel = static_cast<uint32_t>(i);
    channels.split(channel);
    const T gradient = grad(i);
    if (grad_residual) grad_residual[i] = gradient;
    grad_x[i] =
        by.slope_grad(channel) * gradient + by.slope_x(channel) * (x[i] - by.centre(channel)) + by.shift(channel);
  }
};

}  // namespace

void CudaBackend::channel_moments(const Tensor& x, Tensor& mean, Tensor& variance) {
  dispatch_floating("channel_moments", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Rows rows(x.shape());
    fold(ChannelMoments<T>(read<T>(x), write<double>(mean), write<double>(variance), rows), 1, rows.count,
         rows.channels);
  });
}

void CudaBackend::normalise(const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& weight,
                            const Tensor& bias, double epsilon, const Tensor& residual, Activation activation,
                            Tensor& y) {
  require_indexable("normalise", x.numel());
  dispatch_floating("normalise", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Rows rows(x.shape());
    Tensor memory = memory_for_coefficients<T>(rows);
    const Coefficients<T> coefficients{write<T>(memory), rows.channels};
    for_each(rows.channels, ForwardCoefficients<T>{read<double>(mean), read<double>(variance), read<T>(weight),
                                                   read<T>(bias), epsilon, coefficients});
    for_each(x.numel(), Normalise<T>{read<T>(x), residual.defined() ? read<T>(residual) : nullptr, coefficients,
                                     Divider(rows.channels), activation == Activation::relu, write<T>(y)});
  });
}

void CudaBackend::normalise_backward(const Tensor& grad, const Tensor& x, const Tensor& y, const Tensor& mean,
                                     const Tensor& variance, const Tensor& weight, const Tensor& /*bias*/,
                                     double epsilon, Activation activation, Tensor& grad_x, Tensor& grad_weight,
                                     Tensor& grad_bias, Tensor& grad_residual) {
  require_indexable("normalise", x.numel());
  dispatch_floating("normalise_backward", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Rows rows(x.shape());
    Tensor memory = memory_for_coefficients<T>(rows);
    const Coefficients<T> coefficients{write<T>(memory), rows.channels};
    const GradientBefore<T> gradient{read<T>(grad), activation == Activation::relu ? read<T>(y) : nullptr};
    fold(NormaliseSums<T>{{},
                          gradient,
                          read<T>(x),
                          read<T>(weight),
                          read<double>(mean),
                          read<double>(variance),
                          epsilon,
                          rows,
                          write<T>(grad_weight),
                          write<T>(grad_bias),
                          coefficients},
         1, rows.count, rows.channels);
    for_each(x.numel(),
             NormaliseBackward<T>{gradient, read<T>(x), coefficients, Divider(rows.channels), write<T>(grad_x),
                                  grad_residual.defined() ? write<T>(grad_residual) : nullptr});
  });
}

}  // namespace minima::core
