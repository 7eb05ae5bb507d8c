// SPDX-License-Identifier: MIT
// Kernels over rows: argmax, gather and scatter, softmax, cross entropy, layer normalisation.
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "core/cpu/cpu_backend.h"
#include "core/elementwise.h"

namespace minima::core {
namespace {
constexpr int64_t lanes = 16;   // maxima or sums at once, so that they do not wait for each other
constexpr int64_t strip = 256;  // elements whose sum may be in their own type

/// f(lane 0, f(lane 1, ...)), joined two by two.
template <class T, class F>
[[gnu::always_inline]] inline T join(T* lane, const F& f) {
#pragma GCC unroll 4
  for (int64_t half = lanes / 2; half > 0; half /= 2)
    for (int64_t l = 0; l < half; ++l) lane[l] = f(lane[l], lane[l + half]);
  return lane[0];
}

/// NaN if there is one.
template <class T>
[[gnu::always_inline]] inline T largest_of(const T* x, int64_t n) {
  const auto larger = [](T a, T b) { return a > b || a != a ? a : b; };
  T largest = x[0];
  int64_t i = 0;
  if (n >= lanes) {
    T lane[lanes];
    std::copy_n(x, lanes, lane);
    for (i = lanes; i + lanes <= n; i += lanes)
#pragma GCC unroll 1
      for (int64_t l = 0; l < lanes; ++l) lane[l] = larger(x[i + l], lane[l]);
    largest = join(lane, larger);
  }
  for (; i < n; ++i) largest = larger(x[i], largest);
  return largest;
}

/// The first that is as large as `largest`.
template <class T>
[[gnu::always_inline]] inline int64_t position_of(T largest, const T* x) {
  int64_t i = 0;
  while (x[i] != largest && x[i] == x[i]) ++i;
  return i;
}

/// The sums of what f(i) gives, an array, for i < n. A strip is summed in the type Lane, the strips in double.
template <class Lane, size_t count, class F>
[[gnu::always_inline]] inline std::array<double, count> sums_over(int64_t n, const F& f) {
  std::array<double, count> sums{};
  int64_t i = 0;
  while (i + lanes <= n) {
    Lane lane[count][lanes];
    for (auto& each : lane) std::fill_n(each, lanes, Lane(0));
    for (const int64_t end = std::min(n, i + strip); i + lanes <= end; i += lanes)
      for (int64_t l = 0; l < lanes; ++l) {
        const auto terms = f(i + l);
        for (size_t c = 0; c < count; ++c) lane[c][l] += static_cast<Lane>(terms[c]);
      }
    for (size_t c = 0; c < count; ++c)
      sums[c] += static_cast<double>(join(lane[c], [](Lane a, Lane b) { return a + b; }));
  }
  for (; i < n; ++i) {
    const auto terms = f(i);
    for (size_t c = 0; c < count; ++c) sums[c] += static_cast<double>(terms[c]);
  }
  return sums;
}

template <class T>
[[gnu::always_inline]] inline double sum_of(const T* x, int64_t n) {
  return sums_over<double, 1>(n, [=](int64_t i) __attribute__((always_inline)) { return std::array{x[i]}; })[0];
}

/// out = exp(x - largest); nothing overflows.
template <class T>
[[gnu::always_inline]] inline void exp_row(const T* x, int64_t n, T largest, T* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = scalar::exp(x[i] - largest);
}

template <class T>
MINIMA_VECTOR_LOOP int64_t argmax_row(const T* x, int64_t n) {
  return position_of(largest_of(x, n), x);
}

/// The largest element of a row, and the logarithm of the sum of exp(x - largest). The 1 of the largest is not in the
/// sum, so that a sum that is small beside 1 keeps its digits.
template <class T>
struct RowSum {
  T largest;
  double log_total;
};
template <class T>
[[gnu::always_inline]] inline RowSum<T> row_sum(const T* x, int64_t n) {
  const T largest = largest_of(x, n);
  double others = 0;
  int64_t ones = -1;  // of the elements that are as large
  for (int64_t first = 0; first < n; first += strip) {
    const int64_t count = std::min(strip, n - first);
    T part[strip];
    int32_t found = 0;
    for (int64_t i = 0; i < count; ++i) {
      const bool is_largest = x[first + i] == largest;
      part[i] = is_largest ? T(0) : scalar::exp(x[first + i] - largest);
      found += is_largest;
    }
    ones += found, others += sum_of(part, count);
  }
  if (ones > 0) others += static_cast<double>(ones) + static_cast<double>(largest - largest);  // NaN if infinite
  return {largest, std::log1p(others)};
}

template <class T>
MINIMA_VECTOR_LOOP void softmax_row(const T* x, int64_t n, T* out) {
  exp_row(x, n, largest_of(x, n), out);
  const T scale = static_cast<T>(1 / sum_of(out, n));
  for (int64_t i = 0; i < n; ++i) out[i] *= scale;
}

template <class T>
MINIMA_VECTOR_LOOP void softmax_backward_row(const T* grad, const T* y, int64_t n, T* out) {
  const auto [sum] =
      sums_over<T, 1>(n, [=](int64_t i) __attribute__((always_inline)) { return std::array{grad[i] * y[i]}; });
  const T mean = static_cast<T>(sum);  // of grad, weighted by y
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) out[i] = y[i] * (grad[i] - mean);
}

template <class T>
MINIMA_VECTOR_LOOP void log_softmax_row(const T* x, int64_t n, T* out) {
  const RowSum<T> row = row_sum(x, n);
  const T log_total = static_cast<T>(row.log_total);
  for (int64_t i = 0; i < n; ++i) out[i] = x[i] - row.largest - log_total;
}

/// -sum of target * log_softmax(x). A term whose weight is 0 is left out: its logarithm may be infinite.
template <class T>
MINIMA_VECTOR_LOOP T cross_entropy_row(const T* x, int64_t n, int64_t label, double smoothing) {
  const RowSum<T> row = row_sum(x, n);
  const auto below = [&](int64_t i) { return static_cast<double>(row.largest) - static_cast<double>(x[i]); };
  double loss = row.log_total;
  if (smoothing < 1) loss += (1 - smoothing) * below(label);
  if (smoothing > 0) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += below(i);
    loss += smoothing / static_cast<double>(n) * sum;
  }
  return static_cast<T>(loss);
}

