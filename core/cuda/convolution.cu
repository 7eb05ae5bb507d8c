// SPDX-License-Identifier: MIT
// Convolution as a matrix product whose matrices are never written: each tile of an operand is gathered from the images
// into shared memory (implicit gemm). With one patch, kernel_h * kernel_w * in numbers, a position,
//   conv2d            y [positions, out]    = patches [positions, patch]  weight' [patch, out]
//   conv2d_transpose  x [pixels, in]        = the outputs that see a pixel [pixels, kernel * out]  weight [kernel *
//   out, in] conv2d_correlate  weight' [patch, out]  = patches' [patch, positions]  y [positions, out]
// A 1x1 convolution is a plain product, and cuBLAS's. Not here: other matrix products (gemm.cu).
#include "core/cuda/cuda_backend.h"
#include "core/cuda/fold.cuh"

namespace minima::core {

using namespace cuda;

namespace {

/// The shapes of a convolution, as a kernel needs them.
struct Convolution {
  int batch, height, width, in, out_h, out_w, out;
  int kernel_h, kernel_w, stride, padding;
  Divider by_in, by_out, by_kernel_w, by_stride, by_width, by_height, by_out_w, by_out_h;

  Convolution(const core::Window& w, const Shape& x, const Shape& y)
      : batch(static_cast<int>(x[0])),
        height(static_cast<int>(x[1])),
        width(static_cast<int>(x[2])),
        in(static_cast<int>(x[3])),
        out_h(static_cast<int>(y[1])),
        out_w(static_cast<int>(y[2])),
        out(static_cast<int>(y[3])),
        kernel_h(static_cast<int>(w.kernel_h)),
        kernel_w(static_cast<int>(w.kernel_w)),
        stride(static_cast<int>(w.stride)),
        padding(static_cast<int>(w.padding)),
        by_in(in),
        by_out(out),
        by_kernel_w(kernel_w),
        by_stride(stride),
        by_width(width),
        by_height(height),
        by_out_w(out_w),
        by_out_h(out_h) {
    require_indexable("conv2d", x.numel());
    require_indexable("conv2d", y.numel());
    if (height + 2 * padding > 32767 || width + 2 * padding > 32767)
      fail("conv2d", text("images of ", height, "x", width, " on the GPU"), "at most 32767 pixels along an axis");
  }
  int patch() const { return kernel_h * kernel_w * in; }
  int positions() const { return batch * out_h * out_w; }
  int pixels() const { return batch * height * width; }
  bool is_pointwise() const { return kernel_h == 1 && kernel_w == 1 && stride == 1 && padding == 0; }
};

/// A place in images: which one, and the row and column, which may lie over the padding. The two share a register: the
/// kernel below has none to spare.
struct Place {
  int image = 0, row_and_column = 0;

  Place() = default;
  __device__ Place(int image, int row, int column)
      : image(image), row_and_column(static_cast<int>(static_cast<unsigned>(row) << 16) | (column & 0xffff)) {}
  __device__ int row() const { return row_and_column >> 16; }
  __device__ int column() const { return static_cast<int16_t>(row_and_column); }
};

__device__ inline Place locate(int index, const Divider& by_columns, const Divider& by_rows) {
  uint32_t column = static_cast<uint32_t>(index), row = by_columns.split(column);
  const uint32_t image = by_rows.split(row);
  return {static_cast<int>(image), static_cast<int>(row), static_cast<int>(column)};
}

/// An element of a patch: the offsets from the patch's corner.
__device__ inline Place locate_in_patch(int index, const Divider& by_channels, const Divider& by_kernel_w) {
  uint32_t channel = static_cast<uint32_t>(index), column = by_channels.split(channel);
  const uint32_t row = by_kernel_w.split(column);
  return {static_cast<int>(channel), static_cast<int>(row), static_cast<int>(column)};
}

// Each problem below says what element (i, k) of its first operand and (k, j) of its second is. What depends on i or on
// k alone is worked out once for many elements: `of_row(i)` and `of_step(k)`, the latter shared by both operands. Both
// may be asked for places beyond the matrices, but `first` and `second` are not. Operands are read along k or across
// it, whichever runs along memory.

template <class T>
struct Forward {
  static constexpr bool first_along_k = true, second_along_k = true;
  using Row = Place;
  using Step = Place;
  Convolution c;
  const T *x, *weight, *bias;
  bool relu;
  T* y;

