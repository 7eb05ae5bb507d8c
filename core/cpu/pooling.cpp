// SPDX-License-Identifier: MIT
// Pooling of images [batch, height, width, channels]: the elements of a pixel, its channels, go through one window.
#include <cstring>

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

/// Calls seen(y, x) for every output pixel of output row p and every pixel that its window sees; y and x are where the
/// pixels begin in their images.
template <class F>
void walk_windows(const Pooling& s, int64_t p, F&& seen) {
  const int64_t top = p * s.window.stride - s.window.padding;
  const int64_t i_begin = std::max<int64_t>(0, top), i_end = std::min(s.height, top + s.window.kernel_h);
  for (int64_t q = 0; q < s.out_w; ++q) {
    const int64_t left = q * s.window.stride - s.window.padding;
    const int64_t j_begin = std::max<int64_t>(0, left), j_end = std::min(s.width, left + s.window.kernel_w);
    for (int64_t i = i_begin; i < i_end; ++i)
      for (int64_t j = j_begin; j < j_end; ++j) seen((p * s.out_w + q) * s.channels, (i * s.width + j) * s.channels);
  }
}

template <class F>
void parallel_images(const Shape& images, F&& body) {
  const int64_t size = images[1] * images[2] * images[3];
  parallel_for(images[0], cpu::grain_of(size), [&](int64_t begin, int64_t end) {
    for (int64_t image = begin; image < end; ++image) body(image);
  });
}

/// Calls body(image, begin, end) for output rows begin .. end of each image: where there are few images, threads share
/// their rows.
template <class F>
void parallel_rows(const Pooling& s, F&& body) {
  constexpr int64_t enough_images = 16;
  const int64_t cost = s.out_w * s.channels * s.window.kernel_h * s.window.kernel_w;
  const int64_t rows = s.batch < enough_images ? std::min(s.out_h, cpu::grain_of(cost)) : s.out_h;
  const int64_t strips = rows > 0 ? (s.out_h + rows - 1) / rows : 0;
  parallel_for(s.batch * strips, cpu::grain_of(rows * cost), [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i)
      body(i / strips, i % strips * rows, std::min(s.out_h, (i % strips + 1) * rows));
  });
}

/// The maxima of the windows of output rows begin .. end of one image, and their positions. NaN stays.
/// Channels are taken `lanes` at a time, in registers while the window is walked. What lies beyond the last channel is
/// the next pixel, where these rows have one: it is read and written with the others, and written again when its turn
/// comes.
template <class T>
MINIMA_VECTOR_LOOP void max_pool_rows(const Pooling& s, int64_t begin, int64_t end, const T* x, T* y,
                                      int32_t* positions) {
  // As wide as the processor's vectors are at least. The compiler takes wider ones apart into single numbers, which
  // took fifteen times as long.
#if defined(__x86_64__)
  constexpr int lanes = 32 / sizeof(T);
#else
  constexpr int lanes = 16 / sizeof(T);
#endif
  using Position = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;  // as wide as T, to be chosen by the same mask
  typedef T Values __attribute__((vector_size(lanes * sizeof(T))));
  typedef Position Positions __attribute__((vector_size(lanes * sizeof(T))));
  typedef int32_t Stored __attribute__((vector_size(lanes * sizeof(int32_t))));
  Positions count;
  for (int k = 0; k < lanes; ++k) count[k] = k;
  const int64_t y_end = end * s.out_w * s.channels;
  for (int64_t p = begin; p < end; ++p)
    for (int64_t q = 0; q < s.out_w; ++q) {
      const int64_t top = p * s.window.stride - s.window.padding, left = q * s.window.stride - s.window.padding;
      const int64_t i_begin = std::max<int64_t>(0, top), i_end = std::min(s.height, top + s.window.kernel_h);
      const int64_t j_begin = std::max<int64_t>(0, left), j_end = std::min(s.width, left + s.window.kernel_w);
      const int64_t first = (i_begin * s.width + j_begin) * s.channels, to = (p * s.out_w + q) * s.channels;
      const int64_t last = ((i_end - 1) * s.width + j_end - 1) * s.channels;
      int64_t c = 0;
      for (; c < s.channels && last + c + lanes <= s.x_size() && to + c + lanes <= y_end; c += lanes) {
        Values best, value;
        std::memcpy(&best, x + first + c, sizeof best);
        Positions position = count + static_cast<Position>(first + c);
        for (int64_t i = i_begin; i < i_end; ++i)
          for (int64_t j = j_begin; j < j_end; ++j) {
            const int64_t at = (i * s.width + j) * s.channels + c;
            std::memcpy(&value, x + at, sizeof value);
            const Positions larger = (value > best) | (value != value);
            best = larger ? value : best;
            position = larger ? count + static_cast<Position>(at) : position;
          }
        const Stored stored = __builtin_convertvector(position, Stored);
        std::memcpy(y + to + c, &best, sizeof best);
        std::memcpy(positions + to + c, &stored, sizeof stored);
      }
      for (; c < s.channels; ++c) {
        T best = x[first + c];
        int64_t position = first + c;
        for (int64_t i = i_begin; i < i_end; ++i)
          for (int64_t j = j_begin; j < j_end; ++j) {
            const int64_t at = (i * s.width + j) * s.channels + c;
            if (x[at] > best || x[at] != x[at]) best = x[at], position = at;
          }
        y[to + c] = best;
        positions[to + c] = static_cast<int32_t>(position);
      }
    }
}
}  // namespace

void CpuBackend::max_pool2d(const core::Window& window, const Tensor& x, Tensor& y, Tensor& positions) {
  dispatch_floating("max_pool2d", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Pooling s(window, x.shape(), y.shape());
    parallel_rows(s, [&](int64_t image, int64_t begin, int64_t end) {
      max_pool_rows(s, begin, end, cpu::read<T>(x) + image * s.x_size(), cpu::write<T>(y) + image * s.y_size(),
                    cpu::write<int32_t>(positions) + image * s.y_size());
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
    parallel_rows(s, [&](int64_t image, int64_t begin, int64_t end) {
      const T* from = cpu::read<T>(x) + image * s.x_size();
      T* sum = cpu::write<T>(y) + image * s.y_size();
      const int64_t first = begin * s.out_w * s.channels, last = end * s.out_w * s.channels;
      std::fill(sum + first, sum + last, T(0));
      for (int64_t p = begin; p < end; ++p)
        walk_windows(s, p, [&](int64_t to, int64_t at) {
          for (int64_t c = 0; c < s.channels; ++c) sum[to + c] += from[at + c];
        });
      for (int64_t i = first; i < last; ++i) sum[i] *= scale;
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
        walk_windows(s, p, [&](int64_t from, int64_t at) {
          for (int64_t c = 0; c < s.channels; ++c) to[at + c] += scale * share[from + c];
        });
    });
  });
}

}  // namespace minima::core
