// SPDX-License-Identifier: MIT
// Kernels over rows: argmax, gather and scatter, softmax, cross entropy, layer normalisation. A warp takes a row.
#include <cmath>
#include <limits>

#include "core/cuda/cuda_backend.h"
#include "core/cuda/fold.cuh"

namespace minima::core {

using namespace cuda;

namespace {

__device__ inline int lane_of_thread() { return static_cast<int>(threadIdx.x) % warp; }

/// The row of the first warp of this kernel's threads, and how many rows are taken at once.
__device__ inline int64_t first_row() { return (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) / warp; }
__device__ inline int64_t rows_at_once() { return int64_t{gridDim.x} * blockDim.x / warp; }

/// Every lane gets the sum over the lanes, in a fixed order.
__device__ inline double sum_of_warp(double value) {
  for (int distance = warp / 2; distance > 0; distance /= 2) value += __shfl_xor_sync(0xffffffffu, value, distance);
  return value;
}

template <class T>
struct Largest {
  T value;
  int64_t at;
};

/// Whether a comes before b: it is larger, or the first of equals. NaN is the largest.
template <class T>
__device__ bool is_before(const Largest<T>& a, const Largest<T>& b) {
  const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
  if (a_nan != b_nan) return a_nan;
  if (!a_nan && a.value != b.value) return a.value > b.value;
  return a.at < b.at;
}

/// The largest of a row and its position, known to every lane.
template <class T>
__device__ Largest<T> largest_of(const T* x, int64_t n) {
  const int lane = lane_of_thread();
  Largest<T> best{-std::numeric_limits<T>::infinity(), n};
  for (int64_t i = lane; i < n; i += warp) {
    const Largest<T> next{x[i], i};
    if (is_before(next, best)) best = next;
  }
  for (int distance = warp / 2; distance > 0; distance /= 2) {
    const Largest<T> other{__shfl_xor_sync(0xffffffffu, best.value, distance),
                           __shfl_xor_sync(0xffffffffu, best.at, distance)};
    if (is_before(other, best)) best = other;
  }
  return best;
}

/// The sum of exp(x - largest) over all elements of a row but one: what is small beside 1 keeps its digits.
template <class T>
__device__ double sum_of_others(const T* x, int64_t n, T largest, int64_t but) {
  using std::exp;
  double sum = 0;
  for (int64_t i = lane_of_thread(); i < n; i += warp)
    if (i != but) sum += static_cast<double>(exp(x[i] - largest));
  return sum_of_warp(sum);
}

/// f(row) for each row, by a whole warp.
template <class F>
__global__ void __launch_bounds__(threads, 4) for_each_row_kernel(int64_t rows, F f) {
  for (int64_t row = first_row(); row < rows; row += rows_at_once()) f(row);
}

template <class F>
void for_each_row(int64_t rows, const F& f) {
  if (rows > 0) launch(blocks_for(rows * warp), threads, for_each_row_kernel<F>, rows, f);
}

template <class T>
struct Argmax {
  const T* x;
  int64_t* out;
  int64_t columns;
  __device__ void operator()(int64_t row) const {
    const Largest<T> best = largest_of(x + row * columns, columns);
    if (lane_of_thread() == 0) out[row] = best.at;
  }
};

template <class T>
struct Softmax {
  bool log;
  const T* x;
  T* out;
  int64_t columns;
  __device__ void operator()(int64_t row) const {
    using std::exp, std::log1p;
    const T* from = x + row * columns;
    T* to = out + row * columns;
    const Largest<T> top = largest_of(from, columns);
    const double others = sum_of_others(from, columns, top.value, top.at);
    const T log_total = static_cast<T>(log1p(others)), scale = static_cast<T>(1 / (1 + others));
    for (int64_t i = lane_of_thread(); i < columns; i += warp)
      to[i] = log ? from[i] - top.value - log_total : exp(from[i] - top.value) * scale;
  }
};

template <class T>
struct SoftmaxBackward {
  const T *grad, *y;
  T* out;
  int64_t columns;
  __device__ void operator()(int64_t row) const {
    const int64_t begin = row * columns, end = begin + columns;
    double sum = 0;
    for (int64_t i = begin + lane_of_thread(); i < end; i += warp) sum += static_cast<double>(grad[i] * y[i]);
    const T mean = static_cast<T>(sum_of_warp(sum));  // of grad, weighted by y
    for (int64_t i = begin + lane_of_thread(); i < end; i += warp) out[i] = y[i] * (grad[i] - mean);
  }
};

/// A label that is no class of the logits is reported, and gives NaN.
template <class T>
struct CrossEntropy {
  const T* logits;
  const int64_t* labels;
  double smoothing;
  T* losses;
  int64_t classes;
  FaultReport report{};
  __device__ void operator()(int64_t row) const {
    using std::log1p;
    const T* x = logits + row * classes;
    const int64_t label = labels[row];
    const int lane = lane_of_thread();
    if (label < 0 || label >= classes) {
      if (lane == 0) {
        report(label, row, classes);
        losses[row] = std::numeric_limits<T>::quiet_NaN();
      }
      return;
    }
    const Largest<T> top = largest_of(x, classes);
    double loss = log1p(sum_of_others(x, classes, top.value, top.at));
    const double largest = static_cast<double>(top.value);
    if (smoothing < 1) loss += (1 - smoothing) * (largest - static_cast<double>(x[label]));
    if (smoothing > 0) {
      double below = 0;
      for (int64_t i = lane; i < classes; i += warp) below += largest - static_cast<double>(x[i]);
      loss += smoothing / static_cast<double>(classes) * sum_of_warp(below);
    }
    if (lane == 0) losses[row] = static_cast<T>(loss);
  }
};

/// out = grad * (softmax(x) - target). At the label, p - 1 is minus the sum of the other probabilities: added up, that
/// keeps its digits where p is close to 1.
template <class T>
struct CrossEntropyBackward {
  const T* logits;
  const int64_t* labels;
  double smoothing;
  const T* grad;
  T* out;
  int64_t classes;
  FaultReport report{};
  __device__ void operator()(int64_t row) const {
    using std::exp;
    const T* x = logits + row * classes;
    T* to = out + row * classes;
    const int64_t label = labels[row];
    if (label < 0 || label >= classes) {
      if (lane_of_thread() == 0) report(label, row, classes);
      for (int64_t i = lane_of_thread(); i < classes; i += warp) to[i] = std::numeric_limits<T>::quiet_NaN();
      return;
    }
    const T largest = largest_of(x, classes).value;
    const double others = sum_of_others(x, classes, largest, label);
    const double total = others + static_cast<double>(exp(x[label] - largest));
    const double share = smoothing / static_cast<double>(classes);
    const T scale = static_cast<T>(1 / total);
    for (int64_t i = lane_of_thread(); i < classes; i += warp)
      to[i] = grad[row] * (i == label ? static_cast<T>(smoothing - share - others / total)
                                      : exp(x[i] - largest) * scale - static_cast<T>(share));
  }
};

template <class T>
struct GatherRows {
  const T* x;
  const int64_t* indices;
  T* out;
  int64_t rows;
  Divider columns;
  FaultReport report{};
  __device__ void operator()(int64_t i) const {
    uint32_t column = static_cast<uint32_t>(i);
    const int64_t item = columns.split(column), index = indices[item];
    if (index < 0 || index >= rows) {
      if (column == 0) report(index, item, rows);
      return;
    }
    out[i] = x[index * columns.divisor + column];
  }
};

/// out[row] = the sum of x[i] over the places i whose index is this row, in the order of i. A warp takes a row of out
/// and looks at 32 indices at a time.
template <class T>
struct ScatterRows {
  const T* x;
  const int64_t* indices;
  T* out;
  int64_t count, columns, rows;
  FaultReport report{};
  __device__ void operator()(int64_t row) const {
    const int lane = lane_of_thread();
    for (int64_t i = lane; i < columns; i += warp) out[row * columns + i] = 0;
    for (int64_t begin = 0; begin < count; begin += warp) {
      const int64_t place = begin + lane, index = place < count ? indices[place] : row + 1;
      if (row == 0 && place < count && (index < 0 || index >= rows)) report(index, place, rows);
      for (unsigned here = __ballot_sync(0xffffffffu, index == row); here != 0; here &= here - 1) {
        const int64_t from = begin + __ffs(static_cast<int>(here)) - 1;
        for (int64_t i = lane; i < columns; i += warp) out[row * columns + i] += x[from * columns + i];
      }
    }
  }
};

/// x^ = (x - mean) / deviation for the elements of a row. x - centre is exact near the mean; what the centre lacks is
/// in the rest.
template <class T>
struct RowNormal {
  T centre, scale, rest;
  __device__ T operator()(T x) const { return (x - centre) * scale - rest; }
};
/// Known to every lane.
template <class T>
__device__ RowNormal<T> normal_of(const T* x, int64_t n, double epsilon) {
  using std::sqrt;
  double sum = 0, around_centre = 0, squares = 0;
  for (int64_t i = lane_of_thread(); i < n; i += warp) sum += static_cast<double>(x[i]);
  const double count = static_cast<double>(n);
  const T centre = static_cast<T>(sum_of_warp(sum) / count);
  for (int64_t i = lane_of_thread(); i < n; i += warp) {
    const T d = x[i] - centre;
    around_centre += static_cast<double>(d), squares += static_cast<double>(d * d);
  }
  const double mean = sum_of_warp(around_centre) / count, variance = sum_of_warp(squares) / count - mean * mean;
  const double inverse = 1 / sqrt((variance < 0 ? 0 : variance) + epsilon);
  return {centre, static_cast<T>(inverse), static_cast<T>(mean * inverse)};
}

template <class T>
struct LayerNorm {
  const T *x, *weight, *bias;
  double epsilon;
  T* y;
  int64_t features;
  __device__ void operator()(int64_t row) const {
    const T* from = x + row * features;
    const RowNormal<T> normal = normal_of(from, features, epsilon);
    for (int64_t i = lane_of_thread(); i < features; i += warp)
      y[row * features + i] = normal(from[i]) * weight[i] + bias[i];
  }
};

/// With g = grad * weight, grad_x = (g - mean of g - x^ * mean of g x^) / deviation. How rows are normalised is kept
/// for the sums over them.
template <class T>
struct LayerNormBackward {
  const T *grad, *x, *weight;
  double epsilon;
  T* grad_x;
  int64_t features;
  RowNormal<T>* kept;
  __device__ void operator()(int64_t row) const {
    const T *from = x + row * features, *incoming = grad + row * features;
    const RowNormal<T> normal = normal_of(from, features, epsilon);
    double sum = 0, product = 0;
    for (int64_t i = lane_of_thread(); i < features; i += warp) {
      const T g = incoming[i] * weight[i];
      sum += static_cast<double>(g), product += static_cast<double>(g * normal(from[i]));
    }
    const double n = static_cast<double>(features);
    const T mean = static_cast<T>(sum_of_warp(sum) / n), slope = static_cast<T>(sum_of_warp(product) / n);
    for (int64_t i = lane_of_thread(); i < features; i += warp)
      grad_x[row * features + i] = (incoming[i] * weight[i] - mean - normal(from[i]) * slope) * normal.scale;
    if (lane_of_thread() == 0) kept[row] = normal;
  }
};

/// grad_weight = sum grad x^, grad_bias = sum grad, over all rows.
template <class T>
struct LayerNormSums : DoubleSums {
  const T *grad, *x;
  const RowNormal<T>* normals;
  int64_t features;
  T *grad_weight, *grad_bias;

