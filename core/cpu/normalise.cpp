// Batch normalisation over the channels (the last axis) of [..., channels]: rows of one number for each channel.
// Channels are taken in blocks that stay in registers while the rows go by. What is a small difference of large
// numbers (the variance, and x - mean) is computed in double, or from a difference that float32 holds exactly.
#include <cmath>

#include "core/cpu/cpu_backend.h"

namespace minima::core {
namespace {
constexpr int64_t block = 16;       // channels at a time
constexpr int64_t row_groups = 32;  // partial sums: a function of the shape, not of the threads

struct Rows {
  int64_t count, channels;

  explicit Rows(const Shape& x) : count(x[-1] == 0 ? 0 : x.numel() / x[-1]), channels(x[-1]) {}
};

/// Calls f(width, first channel) for blocks of channels that cover all; width is a constant.
template <class F>
void for_each_block(int64_t channels, F&& f) {
  int64_t first = 0;
  for (; first + block <= channels; first += block) f(std::integral_constant<int64_t, block>{}, first);
  for (; first < channels; ++first) f(std::integral_constant<int64_t, 1>{}, first);
}

/// Two sums for each channel.
struct Sums {
  Tensor first, second;  // float64 [channels]
};

/// Sums the pairs term(offset, channel) over the rows.
template <class F>
Sums sum_rows(const Rows& rows, F&& term) {
  const int64_t size = std::max<int64_t>(1, (rows.count + row_groups - 1) / row_groups);
  const int64_t groups = (rows.count + size - 1) / size;
  Tensor partial = Tensor::empty({groups + 1, 2, rows.channels}, DType::float64);
  double* sums = cpu::write<double>(partial);
  parallel_for(groups, cpu::grain_of(size * rows.channels), [&](int64_t begin, int64_t end) {
    for (int64_t group = begin; group < end; ++group)
      for_each_block(rows.channels, [&](auto width, int64_t channel) {
        double first[width] = {}, second[width] = {};
        const int64_t last_row = std::min(rows.count, (group + 1) * size);
        for (int64_t row = group * size; row < last_row; ++row)
          for (int64_t i = 0; i < width; ++i) {
            const auto [a, b] = term(row * rows.channels + channel + i, channel + i);
            first[i] += a;
            second[i] += b;
          }
        double* to = sums + group * 2 * rows.channels + channel;
        std::copy(first, first + width, to);
        std::copy(second, second + width, to + rows.channels);
      });
  });
  double* total = sums + groups * 2 * rows.channels;
  std::fill(total, total + 2 * rows.channels, 0.0);
  for (int64_t group = 0; group < groups; ++group)
    for (int64_t i = 0; i < 2 * rows.channels; ++i) total[i] += sums[group * 2 * rows.channels + i];
  const Tensor totals = partial.slice(groups, groups + 1).reshape({2, rows.channels});
  return {totals.slice(0, 1), totals.slice(1, 2)};
}

/// The coefficients of one channel in out = slope_x * (x - centre) + slope_grad * grad + shift.
struct Coefficients {
  double slope_x, centre, shift, slope_grad = 0;
};

/// Calls formula(offset, slope_x, centre, shift, slope_grad) for each element of y, with its channel's coefficients.
template <class T, class C, class F>
void map_rows(const Rows& rows, C&& coefficients, T* y, F&& formula) {
  parallel_for(rows.count, cpu::grain_of(rows.channels), [&](int64_t begin, int64_t end) {
    for_each_block(rows.channels, [&](auto width, int64_t channel) {
      T slope_x[width], centre[width], shift[width], slope_grad[width], out[width];
      for (int64_t i = 0; i < width; ++i) {
        const Coefficients c = coefficients(channel + i);
        slope_x[i] = static_cast<T>(c.slope_x), centre[i] = static_cast<T>(c.centre);
        shift[i] = static_cast<T>(c.shift), slope_grad[i] = static_cast<T>(c.slope_grad);
      }
      for (int64_t row = begin; row < end; ++row) {
        const int64_t at = row * rows.channels + channel;
        for (int64_t i = 0; i < width; ++i) out[i] = formula(at + i, slope_x[i], centre[i], shift[i], slope_grad[i]);
        std::copy_n(out, +width, y + at);
      }
    });
  });
}

/// Calls f with std::true_type or std::false_type: a loop compiled for each.
template <class F>
void with_constant(bool condition, F&& f) {
  condition ? f(std::true_type{}) : f(std::false_type{});
}
}  // namespace

void CpuBackend::channel_moments(const Tensor& x, Tensor& mean, Tensor& variance) {
  dispatch_floating("channel_moments", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Rows rows(x.shape());
    const T* from = cpu::read<T>(x);
    // Taken off first, one element of each channel keeps the sum of squares from cancelling where |mean| is large.
    const Sums sums = sum_rows(rows, [&](int64_t at, int64_t channel) {
      const double d = static_cast<double>(from[at]) - static_cast<double>(from[channel]);
      return std::pair(d, d * d);
    });
    const double *sum = cpu::read<double>(sums.first), *squares = cpu::read<double>(sums.second);
    for (int64_t i = 0; i < rows.channels; ++i) {
      const double m = sum[i] / static_cast<double>(rows.count);
      cpu::write<double>(mean)[i] = static_cast<double>(from[i]) + m;
      cpu::write<double>(variance)[i] = std::max(0.0, squares[i] / static_cast<double>(rows.count) - m * m);
    }
  });
}