/// out = grad * (softmax(x) - target). At the label, p - 1 is minus the sum of the other probabilities: added up, that
/// keeps its digits where p is close to 1.
template <class T>
MINIMA_VECTOR_LOOP void cross_entropy_backward_row(const T* x, int64_t n, int64_t label, double smoothing, T grad,
                                                   T* out) {
  exp_row(x, n, largest_of(x, n), out);
  const double at_label = static_cast<double>(std::exchange(out[label], T(0))), others = sum_of(out, n);
  const double total = others + at_label, share = smoothing / static_cast<double>(n);
  const T scale = static_cast<T>(1 / total);
  for (int64_t i = 0; i < n; ++i) out[i] = grad * (out[i] * scale - T(share));
  out[label] = grad * static_cast<T>(smoothing - share - others / total);
}

/// The mean of a row but for rounding: x - centre is exact near it. What is missing is the mean of x - centre.
template <class T>
[[gnu::always_inline]] inline T centre_of(const T* x, int64_t n) {
  return static_cast<T>(sum_of(x, n) / static_cast<double>(n));
}

/// x^ = (x - mean) / deviation = (x - centre) * scale - rest, from the sums of x - centre and of its square.
template <class T>
struct RowNormal {
  T centre, scale, rest;
  double mean, inverse;  ///< of x - centre; 1 / deviation
  RowNormal(T centre, double sum, double squares, double n, double epsilon)
      : centre(centre), mean(sum / n), inverse(1 / std::sqrt(std::max(0.0, squares / n - mean * mean) + epsilon)) {
    scale = static_cast<T>(inverse), rest = static_cast<T>(mean * inverse);
  }
};

template <class T>
MINIMA_VECTOR_LOOP void layer_norm_row(const T* x, int64_t n, const T* weight, const T* bias, double epsilon, T* y) {
  const T centre = centre_of(x, n);
  // One after the other: of two sums at once, GCC makes slow vectors.
  const auto [sum] =
      sums_over<T, 1>(n, [=](int64_t i) __attribute__((always_inline)) { return std::array{x[i] - centre}; });
  const auto [squares] = sums_over<T, 1>(
      n, [=](int64_t i) __attribute__((always_inline)) { return std::array{(x[i] - centre) * (x[i] - centre)}; });
  const RowNormal<T> normal(centre, sum, squares, static_cast<double>(n), epsilon);
  const T scale = normal.scale, rest = normal.rest;
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) y[i] = ((x[i] - centre) * scale - rest) * weight[i] + bias[i];
}