  int rows() const { return c.positions(); }
  int columns() const { return c.out; }
  int steps() const { return c.patch(); }
  __device__ Row of_row(int i) const {
    const Place at = locate(i, c.by_out_w, c.by_out_h);
    return {at.image, at.row() * c.stride - c.padding, at.column() * c.stride - c.padding};
  }
  __device__ Step of_step(int k) const { return locate_in_patch(k, c.by_in, c.by_kernel_w); }
  __device__ T first(const Row& corner, int, const Step& step, int) const {
    const int row = corner.row() + step.row(), column = corner.column() + step.column();
    if (static_cast<unsigned>(row) >= static_cast<unsigned>(c.height) ||
        static_cast<unsigned>(column) >= static_cast<unsigned>(c.width))
      return 0;
    return x[((corner.image * c.height + row) * c.width + column) * c.in + step.image];
  }
  __device__ T second(const Step&, int k, int j, int depth) const { return weight[j * depth + k]; }
  __device__ void store(int i, int j, T value, int) const {
    if (bias) value += bias[j];
    y[int64_t{i} * c.out + j] = relu && value < 0 ? T(0) : value;
  }
};

template <class T>
struct Transpose {
  static constexpr bool first_along_k = true, second_along_k = false;
  using Row = Place;
  using Step = Place;
  Convolution c;
  const T *y, *weight;
  T* x;

  int rows() const { return c.pixels(); }
  int columns() const { return c.in; }
  int steps() const { return c.kernel_h * c.kernel_w * c.out; }
  __device__ Row of_row(int i) const {
    const Place at = locate(i, c.by_width, c.by_height);
    return {at.image, at.row() + c.padding, at.column() + c.padding};
  }
  __device__ Step of_step(int k) const { return locate_in_patch(k, c.by_out, c.by_kernel_w); }
  /// The output whose window has the pixel at the place `step` of its patch, if there is one.
  __device__ T first(const Row& pixel, int, const Step& step, int) const {
    const int below = pixel.row() - step.row(), right = pixel.column() - step.column();
    if (below < 0 || right < 0) return 0;
    uint32_t row_rest = static_cast<uint32_t>(below), column_rest = static_cast<uint32_t>(right);
    const int row = static_cast<int>(c.by_stride.split(row_rest));
    const int column = static_cast<int>(c.by_stride.split(column_rest));
    if (row_rest != 0 || column_rest != 0 || row >= c.out_h || column >= c.out_w) return 0;
    return y[((pixel.image * c.out_h + row) * c.out_w + column) * c.out + step.image];
  }
  __device__ T second(const Step& step, int, int j, int) const {
    return weight[((step.image * c.kernel_h + step.row()) * c.kernel_w + step.column()) * c.in + j];
  }
  __device__ void store(int i, int j, T value, int) const { x[int64_t{i} * c.in + j] = value; }
};

/// Positions are many and weights few: they are cut into `splits` parts, whose sums are added afterwards.
template <class T>
struct Correlate {
  static constexpr bool first_along_k = false, second_along_k = false;
  using Row = Place;
  using Step = Place;
  Convolution c;
  const T *x, *y;
  T* weight;  // [splits, out, patch]