  LayerNormSums(const T* grad, const T* x, const RowNormal<T>* normals, int64_t features, T* grad_weight, T* grad_bias)
      : grad(grad), x(x), normals(normals), features(features), grad_weight(grad_weight), grad_bias(grad_bias) {}
  __device__ void add(SumPair& total, int64_t, int64_t row, int64_t i) const {
    const T gradient = grad[row * features + i];
    total.first += static_cast<double>(gradient);
    total.second += static_cast<double>(gradient * normals[row](x[row * features + i]));
  }
  __device__ void finish(int64_t, int64_t i, const SumPair& total) const {
    grad_bias[i] = static_cast<T>(total.first);
    grad_weight[i] = static_cast<T>(total.second);
  }
};

}  // namespace

void CudaBackend::argmax(const Tensor& x, Tensor& out) {
  dispatch_floating("argmax", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for_each_row(x.size(0), Argmax<T>{read<T>(x), write<int64_t>(out), x.size(1)});
  });
}

void CudaBackend::gather_rows(const Tensor& x, const Tensor& indices, Tensor& out) {
  const int64_t n = out.numel();
  if (n == 0) return;
  require_indexable("gather_rows", n);
  const auto run = [&](auto word) {
    using T = decltype(word);
    for_each(n,
             GatherRows<T>{read<T>(x), read<int64_t>(indices), write<T>(out), x.size(0), Divider(n / indices.numel())});
  };
  switch (size_of(x.dtype())) {
    case 1: return run(uint8_t{});
    case 4: return run(uint32_t{});
    default: return run(uint64_t{});
  }
}

