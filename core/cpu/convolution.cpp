// Convolution by im2col and gemm, image by image, in parallel over the images.
// The patches of one image form a matrix, columns [in * kernel_h * kernel_w, out_h * out_w]; then
//   conv2d            y       = weight columns(x)
//   conv2d_transpose  x       = columns^-T(weight^T y)        (col2im: patches are added back to where they came from)
//   conv2d_correlate  weight  = sum over images of y columns(x)^T
#include "core/cpu/cpu_backend.h"
#include "core/cpu/window.h"
#include "core/gemm.h"

namespace minima {
namespace {

constexpr int64_t image_groups = 16;  // partial sums of a weight gradient: a function of the batch, not of the threads

struct Convolution {
  int64_t batch, in, height, width, out, out_h, out_w;
  Window window;

  Convolution(const Window& w, const Shape& x, const Shape& y)
      : batch(x[0]), in(x[1]), height(x[2]), width(x[3]), out(y[1]), out_h(y[2]), out_w(y[3]), window(w) {}

  int64_t patch() const { return in * window.kernel_h * window.kernel_w; }
  int64_t x_size() const { return in * height * width; }
  int64_t y_size() const { return out * out_h * out_w; }
  int64_t positions() const { return out_h * out_w; }
  /// The image is its own matrix of patches.
  bool is_pointwise() const {
    return window.kernel_h == 1 && window.kernel_w == 1 && window.stride == 1 && window.padding == 0;
  }
  cpu::WindowAxis columns() const { return {width, out_w, window.stride, window.padding}; }
};

/// Room for the patches of one image on each thread.
template <class T>
class Columns {
 public:
  explicit Columns(const Convolution& c)
      : size_((c.patch() * c.positions() + 15) / 16 * 16),
        memory_(c.is_pointwise() ? Tensor() : Tensor::empty({num_threads() * size_}, dtype_of<T>)) {}
  T* get() { return reinterpret_cast<T*>(memory_.raw()) + thread_index() * size_; }