  int rows() const { return c.patch(); }
  int columns() const { return c.out; }
  int steps() const { return c.positions(); }
  __device__ Row of_row(int i) const { return locate_in_patch(i, c.by_in, c.by_kernel_w); }
  __device__ Step of_step(int k) const {
    const Place at = locate(k, c.by_out_w, c.by_out_h);
    return {at.image, at.row() * c.stride - c.padding, at.column() * c.stride - c.padding};
  }
  __device__ T first(const Row& place, int, const Step& corner, int) const {
    const int row = corner.row() + place.row(), column = corner.column() + place.column();
    if (static_cast<unsigned>(row) >= static_cast<unsigned>(c.height) ||
        static_cast<unsigned>(column) >= static_cast<unsigned>(c.width))
      return 0;
    return x[((corner.image * c.height + row) * c.width + column) * c.in + place.image];
  }
  __device__ T second(const Step&, int k, int j, int) const { return y[k * c.out + j]; }
  __device__ void store(int i, int j, T value, int split) const {
    const int64_t patch = int64_t{c.kernel_h} * c.kernel_w * c.in;
    weight[(split * int64_t{c.out} + j) * patch + i] = value;
  }
};

/// What a block computes: `rows` x `columns` of the result, `row_run` x `column_run` of them by each thread.
template <int rows_, int columns_, int row_run_, int column_run_>
struct Tile {
  static constexpr int rows = rows_, columns = columns_, row_run = row_run_, column_run = column_run_;
  static_assert(rows / row_run * (columns / column_run) == threads && threads % rows == 0);
};

/// Where a thread's element number `n` of a tile [extent, depth] lies: threads run along k or across it.
template <bool along_k, int extent, int depth>
struct TilePlace {
  int across, k;
  __device__ explicit TilePlace(int n) {
    const int index = static_cast<int>(threadIdx.x) + n * threads;
    across = along_k ? index / depth : index % extent;
    k = along_k ? index % depth : index / extent;
  }
};

/// The product, tile by tile. While a tile is multiplied, the next one is on its way from memory into registers. There
/// are two tiles in shared memory, so that one barrier a tile is enough.
template <class T, class Problem, class Tile>
__global__ void __launch_bounds__(threads, 2)
    multiply(Problem problem, int rows, int columns, int steps, int steps_of_split) {
  constexpr int depth = sizeof(T) == 4 ? 16 : 8, skew = 4;
  constexpr int first_count = Tile::rows * depth / threads;
  constexpr int second_count = Tile::columns * depth / threads;
  using FirstPlace = TilePlace<Problem::first_along_k, Tile::rows, depth>;
  using SecondPlace = TilePlace<Problem::second_along_k, Tile::columns, depth>;
  constexpr int first_line = Tile::rows + skew, second_line = Tile::columns + skew;
  MINIMA_SHARED(T, first, 2 * depth * first_line);
  MINIMA_SHARED(T, second, 2 * depth * second_line);

  const int row_begin = static_cast<int>(blockIdx.x) * Tile::rows;
  const int column_begin = static_cast<int>(blockIdx.y) * Tile::columns;
  const int split = static_cast<int>(blockIdx.z), begin = split * steps_of_split;
  const int end = begin + steps_of_split < steps ? begin + steps_of_split : steps;

  // Across k, all elements that a thread fetches of the first operand are of one row.
  constexpr int row_count = Problem::first_along_k ? first_count : 1;
  typename Problem::Row row_of[row_count];
#pragma unroll
  for (int n = 0; n < row_count; ++n) row_of[n] = problem.of_row(row_begin + FirstPlace(n).across);

  T first_next[first_count], second_next[second_count];
  const auto fetch = [&](int k0) {
    typename Problem::Step step{};
    if constexpr (Problem::first_along_k) step = problem.of_step(k0 + FirstPlace(0).k);
#pragma unroll
    for (int n = 0; n < first_count; ++n) {
      const FirstPlace at(n);
      const int i = row_begin + at.across, k = k0 + at.k;
      if constexpr (!Problem::first_along_k) step = problem.of_step(k);
      first_next[n] = i < rows && k < end ? problem.first(row_of[Problem::first_along_k ? n : 0], i, step, k) : T(0);
    }
#pragma unroll
    for (int n = 0; n < second_count; ++n) {
      const SecondPlace at(n);
      const int j = column_begin + at.across, k = k0 + at.k;
      if constexpr (!Problem::second_along_k) step = problem.of_step(k);
      second_next[n] = j < columns && k < end ? problem.second(step, k, j, steps) : T(0);
    }
  };
  const auto keep = [&](int buffer) {
#pragma unroll
    for (int n = 0; n < first_count; ++n) {
      const FirstPlace at(n);
      first[(buffer * depth + at.k) * first_line + at.across] = first_next[n];
    }
#pragma unroll
    for (int n = 0; n < second_count; ++n) {
      const SecondPlace at(n);
      second[(buffer * depth + at.k) * second_line + at.across] = second_next[n];
    }
  };

  constexpr int threads_across = Tile::columns / Tile::column_run;
  const int own_row = static_cast<int>(threadIdx.x) / threads_across * Tile::row_run;
  const int own_column = static_cast<int>(threadIdx.x) % threads_across * Tile::column_run;
  T sum[Tile::row_run][Tile::column_run] = {};
  fetch(begin);
  keep(0);
  __syncthreads();
  for (int k0 = begin, buffer = 0; k0 < end; k0 += depth, buffer ^= 1) {
    const bool more = k0 + depth < end;
    if (more) fetch(k0 + depth);
#pragma unroll 8
    for (int k = 0; k < depth; ++k) {
      T a[Tile::row_run], b[Tile::column_run];
#pragma unroll
      for (int i = 0; i < Tile::row_run; ++i) a[i] = first[(buffer * depth + k) * first_line + own_row + i];
#pragma unroll
      for (int j = 0; j < Tile::column_run; ++j) b[j] = second[(buffer * depth + k) * second_line + own_column + j];
#pragma unroll
      for (int i = 0; i < Tile::row_run; ++i)
#pragma unroll
        for (int j = 0; j < Tile::column_run; ++j) sum[i][j] += a[i] * b[j];
    }
    if (more) keep(buffer ^ 1);
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < Tile::row_run; ++i)
#pragma unroll
    for (int j = 0; j < Tile::column_run; ++j) {
      const int row = row_begin + own_row + i, column = column_begin + own_column + j;
      if (row < rows && column < columns) problem.store(row, column, sum[i][j], split);
    }
}

template <class T, class Tile, class Problem>
void run_tiles(const Problem& problem, int splits) {
  const auto cover = [](int extent, int by) { return (extent + by - 1) / by; };
  const int rows = problem.rows(), columns = problem.columns(), steps = problem.steps();
  if (rows == 0 || columns == 0) return;
  launch(dim3(static_cast<unsigned>(cover(rows, Tile::rows)), static_cast<unsigned>(cover(columns, Tile::columns)),
              static_cast<unsigned>(splits)),
         threads, multiply<T, Problem, Tile>, problem, rows, columns, steps, cover(steps, splits));
}

/// The tile is chosen by the shape: as wide as the result, and small where there would be few blocks.
template <class T, class Problem>
void run(const Problem& problem, int splits = 1) {
  constexpr int many_blocks = 200;
  if constexpr (sizeof(T) == 8)
    run_tiles<T, Tile<64, 64, 4, 4>>(problem, splits);
  else if (problem.columns() <= 16)
    run_tiles<T, Tile<128, 16, 4, 2>>(problem, splits);
  else if (problem.columns() <= 32)
    run_tiles<T, Tile<128, 32, 4, 4>>(problem, splits);
  else if (problem.rows() / 128 * ((problem.columns() + 63) / 64) * splits >= many_blocks)
    run_tiles<T, Tile<128, 64, 8, 4>>(problem, splits);
  else
    run_tiles<T, Tile<64, 64, 4, 4>>(problem, splits);
}

/// The parts of a weight gradient, added up.
template <class T>
struct SumSplits : DoubleSum {
  const T* parts;
  T* weight;
  int64_t size;

