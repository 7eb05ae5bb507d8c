// SPDX-License-Identifier: MIT
// Pooling of images [batch, height, width, channels]. A thread takes one element of the result: on the way back it
// looks at the windows that could have seen its pixel, so that no two threads add to one place.
#include "core/cuda/cuda_backend.h"
#include "core/cuda/launch.cuh"

namespace minima::core {

using namespace cuda;

namespace {

/// Rows or columns [begin, end).
struct Range {
  int begin, end;
};

/// The shapes of a pooling, as a kernel needs them.
struct Pooling {
  int height, width, channels, out_h, out_w;
  int kernel_h, kernel_w, stride, padding;
  Divider by_channels, by_width, by_height, by_out_w, by_out_h, by_stride;

  Pooling(const core::Window& w, const Shape& x, const Shape& y)
      : height(static_cast<int>(x[1])),
        width(static_cast<int>(x[2])),
        channels(static_cast<int>(x[3])),
        out_h(static_cast<int>(y[1])),
        out_w(static_cast<int>(y[2])),
        kernel_h(static_cast<int>(w.kernel_h)),
        kernel_w(static_cast<int>(w.kernel_w)),
        stride(static_cast<int>(w.stride)),
        padding(static_cast<int>(w.padding)),
        by_channels(channels),
        by_width(width),
        by_height(height),
        by_out_w(out_w),
        by_out_h(out_h),
        by_stride(stride) {
    require_indexable("pooling", x.numel());
    require_indexable("pooling", y.numel());
  }

  /// The pixels that the window of output row or column `at` sees.
  __device__ Range seen(int at, int kernel, int extent) const {
    const int begin = at * stride - padding, end = begin + kernel;
    return {begin < 0 ? 0 : begin, end < extent ? end : extent};
  }
  /// The output rows or columns whose windows see the pixel `at`.
  __device__ Range seeing(int at, int kernel, int extent) const {
    const int last = at + padding, first = last - kernel + 1;
    const int end = static_cast<int>(by_stride.divide(static_cast<uint32_t>(last))) + 1;
    return {first <= 0 ? 0 : static_cast<int>(by_stride.divide(static_cast<uint32_t>(first + stride - 1))),
            end < extent ? end : extent};
  }
};

/// An element of images: its place within an image, and where that image begins in x and in y.
struct Place {
  int row, column, channel;
  int64_t x, y;