void CudaBackend::scatter_rows(const Tensor& x, const Tensor& indices, Tensor& out) {
  if (out.numel() == 0) return;
  dispatch_floating("scatter_rows", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t rows = out.size(0);
    for_each_row(rows, ScatterRows<T>{read<T>(x), read<int64_t>(indices), write<T>(out), indices.numel(),
                                      out.numel() / rows, rows});
  });
}

void CudaBackend::softmax(bool log, const Tensor& x, Tensor& out) {
  if (x.numel() == 0) return;
  dispatch_floating("softmax", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for_each_row(x.size(0), Softmax<T>{log, read<T>(x), write<T>(out), x.size(1)});
  });
}

void CudaBackend::softmax_backward(const Tensor& grad, const Tensor& y, Tensor& out) {
  dispatch_floating("softmax_backward", y.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for_each_row(y.size(0), SoftmaxBackward<T>{read<T>(grad), read<T>(y), write<T>(out), y.size(1)});
  });
}

void CudaBackend::cross_entropy(const Tensor& logits, const Tensor& labels, double smoothing, Tensor& losses) {
  dispatch_floating("cross_entropy", logits.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for_each_row(logits.size(0),
                 CrossEntropy<T>{read<T>(logits), read<int64_t>(labels), smoothing, write<T>(losses), logits.size(1)});
  });
}