/// With g = grad * weight, grad_x = (g - mean of g - x^ * mean of g x^) / deviation.
/// Adds grad x^ and grad to the sums of the features.
template <class T>
MINIMA_VECTOR_LOOP void layer_norm_backward_row(const T* grad, const T* x, int64_t n, const T* weight, double epsilon,
                                                T* grad_x, T* sum_products, T* sum_grad) {
  const T centre = centre_of(x, n);
  const auto [sum, squares, sum_g, sum_around_centre] =
      sums_over<T, 4>(n, [=](int64_t i) __attribute__((always_inline)) {
        const T d = x[i] - centre, g = grad[i] * weight[i];
        return std::array{d, d * d, g, g * d};
      });
  const double count = static_cast<double>(n);
  const RowNormal<T> normal(centre, sum, squares, count, epsilon);
  const T scale = normal.scale, rest = normal.rest, mean_g = static_cast<T>(sum_g / count);
  const T mean_product = static_cast<T>((sum_around_centre - normal.mean * sum_g) * normal.inverse / count);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const T normalised = (x[i] - centre) * scale - rest;
    grad_x[i] = (grad[i] * weight[i] - mean_g - normalised * mean_product) * scale;
    sum_products[i] += grad[i] * normalised;
    sum_grad[i] += grad[i];
  }
}

/// Calls f(row, label) for every row; a label that is no class is an error before any row is looked at.
template <class F>
void for_each_label(const Tensor& logits, const Tensor& labels, F&& f) {
  const int64_t rows = logits.size(0), classes = logits.size(1);
  const int64_t* label = cpu::read<int64_t>(labels);
  for (int64_t i = 0; i < rows; ++i)
    if (label[i] < 0 || label[i] >= classes)
      fail("cross_entropy", text("label ", label[i], " at position ", i), text("0 to ", classes - 1),
           text("The logits have ", classes, " classes."));
  parallel_for(rows, cpu::grain_of(8 * classes), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) f(i, label[i]);
  });
}
}  // namespace

void CpuBackend::argmax(const Tensor& x, Tensor& out) {
  dispatch_floating("argmax", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t rows = x.size(0), columns = x.size(1);
    const T* from = cpu::read<T>(x);
    int64_t* to = cpu::write<int64_t>(out);
    parallel_for(rows, cpu::grain_of(columns), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) to[i] = argmax_row(from + i * columns, columns);
    });
  });
}

void CpuBackend::gather_rows(const Tensor& x, const Tensor& indices, Tensor& out) {
  const int64_t count = indices.numel();
  if (out.numel() == 0) return;
  const int64_t columns = out.numel() / count;
  const size_t row_bytes = static_cast<size_t>(columns) * size_of(x.dtype());
  const int64_t* index = cpu::read<int64_t>(indices);
  const std::byte* from = x.raw();
  std::byte* to = out.raw();
  parallel_for(count, cpu::grain_of(columns), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      std::memcpy(to + static_cast<size_t>(i) * row_bytes, from + static_cast<size_t>(index[i]) * row_bytes, row_bytes);
  });
}

void CpuBackend::scatter_rows(const Tensor& x, const Tensor& indices, Tensor& out) {
  fill(out, 0);
  const int64_t count = indices.numel();
  if (x.numel() == 0) return;
  const int64_t columns = x.numel() / count;
  const int64_t* index = cpu::read<int64_t>(indices);
  dispatch_floating("scatter_rows", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = cpu::read<T>(x);
    T* to = cpu::write<T>(out);
    // Threads share the columns, not the rows: every sum is in the order of the indices. A line of the cache has one.
    constexpr int64_t cache_line = 64 / sizeof(T);
    parallel_for(columns, std::max(cache_line, cpu::grain_of(count)), [&](int64_t begin, int64_t end) {
      for (int64_t i = 0; i < count; ++i)
        for (int64_t j = begin; j < end; ++j) to[index[i] * columns + j] += from[i * columns + j];
    });
  });
}

void CpuBackend::softmax(bool log, const Tensor& x, Tensor& out) {
  if (x.numel() == 0) return;
  dispatch_floating("softmax", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t rows = x.size(0), columns = x.size(1);
    const T* from = cpu::read<T>(x);
    T* to = cpu::write<T>(out);
    parallel_for(rows, cpu::grain_of(8 * columns), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        log ? log_softmax_row(from + i * columns, columns, to + i * columns)
            : softmax_row(from + i * columns, columns, to + i * columns);
    });
  });
}