  SumSplits(const T* parts, T* weight, int64_t size) : parts(parts), weight(weight), size(size) {}
  __device__ void add(double& total, int64_t, int64_t split, int64_t i) const {
    total += static_cast<double>(parts[split * size + i]);
  }
  __device__ void finish(int64_t, int64_t i, double total) const { weight[i] = static_cast<T>(total); }
};

/// A function of the shape alone: enough blocks to keep a large GPU busy, each with work enough.
int splits_of(const Convolution& c) {
  constexpr int wanted_blocks = 512, least_positions = 256;
  const int tiles = ((c.patch() + 127) / 128) * ((c.out + 63) / 64);
  const int most = (c.positions() + least_positions - 1) / least_positions,
            splits = wanted_blocks / (tiles < 1 ? 1 : tiles);
  return splits < 1 || most < 1 ? 1 : splits < most ? splits : most;
}

Gemm pointwise(int64_t m, int64_t n, int64_t k, bool transpose_a, bool transpose_b) {
  return {m, n, k, transpose_a, transpose_b};
}

}  // namespace

void CudaBackend::conv2d(const core::Window& window, const Tensor& x, const Tensor& weight, const Tensor& bias,
                         Activation activation, Tensor& y) {
  const Convolution c(window, x.shape(), y.shape());
  if (c.is_pointwise()) return gemm(pointwise(c.positions(), c.out, c.in, false, true), x, weight, bias, activation, y);
  dispatch_floating("conv2d", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    run<T>(Forward<T>{c, read<T>(x), read<T>(weight), bias.defined() ? read<T>(bias) : nullptr,
                      activation == Activation::relu, write<T>(y)});
  });
}

void CudaBackend::conv2d_transpose(const core::Window& window, const Tensor& y, const Tensor& weight, Tensor& x) {
  const Convolution c(window, x.shape(), y.shape());
  if (c.is_pointwise())
    return gemm(pointwise(c.pixels(), c.in, c.out, false, false), y, weight, Tensor(), Activation::none, x);
  dispatch_floating("conv2d_transpose", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    run<T>(Transpose<T>{c, read<T>(y), read<T>(weight), write<T>(x)});
  });
}

void CudaBackend::conv2d_correlate(const core::Window& window, const Tensor& x, const Tensor& y, Tensor& weight) {
  const Convolution c(window, x.shape(), y.shape());
  if (c.is_pointwise())
    return gemm(pointwise(c.out, c.in, c.positions(), true, false), y, x, Tensor(), Activation::none, weight);
  dispatch_floating("conv2d_correlate", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const int splits = splits_of(c);
    const int64_t size = weight.numel();
    if (splits == 1) return run<T>(Correlate<T>{c, read<T>(x), read<T>(y), write<T>(weight)});
    Tensor parts = Tensor::empty({splits * size}, x.dtype(), Device::cuda);
    run<T>(Correlate<T>{c, read<T>(x), read<T>(y), write<T>(parts)}, splits);
    fold(SumSplits<T>(read<T>(parts), write<T>(weight), size), 1, splits, size);
  });
}

}  // namespace minima::core
