// SPDX-License-Identifier: MIT
// Batch normalisation over the channels (the last axis) of [..., channels]: rows of one number for each channel.
// Sums run in the tensor's own type over blocks of 64 rows, in strips of columns that stay in registers while the rows
// go by, and the blocks are added in double. What is a small difference of large numbers (the variance, and x - mean)
// is taken from differences that float32 holds exactly, to a number near the mean.
#include <cmath>

#include "core/cpu/cpu_backend.h"

namespace minima::core {
namespace {
constexpr int64_t strip = 32;  // columns at a time
using cpu::row_block, cpu::row_groups;

/// Several rows of few channels count as one long row, whose loops are worth vector instructions: `columns` is a
/// multiple of `channels`, and column j is of channel j % channels. The last long row may be shorter.
struct Rows {
  int64_t channels, columns, elements;

  explicit Rows(const Shape& x) : channels(x[-1]), columns(channels), elements(x.numel()) {
    if (0 < channels && channels < 2 * strip)
      while (columns < 2 * strip || columns % strip != 0) columns += channels;
  }
  int64_t whole() const { return columns == 0 ? 0 : elements / columns; }
  int64_t count() const { return columns == 0 ? 0 : (elements + columns - 1) / columns; }
  double per_channel() const { return static_cast<double>(elements / std::max<int64_t>(1, channels)); }
};

/// Calls f(width, first column) for strips that cover all columns; width is a constant.
template <class F>
void for_each_strip(int64_t columns, F&& f) {
  int64_t first = 0;
  for (; first + strip <= columns; first += strip) f(std::integral_constant<int64_t, strip>{}, first);
  for (; first + 4 <= columns; first += 4) f(std::integral_constant<int64_t, 4>{}, first);
  for (; first < columns; ++first) f(std::integral_constant<int64_t, 1>{}, first);
}

/// Calls f with std::true_type or std::false_type: a loop compiled for each.
template <class F>
void with_constant(bool condition, F&& f) {
  condition ? f(std::true_type{}) : f(std::false_type{});
}

/// A number for each column, made from one for each channel.
template <class T, class F>
Tensor per_column(const Rows& rows, F&& of_channel) {
  Tensor table = Tensor::empty({rows.columns}, dtype_of<T>);
  for (int64_t j = 0; j < rows.columns; ++j)
    cpu::write<T>(table)[j] =
        j < rows.channels ? static_cast<T>(of_channel(j)) : cpu::read<T>(table)[j - rows.channels];
  return table;
}

/// Adds to the sums of all columns what `count` long rows from `at` on contribute.
template <class F>
MINIMA_VECTOR_LOOP void add_rows(const F& add, int64_t at, int64_t count, int64_t columns, double* first,
                                 double* second) {
  for_each_strip(columns, [&](auto width, int64_t j) { add(width, at + j, count, j, first + j, second + j); });
}

/// Two sums for each channel: float64 [2, channels]. add(width, at, rows, column, first, second) adds those of a strip:
/// the element `at` and width - 1 after it, in so many long rows.
template <class F>
Tensor sum_rows(const Rows& rows, F&& add) {
  const int64_t whole = rows.whole(), columns = rows.columns;
  const int64_t size = std::max<int64_t>(1, (whole + row_groups - 1) / row_groups);
  const int64_t groups = (whole + size - 1) / size;
  Tensor partial = Tensor::zeros({groups + 1, 2, columns}, DType::float64);
  double* sums = cpu::write<double>(partial);
  parallel_for(groups, cpu::grain_of(size * columns), [&](int64_t begin, int64_t end) {
    for (int64_t group = begin; group < end; ++group) {
      double *first = sums + group * 2 * columns, *second = first + columns;
      const int64_t last = std::min(whole, (group + 1) * size);
      for (int64_t row = group * size; row < last; row += row_block)
        add_rows(add, row * columns, std::min(row_block, last - row), columns, first, second);
    }
  });
  double *first = sums + groups * 2 * columns, *second = first + columns;
  add_rows(add, whole * columns, 1, rows.elements - whole * columns, first, second);
  Tensor total = Tensor::zeros({2, rows.channels}, DType::float64);
  for (int64_t i = 0; i < (groups + 1) * 2; ++i) {
    double* to = cpu::write<double>(total) + i % 2 * rows.channels;
    for (int64_t at = i * columns; at < (i + 1) * columns; at += rows.channels)
      for (int64_t j = 0; j < rows.channels; ++j) to[j] += sums[at + j];
  }
  return total;
}

/// y[at] = formula(at, column) for the elements of rows [begin, end).
template <class T, class F>
MINIMA_VECTOR_LOOP void map_part(const Rows& rows, int64_t begin, int64_t end, T* y, F formula) {
  for (int64_t row = begin; row < end; ++row) {
    const int64_t at = row * rows.columns, n = std::min(rows.columns, rows.elements - at);
#pragma GCC ivdep
    for (int64_t j = 0; j < n; ++j) y[at + j] = formula(at + j, j);
  }
}

/// The same for every element.
template <class T, class F>
void map_rows(const Rows& rows, T* y, F&& formula) {
  parallel_for(rows.count(), cpu::grain_of(rows.columns),
               [&](int64_t begin, int64_t end) { map_part(rows, begin, end, y, formula); });
}
}  // namespace

void CpuBackend::channel_moments(const Tensor& x, Tensor& mean, Tensor& variance) {
  dispatch_floating("channel_moments", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Rows rows(x.shape());
    const T* from = cpu::read<T>(x);
    // The sums are of x - origin and of its square: with one element of the channel taken off, the squares do not
    // cancel where |mean| is large. In a block, they are those of x - pivot, with the block's own mean, moved to the
    // origin.
    const Tensor origins = per_column<T>(rows, [&](int64_t channel) { return from[channel]; });
    const T* origin = cpu::read<T>(origins);
    const Tensor sums = sum_rows(rows, [=, columns = rows.columns](auto width, int64_t at, int64_t n, int64_t column,
                                                                   double* first, double* second) {
      T pivot[width] = {}, sum[width] = {}, squares[width] = {};
      for (int64_t row = 0; row < n; ++row)
        for (int64_t i = 0; i < width; ++i) pivot[i] += from[at + row * columns + i];
      for (int64_t i = 0; i < width; ++i) pivot[i] /= static_cast<T>(n);
      for (int64_t row = 0; row < n; ++row)
        for (int64_t i = 0; i < width; ++i) {
          const T d = from[at + row * columns + i] - pivot[i];
          sum[i] += d;
          squares[i] += d * d;
        }
      for (int64_t i = 0; i < width; ++i) {
        const double shift = static_cast<double>(pivot[i]) - static_cast<double>(origin[column + i]);
        const double moved = static_cast<double>(n) * shift, s = static_cast<double>(sum[i]);
        first[i] += s + moved;
        second[i] += static_cast<double>(squares[i]) + shift * (2 * s + moved);
      }
    });
    const double n = rows.per_channel(), *sum = cpu::read<double>(sums), *squares = sum + rows.channels;
    for (int64_t i = 0; i < rows.channels; ++i) {
      const double m = sum[i] / n;
      cpu::write<double>(mean)[i] = static_cast<double>(from[i]) + m;
      cpu::write<double>(variance)[i] = std::max(0.0, squares[i] / n - m * m);
    }
  });
}