  __device__ Place(const Pooling& s, int64_t index, const Divider& by_columns, const Divider& by_rows) {
    uint32_t rest = static_cast<uint32_t>(index), pixel = s.by_channels.split(rest);
    channel = static_cast<int>(rest);
    uint32_t line = by_columns.split(pixel);
    column = static_cast<int>(pixel);
    const int64_t image = by_rows.split(line);
    row = static_cast<int>(line);
    x = image * s.height * s.width * s.channels;
    y = image * s.out_h * s.out_w * s.channels;
  }
};

/// NaN stays.
template <class T>
struct MaxPool {
  Pooling s;
  const T* x;
  T* y;
  int32_t* positions;
  __device__ void operator()(int64_t i) const {
    const Place at(s, i, s.by_out_w, s.by_out_h);
    const Range rows = s.seen(at.row, s.kernel_h, s.height), columns = s.seen(at.column, s.kernel_w, s.width);
    int position = (rows.begin * s.width + columns.begin) * s.channels + at.channel;
    T best = x[at.x + position];
    for (int row = rows.begin; row < rows.end; ++row)
      for (int column = columns.begin; column < columns.end; ++column) {
        const int here = (row * s.width + column) * s.channels + at.channel;
        const T value = x[at.x + here];
        if (value > best || value != value) best = value, position = here;
      }
    y[i] = best;
    positions[i] = position;
  }
};

template <class T>
struct GatherPositions {
  const T* x;
  const int32_t* positions;
  T* y;
  int64_t x_size;
  Divider y_size;
  __device__ void operator()(int64_t i) const {
    y[i] = x[int64_t{y_size.divide(static_cast<uint32_t>(i))} * x_size + positions[i]];
  }
};

template <class T>
struct ScatterPositions {
  Pooling s;
  const T* y;
  const int32_t* positions;
  T* x;
  __device__ void operator()(int64_t i) const {
    const Place at(s, i, s.by_width, s.by_height);
    const Range rows = s.seeing(at.row, s.kernel_h, s.out_h), columns = s.seeing(at.column, s.kernel_w, s.out_w);
    const int own = static_cast<int>(i - at.x);
    T sum = 0;
    for (int row = rows.begin; row < rows.end; ++row)
      for (int column = columns.begin; column < columns.end; ++column) {
        const int64_t from = at.y + (row * s.out_w + column) * s.channels + at.channel;
        if (positions[from] == own) sum += y[from];
      }
    x[i] = sum;
  }
};

template <class T>
struct AveragePool {
  Pooling s;
  const T* x;
  T* y;
  T scale;
  __device__ void operator()(int64_t i) const {
    const Place at(s, i, s.by_out_w, s.by_out_h);
    const Range rows = s.seen(at.row, s.kernel_h, s.height), columns = s.seen(at.column, s.kernel_w, s.width);
    T sum = 0;
    for (int row = rows.begin; row < rows.end; ++row)
      for (int column = columns.begin; column < columns.end; ++column)
        sum += x[at.x + (row * s.width + column) * s.channels + at.channel];
    y[i] = sum * scale;
  }
};

template <class T>
struct AveragePoolTranspose {
  Pooling s;
  const T* y;
  T* x;
  T scale;
  __device__ void operator()(int64_t i) const {
    const Place at(s, i, s.by_width, s.by_height);
    const Range rows = s.seeing(at.row, s.kernel_h, s.out_h), columns = s.seeing(at.column, s.kernel_w, s.out_w);
    T sum = 0;
    for (int row = rows.begin; row < rows.end; ++row)
      for (int column = columns.begin; column < columns.end; ++column)
        sum += scale * y[at.y + (row * s.out_w + column) * s.channels + at.channel];
    x[i] = sum;
  }
};

}  // namespace

void CudaBackend::max_pool2d(const core::Window& window, const Tensor& x, Tensor& y, Tensor& positions) {
  dispatch_floating("max_pool2d", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for_each(y.numel(),
             MaxPool<T>{Pooling(window, x.shape(), y.shape()), read<T>(x), write<T>(y), write<int32_t>(positions)});
  });
}

void CudaBackend::gather_positions(const Tensor& x, const Tensor& positions, Tensor& y) {
  if (y.numel() == 0) return;
  require_indexable("gather_positions", y.numel());
  dispatch_floating("gather_positions", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for_each(y.numel(), GatherPositions<T>{read<T>(x), read<int32_t>(positions), write<T>(y), x.numel() / x.size(0),
                                           Divider(y.numel() / y.size(0))});
  });
}

void CudaBackend::scatter_positions(const core::Window& window, const Tensor& y, const Tensor& positions, Tensor& x) {
  dispatch_floating("scatter_positions", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for_each(x.numel(), ScatterPositions<T>{Pooling(window, x.shape(), y.shape()), read<T>(y), read<int32_t>(positions),
                                            write<T>(x)});
  });
}

void CudaBackend::avg_pool2d(const core::Window& window, const Tensor& x, Tensor& y) {
  dispatch_floating("avg_pool2d", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for_each(y.numel(), AveragePool<T>{Pooling(window, x.shape(), y.shape()), read<T>(x), write<T>(y),
                                       T(1) / T(window.kernel_h * window.kernel_w)});
  });
}

void CudaBackend::avg_pool2d_transpose(const core::Window& window, const Tensor& y, Tensor& x) {
  dispatch_floating("avg_pool2d_transpose", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for_each(x.numel(), AveragePoolTranspose<T>{Pooling(window, x.shape(), y.shape()), read<T>(y), write<T>(x),
                                                T(1) / T(window.kernel_h * window.kernel_w)});
  });
}

}  // namespace minima::core