void CpuBackend::softmax_backward(const Tensor& grad, const Tensor& y, Tensor& out) {
  dispatch_floating("softmax_backward", y.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t rows = y.size(0), columns = y.size(1);
    const T *incoming = cpu::read<T>(grad), *from = cpu::read<T>(y);
    T* to = cpu::write<T>(out);
    parallel_for(rows, cpu::grain_of(2 * columns), [&](int64_t begin, int64_t end) {
      for (int64_t at = begin * columns; at < end * columns; at += columns)
        softmax_backward_row(incoming + at, from + at, columns, to + at);
    });
  });
}

void CpuBackend::cross_entropy(const Tensor& logits, const Tensor& labels, double smoothing, Tensor& losses) {
  dispatch_floating("cross_entropy", logits.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t classes = logits.size(1);
    const T* from = cpu::read<T>(logits);
    T* to = cpu::write<T>(losses);
    for_each_label(logits, labels, [&](int64_t i, int64_t label) {
      to[i] = cross_entropy_row(from + i * classes, classes, label, smoothing);
    });
  });
}

void CpuBackend::cross_entropy_backward(const Tensor& logits, const Tensor& labels, double smoothing,
                                        const Tensor& grad, Tensor& out) {
  dispatch_floating("cross_entropy", logits.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t classes = logits.size(1);
    const T *from = cpu::read<T>(logits), *slopes = cpu::read<T>(grad);
    T* to = cpu::write<T>(out);
    for_each_label(logits, labels, [&](int64_t i, int64_t label) {
      cross_entropy_backward_row(from + i * classes, classes, label, smoothing, slopes[i], to + i * classes);
    });
  });
}

void CpuBackend::layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon, Tensor& y) {
  dispatch_floating("layer_norm", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t n = x.size(1);
    const T *from = cpu::read<T>(x), *w = cpu::read<T>(weight), *b = cpu::read<T>(bias);
    T* to = cpu::write<T>(y);
    parallel_for(x.size(0), cpu::grain_of(4 * n), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) layer_norm_row(from + i * n, n, w, b, epsilon, to + i * n);
    });
  });
}

// The rows are cut into groups, a function of the shape. Within a group, blocks of rows are summed in the tensor's own
// type, and the blocks in double.
void CpuBackend::layer_norm_backward(const Tensor& grad, const Tensor& x, const Tensor& weight, double epsilon,
                                     Tensor& grad_x, Tensor& grad_weight, Tensor& grad_bias) {
  dispatch_floating("layer_norm_backward", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    constexpr int64_t least_rows = 16;
    const int64_t rows = x.size(0), n = x.size(1);
    const int64_t size = std::max(least_rows, (rows + cpu::row_groups - 1) / cpu::row_groups);
    const int64_t groups = (rows + size - 1) / size;
    Tensor block_sums = Tensor::empty({groups, 2, n}, dtype_of<T>);
    Tensor group_sums = Tensor::zeros({groups + 1, 2, n}, DType::float64);  // the last is the total
    const T *incoming = cpu::read<T>(grad), *from = cpu::read<T>(x), *w = cpu::read<T>(weight);
    T *to = cpu::write<T>(grad_x), *blocks = cpu::write<T>(block_sums);
    double* sums = cpu::write<double>(group_sums);
    parallel_for(groups, cpu::grain_of(8 * size * n), [&](int64_t begin, int64_t end) {
      for (int64_t group = begin; group < end; ++group) {
        T* of_block = blocks + group * 2 * n;
        const int64_t last = std::min(rows, (group + 1) * size);
        for (int64_t first = group * size; first < last; first += cpu::row_block) {
          std::fill_n(of_block, 2 * n, T(0));
          for (int64_t i = first; i < std::min(last, first + cpu::row_block); ++i)
            layer_norm_backward_row(incoming + i * n, from + i * n, n, w, epsilon, to + i * n, of_block, of_block + n);
          for (int64_t j = 0; j < 2 * n; ++j) sums[group * 2 * n + j] += static_cast<double>(of_block[j]);
        }
      }
    });
    double* total = sums + groups * 2 * n;
    for (int64_t group = 0; group < groups; ++group)
      for (int64_t j = 0; j < 2 * n; ++j) total[j] += sums[group * 2 * n + j];
    for (int64_t j = 0; j < n; ++j) {
      cpu::write<T>(grad_weight)[j] = static_cast<T>(total[j]);
      cpu::write<T>(grad_bias)[j] = static_cast<T>(total[n + j]);
    }
  });
}

}  // namespace minima::core
