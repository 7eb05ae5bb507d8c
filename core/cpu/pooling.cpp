// Pooling of images [batch, height, width, channels]: the elements of a pixel, its channels, go through one window.
#include "core/cpu/cpu_backend.h"

namespace minima::core {
namespace {
struct Pooling {
  int64_t batch, height, width, channels, out_h, out_w;
  core::Window window;

  Pooling(const core::Window& w, const Shape& x, const Shape& y)
      : batch(x[0]), height(x[1]), width(x[2]), channels(x[3]), out_h(y[1]), out_w(y[2]), window(w) {}
  int64_t x_size() const { return height * width * channels; }
  int64_t y_size() const { return out_h * out_w * channels; }
};

/// Calls seen(y, x, first) for every output pixel of output row p and every pixel that its window sees; y and x are
/// where the pixels begin in their images, and first tells the first of a window.
template <class F>
void walk_windows(const Pooling& s, int64_t p, F&& seen) {
  const int64_t top = p * s.window.stride - s.window.padding;
  const int64_t i_begin = std::max<int64_t>(0, top), i_end = std::min(s.height, top + s.window.kernel_h);
  for (int64_t q = 0; q < s.out_w; ++q) {
    const int64_t left = q * s.window.stride - s.window.padding;
    const int64_t j_begin = std::max<int64_t>(0, left), j_end = std::min(s.width, left + s.window.kernel_w);
    for (int64_t i = i_begin; i < i_end; ++i)
      for (int64_t j = j_begin; j < j_end; ++j)
        seen((p * s.out_w + q) * s.channels, (i * s.width + j) * s.channels, i == i_begin && j == j_begin);
  }
}

template <class F>
void parallel_images(const Shape& images, F&& body) {
  const int64_t size = images[1] * images[2] * images[3];
  parallel_for(images[0], cpu::grain_of(size), [&](int64_t begin, int64_t end) {
    for (int64_t image = begin; image < end; ++image) body(image);
  });
}

/// The maximum so far and its position, for each channel of a pixel. NaN stays.
template <class T>
void take_maximum(const T* x, int64_t n, int32_t at, T* best, int32_t* position) {
  for (int64_t c = 0; c < n; ++c) {
    const bool larger = (x[c] > best[c]) | (x[c] != x[c]);
    best[c] = larger ? x[c] : best[c];
    position[c] = larger ? at + static_cast<int32_t>(c) : position[c];
  }
}
}  // namespace

void CpuBackend::max_pool2d(const core::Window& window, const Tensor& x, Tensor& y, Tensor& positions) {
  dispatch_floating("max_pool2d", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Pooling s(window, x.shape(), y.shape());
    parallel_images(x.shape(), [&](int64_t image) {
      const T* from = cpu::read<T>(x) + image * s.x_size();
      T* best = cpu::write<T>(y) + image * s.y_size();
      int32_t* position = cpu::write<int32_t>(positions) + image * s.y_size();
      for (int64_t p = 0; p < s.out_h; ++p)
        walk_windows(s, p, [&](int64_t to, int64_t at, bool first) {
          if (first)
            for (int64_t c = 0; c < s.channels; ++c) {
              best[to + c] = from[at + c];
              position[to + c] = static_cast<int32_t>(at + c);
            }
          else
            take_maximum(from + at, s.channels, static_cast<int32_t>(at), best + to, position + to);
        });
    });
  });
}

void CpuBackend::gather_positions(const Tensor& x, const Tensor& positions, Tensor& y) {
  dispatch_floating("gather_positions", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Pooling s({}, x.shape(), y.shape());
    parallel_images(y.shape(), [&](int64_t image) {
      const T* from = cpu::read<T>(x) + image * s.x_size();
      const int32_t* position = cpu::read<int32_t>(positions) + image * s.y_size();
      T* to = cpu::write<T>(y) + image * s.y_size();
      for (int64_t i = 0; i < s.y_size(); ++i) to[i] = from[position[i]];
    });
  });
}

void CpuBackend::scatter_positions(const core::Window&, const Tensor& y, const Tensor& positions, Tensor& x) {
  dispatch_floating("scatter_positions", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Pooling s({}, x.shape(), y.shape());
    parallel_images(x.shape(), [&](int64_t image) {
      const T* from = cpu::read<T>(y) + image * s.y_size();
      const int32_t* position = cpu::read<int32_t>(positions) + image * s.y_size();
      T* to = cpu::write<T>(x) + image * s.x_size();
      std::fill(to, to + s.x_size(), T(0));
      for (int64_t i = 0; i < s.y_size(); ++i) to[position[i]] += from[i];
    });
  });
}

void CpuBackend::avg_pool2d(const core::Window& window, const Tensor& x, Tensor& y) {
  dispatch_floating("avg_pool2d", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Pooling s(window, x.shape(), y.shape());
    const T scale = T(1) / T(window.kernel_h * window.kernel_w);
    parallel_images(x.shape(), [&](int64_t image) {
      const T* from = cpu::read<T>(x) + image * s.x_size();
      T* sum = cpu::write<T>(y) + image * s.y_size();
      std::fill(sum, sum + s.y_size(), T(0));
      for (int64_t p = 0; p < s.out_h; ++p)
        walk_windows(s, p, [&](int64_t to, int64_t at, bool) {
          for (int64_t c = 0; c < s.channels; ++c) sum[to + c] += from[at + c];
        });
      for (int64_t i = 0; i < s.y_size(); ++i) sum[i] *= scale;
    });
  });
}

void CpuBackend::avg_pool2d_transpose(const core::Window& window, const Tensor& y, Tensor& x) {
  dispatch_floating("avg_pool2d_transpose", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Pooling s(window, x.shape(), y.shape());
    const T scale = T(1) / T(window.kernel_h * window.kernel_w);
    parallel_images(x.shape(), [&](int64_t image) {
      const T* share = cpu::read<T>(y) + image * s.y_size();
      T* to = cpu::write<T>(x) + image * s.x_size();
      std::fill(to, to + s.x_size(), T(0));
      for (int64_t p = 0; p < s.out_h; ++p)
        walk_windows(s, p, [&](int64_t from, int64_t at, bool) {
          for (int64_t c = 0; c < s.channels; ++c) to[at + c] += scale * share[from + c];
        });
    });
  });
}

}  // namespace minima::core