void CpuBackend::normalise(const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& weight,
                           const Tensor& bias, double epsilon, const Tensor& residual, Activation activation,
                           Tensor& y) {
  dispatch_floating("normalise", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Rows rows(x.shape());
    const T *from = cpu::read<T>(x), *w = cpu::read<T>(weight), *b = cpu::read<T>(bias);
    const T* added = residual.defined() ? cpu::read<T>(residual) : nullptr;
    const double *m = cpu::read<double>(mean), *v = cpu::read<double>(variance);
    const auto coefficients = [&](int64_t i) {
      const double scale = static_cast<double>(w[i]) / std::sqrt(v[i] + epsilon);
      const double centre = static_cast<double>(static_cast<T>(m[i]));
      // x - centre is exact near the mean. What rounding took from the mean goes into the shift.
      return Coefficients{scale, centre, static_cast<double>(b[i]) + scale * (centre - m[i])};
    };
    with_constant(activation == Activation::relu, [&](auto relu) {
      with_constant(added != nullptr, [&](auto has_residual) {
        map_rows<T>(rows, coefficients, cpu::write<T>(y), [=](int64_t at, T scale, T centre, T shift, T) {
          T value = (from[at] - centre) * scale + shift;
          if constexpr (has_residual) value += added[at];
          return relu && value < 0 ? T(0) : value;
        });
      });
    });
  });
}

// With n rows and x^ = (x - mean) / deviation:
//   grad_bias   = sum grad
//   grad_weight = sum grad x^
//   grad_x      = weight / deviation * (grad - grad_bias / n - x^ grad_weight / n)
// where grad is that of the value before the activation: 0 where relu has cut it off.
void CpuBackend::normalise_backward(const Tensor& grad, const Tensor& x, const Tensor& y, const Tensor& mean,
                                    const Tensor& variance, const Tensor& weight, double epsilon, Activation activation,
                                    Tensor& grad_x, Tensor& grad_weight, Tensor& grad_bias, Tensor& grad_residual) {
  dispatch_floating("normalise_backward", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Rows rows(x.shape());
    const double n = static_cast<double>(rows.count);
    const T *incoming = cpu::read<T>(grad), *from = cpu::read<T>(x), *w = cpu::read<T>(weight);
    const T* result = activation == Activation::relu ? cpu::read<T>(y) : nullptr;
    T* to_residual = grad_residual.defined() ? cpu::write<T>(grad_residual) : nullptr;
    const double *m = cpu::read<double>(mean), *v = cpu::read<double>(variance);
    with_constant(result != nullptr, [&](auto relu) {
      const auto gradient_at = [=](int64_t at) { return relu && !(result[at] > 0) ? T(0) : incoming[at]; };
      const Sums sums = sum_rows(rows, [=](int64_t at, int64_t channel) {
        const double gradient = static_cast<double>(gradient_at(at));
        return std::pair(gradient, gradient * (static_cast<double>(from[at]) - m[channel]));
      });
      const double *sum_grad = cpu::read<double>(sums.first), *sum_product = cpu::read<double>(sums.second);
      const auto inverse = [&](int64_t i) { return 1 / std::sqrt(v[i] + epsilon); };
      for (int64_t i = 0; i < rows.channels; ++i) {
        cpu::write<T>(grad_bias)[i] = static_cast<T>(sum_grad[i]);
        cpu::write<T>(grad_weight)[i] = static_cast<T>(sum_product[i] * inverse(i));
      }
      const auto coefficients = [&](int64_t i) {
        const double slope_grad = static_cast<double>(w[i]) * inverse(i);
        const double slope_x = -slope_grad * inverse(i) * inverse(i) * sum_product[i] / n;
        const double centre = static_cast<double>(static_cast<T>(m[i]));
        return Coefficients{slope_x, centre, slope_x * (centre - m[i]) - slope_grad * sum_grad[i] / n, slope_grad};
      };
      with_constant(to_residual != nullptr, [&](auto has_residual) {
        map_rows<T>(rows, coefficients, cpu::write<T>(grad_x),
                    [=](int64_t at, T slope_x, T centre, T shift, T slope_grad) {
                      const T gradient = gradient_at(at);
                      if constexpr (has_residual) to_residual[at] = gradient;
                      return slope_grad * gradient + slope_x * (from[at] - centre) + shift;
                    });
      });
    });
  });
}

}  // namespace minima::core
