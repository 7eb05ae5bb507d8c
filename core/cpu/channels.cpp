// Kernels over the channels (axis 1) of [batch, channels, ...]: what batch normalisation needs, each one pass.
#include "core/cpu/cpu_backend.h"

namespace minima::core {
namespace {

constexpr int64_t image_groups = 16;  // partial sums: a function of the batch, not of the threads

struct Channels {
  int64_t batch, channels, size;  // size: elements of one channel of one image

  explicit Channels(const Shape& x) : batch(x[0]), channels(x[1]), size(1) {
    for (int axis = 2; axis < x.rank(); ++axis) size *= x[axis];
  }
  int64_t planes() const { return batch * channels; }
};

/// Two sums in double.
struct Pair {
  double first, second;
};

/// The sum of term(x, y, channel) over one plane, in interleaved lanes.
template <class T, class F>
Pair sum_plane(const T* x, const T* y, int64_t n, int64_t channel, F&& term) {
  constexpr int64_t lanes = 16;
  double first[lanes] = {}, second[lanes] = {};
  const int64_t whole = n / lanes * lanes;
  for (int64_t i = 0; i < whole; i += lanes)
    for (int64_t l = 0; l < lanes; ++l) {
      const Pair t = term(x[i + l], y[i + l], channel);
      first[l] += t.first;
      second[l] += t.second;
    }
  for (int64_t i = whole; i < n; ++i) {
    const Pair t = term(x[i], y[i], channel);
    first[i - whole] += t.first;
    second[i - whole] += t.second;
  }
  for (int64_t half = lanes / 2; half > 0; half /= 2)
    for (int64_t l = 0; l < half; ++l) first[l] += first[l + half], second[l] += second[l + half];
  return {first[0], second[0]};
}

/// Sums term(x, y, channel) over everything but channels and calls result(channel, sums).
template <class T, class F, class R>
void sum_channels(const Channels& c, const T* x, const T* y, F&& term, R&& result) {
  const int64_t images = std::max<int64_t>(1, (c.batch + image_groups - 1) / image_groups);
  const int64_t groups = (c.batch + images - 1) / images;
  // [groups, 2, channels]
  Tensor memory = Tensor::empty({std::max<int64_t>(1, groups) * 2 * c.channels}, DType::float64);
  double* partial = reinterpret_cast<double*>(memory.raw());
  const auto sum_group = [&](int64_t group) {
    double *first = partial + group * 2 * c.channels, *second = first + c.channels;
    std::fill(first, first + 2 * c.channels, 0.0);
    for (int64_t image = group * images; image < std::min(c.batch, (group + 1) * images); ++image) {
      const int64_t offset = image * c.channels * c.size;
      if (c.size == 1)
        for (int64_t channel = 0; channel < c.channels; ++channel) {
          const Pair t = term(x[offset + channel], y[offset + channel], channel);
          first[channel] += t.first;
          second[channel] += t.second;
        }
      else
        for (int64_t channel = 0; channel < c.channels; ++channel) {
          const int64_t plane = offset + channel * c.size;
          const Pair t = sum_plane(x + plane, y + plane, c.size, channel, term);
          first[channel] += t.first;
          second[channel] += t.second;
        }
    }
  };
  parallel_for(groups, cpu::grain_of(images * c.channels * c.size), [&](int64_t begin, int64_t end) {
    for (int64_t group = begin; group < end; ++group) sum_group(group);
  });
  for (int64_t channel = 0; channel < c.channels; ++channel) {
    Pair total{0, 0};
    for (int64_t group = 0; group < groups; ++group) {
      total.first += partial[group * 2 * c.channels + channel];
      total.second += partial[(group * 2 + 1) * c.channels + channel];
    }
    result(channel, total);
  }
}

/// Calls plane(offset, n, channel) for each run of n elements of one channel; with one element a channel, a whole
/// image at a time through image(offset).
template <class P, class I>
void walk_planes(const Channels& c, P&& plane, I&& image) {
  if (c.size == 1)
    parallel_for(c.batch, cpu::grain_of(c.channels), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) image(i * c.channels);
    });
  else
    parallel_for(c.planes(), cpu::grain_of(c.size), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) plane(i * c.size, i % c.channels);
    });
}

}  // namespace

void CpuBackend::channel_moments(const Tensor& x, Tensor& mean, Tensor& variance) {
  dispatch_floating("channel_moments", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Channels c(x.shape());
    const T* from = cpu::read<T>(x);
    const double count = static_cast<double>(c.batch * c.size);
    // Taken off first, one element of each channel keeps the sum of squares from cancelling where |mean| is large.
    const auto shift = [&](int64_t channel) { return static_cast<double>(from[channel * c.size]); };
    sum_channels(
        c, from, from,
        [&](T value, T, int64_t channel) {
          const double d = static_cast<double>(value) - shift(channel);
          return Pair{d, d * d};
        },
        [&](int64_t channel, Pair sums) {
          const double m = sums.first / count;
          cpu::write<T>(mean)[channel] = static_cast<T>(shift(channel) + m);
          cpu::write<T>(variance)[channel] = static_cast<T>(std::max(0.0, sums.second / count - m * m));
        });
  });
}

void CpuBackend::channel_sums(const Tensor& x, const Tensor& y, Tensor& sum_x, Tensor& sum_xy) {
  dispatch_floating("channel_sums", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    sum_channels(
        Channels(x.shape()), cpu::read<T>(x), cpu::read<T>(y),
        [](T a, T b, int64_t) { return Pair{static_cast<double>(a), static_cast<double>(a) * static_cast<double>(b)}; },
        [&](int64_t channel, Pair sums) {
          cpu::write<T>(sum_x)[channel] = static_cast<T>(sums.first);
          cpu::write<T>(sum_xy)[channel] = static_cast<T>(sums.second);
        });
  });
}

void CpuBackend::channel_affine(const Tensor& x, const Tensor& a, const Tensor& b, Tensor& out) {
  dispatch_floating("channel_affine", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Channels c(x.shape());
    const T *from = cpu::read<T>(x), *scale = cpu::read<T>(a), *shift = cpu::read<T>(b);
    T* to = cpu::write<T>(out);
    walk_planes(
        c,
        [&](int64_t offset, int64_t channel) {
          const T s = scale[channel], t = shift[channel];
          for (int64_t i = offset; i < offset + c.size; ++i) to[i] = s * from[i] + t;
        },
        [&](int64_t offset) {
          for (int64_t i = 0; i < c.channels; ++i) to[offset + i] = scale[i] * from[offset + i] + shift[i];
        });
  });
}

void CpuBackend::channel_combine(const Tensor& x, const Tensor& y, const Tensor& a, const Tensor& b, const Tensor& c,
                                 Tensor& out) {
  dispatch_floating("channel_combine", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Channels shape(x.shape());
    const T *from_x = cpu::read<T>(x), *from_y = cpu::read<T>(y);
    const T *scale_x = cpu::read<T>(a), *scale_y = cpu::read<T>(b), *shift = cpu::read<T>(c);
    T* to = cpu::write<T>(out);
    walk_planes(
        shape,
        [&](int64_t offset, int64_t channel) {
          const T p = scale_x[channel], q = scale_y[channel], r = shift[channel];
          for (int64_t i = offset; i < offset + shape.size; ++i) to[i] = p * from_x[i] + q * from_y[i] + r;
        },
        [&](int64_t offset) {
          for (int64_t i = 0; i < shape.channels; ++i)
            to[offset + i] = scale_x[i] * from_x[offset + i] + scale_y[i] * from_y[offset + i] + shift[i];
        });
  });
}

}  // namespace minima::core