 private:
  int64_t size_;
  Tensor memory_;
};

/// Calls line(x_row, column_row, j) for every kernel position and output row of one image; x_row is null where the
/// kernel's row lies in the padding.
template <class T, class U, class F>
void walk_patches(const Convolution& c, T* x, U* columns, F&& line) {
  for (int64_t channel = 0; channel < c.in; ++channel, x += c.height * c.width)
    for (int64_t i = 0; i < c.window.kernel_h; ++i)
      for (int64_t j = 0; j < c.window.kernel_w; ++j)
        for (int64_t p = 0; p < c.out_h; ++p, columns += c.out_w) {
          const int64_t row = p * c.window.stride - c.window.padding + i;
          line(row >= 0 && row < c.height ? x + row * c.width : nullptr, columns, j);
        }
}

template <class T>
void im2col(const Convolution& c, const T* x, T* columns) {
  const cpu::WindowAxis axis = c.columns();
  walk_patches(c, x, columns, [&](const T* row, T* to, int64_t j) {
    if (!row) {
      std::fill(to, to + c.out_w, T(0));
      return;
    }
    const int64_t first = axis.first(j), last = axis.last(j), shift = j - axis.padding;
    std::fill(to, to + first, T(0));
    if (axis.stride == 1)
      for (int64_t q = first; q < last; ++q) to[q] = row[q + shift];
    else
      for (int64_t q = first; q < last; ++q) to[q] = row[q * axis.stride + shift];
    std::fill(to + last, to + c.out_w, T(0));
  });
}

template <class T>
void col2im(const Convolution& c, const T* columns, T* x) {
  const cpu::WindowAxis axis = c.columns();
  std::fill(x, x + c.x_size(), T(0));
  walk_patches(c, x, columns, [&](T* row, const T* from, int64_t j) {
    if (!row) return;
    const int64_t first = axis.first(j), last = axis.last(j), shift = j - axis.padding;
    if (axis.stride == 1)
      for (int64_t q = first; q < last; ++q) row[q + shift] += from[q];
    else
      for (int64_t q = first; q < last; ++q) row[q * axis.stride + shift] += from[q];
  });
}

/// The patches of an image: the image itself where it can be.
template <class T>
const T* patches(const Convolution& c, const T* x, Columns<T>& columns) {
  if (c.is_pointwise()) return x;
  im2col(c, x, columns.get());
  return columns.get();
}

template <class T>
void forward(const Convolution& c, const T* x, const T* weight, T* y) {
  Columns<T> columns(c);
  parallel_for(c.batch, cpu::grain_of(c.y_size() * c.patch() / 16), [&](int64_t begin, int64_t end) {
    for (int64_t image = begin; image < end; ++image)
      gemm(false, false, c.out, c.positions(), c.patch(), weight, c.patch(),
           patches(c, x + image * c.x_size(), columns), c.positions(), T(0), y + image * c.y_size(), c.positions());
  });
}

template <class T>
void transpose(const Convolution& c, const T* y, const T* weight, T* x) {
  Columns<T> columns(c);
  parallel_for(c.batch, cpu::grain_of(c.y_size() * c.patch() / 16), [&](int64_t begin, int64_t end) {
    for (int64_t image = begin; image < end; ++image) {
      T* to = x + image * c.x_size();
      T* patches = c.is_pointwise() ? to : columns.get();
      gemm(true, false, c.patch(), c.positions(), c.out, weight, c.patch(), y + image * c.y_size(), c.positions(), T(0),
           patches, c.positions());
      if (!c.is_pointwise()) col2im(c, patches, to);
    }
  });
}

template <class T>
void correlate(const Convolution& c, const T* x, const T* y, T* weight) {
  const int64_t size = c.out * c.patch(), images = (c.batch + image_groups - 1) / image_groups;
  const int64_t groups = c.batch == 0 ? 0 : (c.batch + images - 1) / images;
  if (size == 0) return;
  if (groups == 0) std::fill(weight, weight + size, T(0));
  // The first group sums into the result, the others beside it; then they are added in order.
  Tensor others = groups > 1 ? Tensor::empty({(groups - 1) * size}, dtype_of<T>) : Tensor();
  const auto sum_of = [&](int64_t group) {
    return group == 0 ? weight : reinterpret_cast<T*>(others.raw()) + (group - 1) * size;
  };
  Columns<T> columns(c);
  parallel_chunks(groups, [&](int64_t group) {
    for (int64_t image = group * images; image < std::min(c.batch, (group + 1) * images); ++image)
      gemm(false, true, c.out, c.patch(), c.positions(), y + image * c.y_size(), c.positions(),
           patches(c, x + image * c.x_size(), columns), c.positions(), image == group * images ? T(0) : T(1),
           sum_of(group), c.patch());
  });
  parallel_for(size, cpu::grain, [&](int64_t begin, int64_t end) {
    for (int64_t group = 1; group < groups; ++group) {
      const T* from = sum_of(group);
      for (int64_t i = begin; i < end; ++i) weight[i] += from[i];
    }
  });
}

}  // namespace

void CpuBackend::conv2d(const Window& window, const Tensor& x, const Tensor& weight, Tensor& y) {
  dispatch_floating("conv2d", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    forward(Convolution(window, x.shape(), y.shape()), cpu::read<T>(x), cpu::read<T>(weight), cpu::write<T>(y));
  });
}

void CpuBackend::conv2d_transpose(const Window& window, const Tensor& y, const Tensor& weight, Tensor& x) {
  dispatch_floating("conv2d_transpose", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    transpose(Convolution(window, x.shape(), y.shape()), cpu::read<T>(y), cpu::read<T>(weight), cpu::write<T>(x));
  });
}

void CpuBackend::conv2d_correlate(const Window& window, const Tensor& x, const Tensor& y, Tensor& weight) {
  dispatch_floating("conv2d_correlate", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    correlate(Convolution(window, x.shape(), y.shape()), cpu::read<T>(x), cpu::read<T>(y), cpu::write<T>(weight));
  });
}

}  // namespace minima