namespace {
/// The coefficients in y = (x - centre) * scale + shift, for each column. x - centre is exact near the mean; what
/// rounding took from the mean goes into the shift.
template <class T>
struct Normal {
  Tensor centres, scales, shifts;
  const T *centre, *scale, *shift;

  Normal(const Rows& rows, const Tensor& mean, const Tensor& variance, const Tensor& weight, const Tensor& bias,
         double epsilon) {
    const double *m = cpu::read<double>(mean), *v = cpu::read<double>(variance);
    const T *w = cpu::read<T>(weight), *b = cpu::read<T>(bias);
    const auto scale_of = [&](int64_t i) { return static_cast<double>(w[i]) / std::sqrt(v[i] + epsilon); };
    const auto shift_of = [&](int64_t i) {
      return static_cast<double>(b[i]) + scale_of(i) * (static_cast<double>(static_cast<T>(m[i])) - m[i]);
    };
    centres = per_column<T>(rows, [&](int64_t i) { return m[i]; });
    scales = per_column<T>(rows, scale_of);
    shifts = per_column<T>(rows, shift_of);
    centre = cpu::read<T>(centres), scale = cpu::read<T>(scales), shift = cpu::read<T>(shifts);
  }
};
}  // namespace

void CpuBackend::normalise(const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& weight,
                           const Tensor& bias, double epsilon, const Tensor& residual, Activation activation,
                           Tensor& y) {
  dispatch_floating("normalise", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Rows rows(x.shape());
    const T* from = cpu::read<T>(x);
    const Normal<T> normal(rows, mean, variance, weight, bias, epsilon);
    const T *centre = normal.centre, *scale = normal.scale, *shift = normal.shift;
    const T* added = residual.defined() ? cpu::read<T>(residual) : nullptr;
    with_constant(activation == Activation::relu, [&](auto relu) {
      with_constant(added != nullptr, [&](auto has_residual) {
        map_rows(rows, cpu::write<T>(y), [=](int64_t at, int64_t j) {
          T value = (from[at] - centre[j]) * scale[j] + shift[j];
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
// where grad is that of the value before the activation: 0 where relu has cut it off. Where that is, y tells; without a
// residual it is cheaper to compute y's sign from x again than to read y.
void CpuBackend::normalise_backward(const Tensor& grad, const Tensor& x, const Tensor& y, const Tensor& mean,
                                    const Tensor& variance, const Tensor& weight, const Tensor& bias, double epsilon,
                                    Activation activation, Tensor& grad_x, Tensor& grad_weight, Tensor& grad_bias,
                                    Tensor& grad_residual) {
  dispatch_floating("normalise_backward", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Rows rows(x.shape());
    const T *incoming = cpu::read<T>(grad), *from = cpu::read<T>(x), *w = cpu::read<T>(weight);
    const Normal<T> normal(rows, mean, variance, weight, bias, epsilon);
    const T *centre = normal.centre, *scale = normal.scale, *shift = normal.shift;

    // gradient_at(at, column) is the gradient before the activation.
    const auto run = [&](auto&& gradient_at, auto&& gradient_again) {
      const Tensor sums = sum_rows(rows, [=, columns = rows.columns](auto width, int64_t at, int64_t count,
                                                                     int64_t column, double* first, double* second) {
        T sum[width] = {}, product[width] = {};
        for (int64_t row = 0; row < count; ++row, at += columns)
          for (int64_t i = 0; i < width; ++i) {
            const T gradient = gradient_at(at + i, column + i);
            sum[i] += gradient;
            product[i] += gradient * (from[at + i] - centre[column + i]);
          }
        for (int64_t i = 0; i < width; ++i) {
          first[i] += static_cast<double>(sum[i]);
          second[i] += static_cast<double>(product[i]);
        }
      });
      const double *sum_grad = cpu::read<double>(sums), *around_centre = sum_grad + rows.channels;
      const double *m = cpu::read<double>(mean), *v = cpu::read<double>(variance), n = rows.per_channel();
      const auto rest = [&](int64_t i) { return static_cast<double>(centre[i]) - m[i]; };  // rounding took it off m
      const auto sum_product = [&](int64_t i) { return around_centre[i] + rest(i) * sum_grad[i]; };
      const auto inverse = [&](int64_t i) { return 1 / std::sqrt(v[i] + epsilon); };
      for (int64_t i = 0; i < rows.channels; ++i) {
        cpu::write<T>(grad_bias)[i] = static_cast<T>(sum_grad[i]);
        cpu::write<T>(grad_weight)[i] = static_cast<T>(sum_product(i) * inverse(i));
      }
      // grad_x = scale * grad + slope * (x - centre) + offset
      const auto slope_of = [&](int64_t i) {
        return -static_cast<double>(w[i]) * inverse(i) * inverse(i) * inverse(i) * sum_product(i) / n;
      };
      const auto offset_of = [&](int64_t i) {
        return slope_of(i) * rest(i) - static_cast<double>(w[i]) * inverse(i) * sum_grad[i] / n;
      };
      const Tensor slopes = per_column<T>(rows, slope_of), offsets = per_column<T>(rows, offset_of);
      const T *slope = cpu::read<T>(slopes), *offset = cpu::read<T>(offsets);
      map_rows(rows, cpu::write<T>(grad_x), [=](int64_t at, int64_t j) {
        return scale[j] * gradient_again(at, j) + slope[j] * (from[at] - centre[j]) + offset[j];
      });
    };

    const auto as_it_is = [=](int64_t at, int64_t) { return incoming[at]; };
    const auto where_kept = [=](int64_t at, int64_t j) {
      const T gradient = incoming[at];
      return (from[at] - centre[j]) * scale[j] + shift[j] > 0 ? gradient : T(0);
    };
    if (activation == Activation::none) {
      run(as_it_is, as_it_is);
    } else if (!grad_residual.defined()) {
      run(where_kept, where_kept);
    } else {
      const T* result = cpu::read<T>(y);
      T* masked = cpu::write<T>(grad_residual);
      const auto by_result = [=](int64_t at, int64_t) {
        const T gradient = incoming[at];
        return masked[at] = result[at] > 0 ? gradient : T(0);
      };
      run(by_result, [=](int64_t at, int64_t) { return masked[at]; });
    }
  });
}

}  // namespace minima::core