void CudaBackend::cross_entropy_backward(const Tensor& logits, const Tensor& labels, double smoothing,
                                         const Tensor& grad, Tensor& out) {
  dispatch_floating("cross_entropy", logits.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for_each_row(logits.size(0), CrossEntropyBackward<T>{read<T>(logits), read<int64_t>(labels), smoothing,
                                                         read<T>(grad), write<T>(out), logits.size(1)});
  });
}

void CudaBackend::layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon, Tensor& y) {
  dispatch_floating("layer_norm", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for_each_row(x.size(0), LayerNorm<T>{read<T>(x), read<T>(weight), read<T>(bias), epsilon, write<T>(y), x.size(1)});
  });
}

void CudaBackend::layer_norm_backward(const Tensor& grad, const Tensor& x, const Tensor& weight, double epsilon,
                                      Tensor& grad_x, Tensor& grad_weight, Tensor& grad_bias) {
  dispatch_floating("layer_norm_backward", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t rows = x.size(0), features = x.size(1);
    Tensor kept = Tensor::empty({rows * static_cast<int64_t>(sizeof(RowNormal<T>))}, DType::uint8, Device::cuda);
    RowNormal<T>* normals = write<RowNormal<T>>(kept);
    for_each_row(rows, LayerNormBackward<T>{read<T>(grad), read<T>(x), read<T>(weight), epsilon, write<T>(grad_x),
                                            features, normals});
    fold(LayerNormSums<T>(read<T>(grad), read<T>(x), normals, features, write<T>(grad_weight), write<T>(grad_bias)), 1,
         rows, features);
  });
}

}  // namespace minima::core
