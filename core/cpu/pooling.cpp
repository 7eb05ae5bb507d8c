// Pooling over the planes of [batch, channels, height, width], in parallel over the planes.
#include <limits>

#include "core/cpu/cpu_backend.h"
#include "core/cpu/window.h"

namespace minima::core {
namespace {

/// Planes of one image size, pooled to planes of another.
struct Planes {
  int64_t count, height, width, out_h, out_w;

  Planes(const Shape& x, const Shape& y) : count(x[0] * x[1]), height(x[2]), width(x[3]), out_h(y[2]), out_w(y[3]) {}
  int64_t x_size() const { return height * width; }
  int64_t y_size() const { return out_h * out_w; }
};

/// Calls body(p, q_first, q_last, x_offset) for every output row p and kernel position: outputs q in [q_first, q_last)
/// of that row see the element x_offset + q * stride of the plane. So each row is a few loops over long runs.
template <class F>
void walk_windows(const Window& w, const Planes& planes, F&& body) {
  const cpu::WindowAxis rows{planes.height, planes.out_h, w.stride, w.padding};
  const cpu::WindowAxis columns{planes.width, planes.out_w, w.stride, w.padding};
  for (int64_t p = 0; p < planes.out_h; ++p)
    for (int64_t i = 0; i < w.kernel_h; ++i) {
      const int64_t row = rows.at(p, i);
      if (row < 0 || row >= planes.height) continue;
      for (int64_t j = 0; j < w.kernel_w; ++j)
        body(p, columns.first(j), columns.last(j), row * planes.width + columns.at(0, j));
    }
}

/// Calls f(q, element of x) for q in [first, last); the common strides are loops of their own, as vectors.
template <class F>
void walk_row(int64_t stride, int64_t first, int64_t last, int64_t offset, F&& f) {
  if (stride == 1)
    for (int64_t q = first; q < last; ++q) f(q, offset + q);
  else if (stride == 2)
    for (int64_t q = first; q < last; ++q) f(q, offset + 2 * q);
  else
    for (int64_t q = first; q < last; ++q) f(q, offset + q * stride);
}

template <class F>
void parallel_planes(const Planes& planes, F&& body) {
  parallel_for(planes.count, cpu::grain_of(planes.x_size() + planes.y_size()), [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) body(plane);
  });
}

template <class T>
void max_pool_plane(const Window& window, const Planes& planes, const T* x, T* y, int32_t* positions) {
  std::fill(y, y + planes.y_size(), -std::numeric_limits<T>::infinity());
  for (int64_t p = 0, i = 0; p < planes.out_h; ++p)  // where all is -inf, the first element wins
    for (int64_t q = 0; q < planes.out_w; ++q, ++i)
      positions[i] = static_cast<int32_t>(std::max<int64_t>(0, p * window.stride - window.padding) * planes.width +
                                          std::max<int64_t>(0, q * window.stride - window.padding));
  walk_windows(window, planes, [&](int64_t p, int64_t first, int64_t last, int64_t offset) {
    T* best = y + p * planes.out_w;
    int32_t* position = positions + p * planes.out_w;
    walk_row(window.stride, first, last, offset, [&](int64_t q, int64_t at) {
      const T value = x[at];
      const bool larger = (value > best[q]) | (value != value);
      best[q] = larger ? value : best[q];
      position[q] = larger ? static_cast<int32_t>(at) : position[q];
    });
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
      std::fill(to, to + planes.y_size(), T(0));
      walk_windows(window, planes, [&](int64_t p, int64_t first, int64_t last, int64_t offset) {
        T* sum = to + p * planes.out_w;
        walk_row(window.stride, first, last, offset, [&](int64_t q, int64_t at) { sum[q] += from[at]; });
      });
      for (int64_t i = 0; i < planes.y_size(); ++i) to[i] *= scale;
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
      walk_windows(window, planes, [&](int64_t p, int64_t first, int64_t last, int64_t offset) {
        const T* share = from + p * planes.out_w;
        walk_row(window.stride, first, last, offset, [&](int64_t q, int64_t at) { to[at] += scale * share[q]; });
      });
    });
  });
}

}  // namespace minima::core
