// Pooling over the planes of [batch, channels, height, width], in parallel over the planes.
#include <limits>

#include "core/cpu/cpu_backend.h"

namespace minima {
namespace {

/// Planes of one image size, pooled to planes of another.
struct Planes {
  int64_t count, height, width, out_h, out_w;

  Planes(const Shape& x, const Shape& y) : count(x[0] * x[1]), height(x[2]), width(x[3]), out_h(y[2]), out_w(y[3]) {}
  int64_t x_size() const { return height * width; }
  int64_t y_size() const { return out_h * out_w; }
};

/// The part of a window that lies inside the image, along one axis.
struct Span {
  int64_t begin, end;

  Span(const Window& w, int64_t kernel, int64_t position, int64_t extent)
      : begin(std::max<int64_t>(0, position * w.stride - w.padding)),
        end(std::min(extent, position * w.stride - w.padding + kernel)) {}
};

/// Calls body(output index, rows, columns) for each window of a plane.
template <class F>
void walk_windows(const Window& w, const Planes& planes, F&& body) {
  for (int64_t p = 0; p < planes.out_h; ++p) {
    const Span rows(w, w.kernel_h, p, planes.height);
    for (int64_t q = 0; q < planes.out_w; ++q) body(p * planes.out_w + q, rows, Span(w, w.kernel_w, q, planes.width));
  }
}

template <class F>
void parallel_planes(const Planes& planes, F&& body) {
  parallel_for(planes.count, cpu::grain_of(planes.x_size() + planes.y_size()), [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) body(plane);
  });
}

template <class T>
void max_pool_plane(const Window& window, const Planes& planes, const T* x, T* y, int32_t* positions) {
  walk_windows(window, planes, [&](int64_t at, Span rows, Span columns) {
    T best = -std::numeric_limits<T>::infinity();
    int64_t position = rows.begin * planes.width + columns.begin;
    for (int64_t i = rows.begin; i < rows.end; ++i)
      for (int64_t j = columns.begin; j < columns.end; ++j) {
        const T value = x[i * planes.width + j];
        if (value > best || value != value) {
          best = value;
          position = i * planes.width + j;
        }
      }
    y[at] = best;
    positions[at] = static_cast<int32_t>(position);
  });
}

}  // namespace

void CpuBackend::max_pool2d(const Window& window, const Tensor& x, Tensor& y, Tensor& positions) {
  dispatch_floating("max_pool2d", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Planes planes(x.shape(), y.shape());
    parallel_planes(planes, [&](int64_t plane) {
      max_pool_plane(window, planes, cpu::read<T>(x) + plane * planes.x_size(),
                     cpu::write<T>(y) + plane * planes.y_size(),
                     cpu::write<int32_t>(positions) + plane * planes.y_size());
    });
  });
}

void CpuBackend::gather_planes(const Tensor& x, const Tensor& positions, Tensor& y) {
  dispatch_floating("gather_planes", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Planes planes(x.shape(), y.shape());
    parallel_planes(planes, [&](int64_t plane) {
      const T* from = cpu::read<T>(x) + plane * planes.x_size();
      const int32_t* position = cpu::read<int32_t>(positions) + plane * planes.y_size();
      T* to = cpu::write<T>(y) + plane * planes.y_size();
      for (int64_t i = 0; i < planes.y_size(); ++i) to[i] = from[position[i]];
    });
  });
}

void CpuBackend::scatter_planes(const Tensor& y, const Tensor& positions, Tensor& x) {
  dispatch_floating("scatter_planes", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Planes planes(x.shape(), y.shape());
    parallel_planes(planes, [&](int64_t plane) {
      const T* from = cpu::read<T>(y) + plane * planes.y_size();
      const int32_t* position = cpu::read<int32_t>(positions) + plane * planes.y_size();
      T* to = cpu::write<T>(x) + plane * planes.x_size();
      std::fill(to, to + planes.x_size(), T(0));
      for (int64_t i = 0; i < planes.y_size(); ++i) to[position[i]] += from[i];
    });
  });
}

void CpuBackend::avg_pool2d(const Window& window, const Tensor& x, Tensor& y) {
  dispatch_floating("avg_pool2d", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Planes planes(x.shape(), y.shape());
    const T scale = T(1) / T(window.kernel_h * window.kernel_w);
    parallel_planes(planes, [&](int64_t plane) {
      const T* from = cpu::read<T>(x) + plane * planes.x_size();
      T* to = cpu::write<T>(y) + plane * planes.y_size();
      walk_windows(window, planes, [&](int64_t at, Span rows, Span columns) {
        T sum = 0;
        for (int64_t i = rows.begin; i < rows.end; ++i)
          for (int64_t j = columns.begin; j < columns.end; ++j) sum += from[i * planes.width + j];
        to[at] = sum * scale;
      });
    });
  });
}

void CpuBackend::avg_pool2d_transpose(const Window& window, const Tensor& y, Tensor& x) {
  dispatch_floating("avg_pool2d_transpose", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Planes planes(x.shape(), y.shape());
    const T scale = T(1) / T(window.kernel_h * window.kernel_w);
    parallel_planes(planes, [&](int64_t plane) {
      const T* from = cpu::read<T>(y) + plane * planes.y_size();
      T* to = cpu::write<T>(x) + plane * planes.x_size();
      std::fill(to, to + planes.x_size(), T(0));
      walk_windows(window, planes, [&](int64_t at, Span rows, Span columns) {
        const T share = from[at] * scale;
        for (int64_t i = rows.begin; i < rows.end; ++i)
          for (int64_t j = columns.begin; j < columns.end; ++j) to[i * planes.width + j] += share;
      });
    });
  });
}

}  // namespace minima
