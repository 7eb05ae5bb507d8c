// Convolution by im2col and gemm, image by image, in parallel over the images.
// The patches of one image form a matrix, columns [in * kernel_h * kernel_w, out_h * out_w]; then
//   conv2d            y       = weight columns(x)
//   conv2d_transpose  x       = columns^-T(weight^T y)        (col2im: patches are added back to where they came from)
//   conv2d_correlate  weight  = sum over images of y columns(x)^T
// The matrix is never whole: it is made and used in strips of a few output rows that stay in the cache.
#include "core/cpu/cpu_backend.h"
#include "core/cpu/window.h"
#include "core/gemm.h"

namespace minima::core {
namespace {

constexpr int64_t image_groups = 16;  // partial sums of a weight gradient: a function of the batch, not of the threads
// A strip of the patches' matrix should fit in the cache beside the weights, but be wide enough to pay for the packing
// of the weights that each product begins with.
constexpr int64_t strip_elements = 65536, strip_positions_per_channel = 8;

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
  cpu::WindowAxis rows() const { return {height, out_h, window.stride, window.padding}; }
  cpu::WindowAxis columns() const { return {width, out_w, window.stride, window.padding}; }

  /// How many output rows a strip has; a function of the shape alone.
  int64_t strip_rows() const {
    if (is_pointwise() || positions() == 0) return std::max<int64_t>(1, out_h);
    const int64_t wanted = std::max(strip_elements / std::max<int64_t>(1, patch()), strip_positions_per_channel * out);
    const int64_t most = std::clamp<int64_t>(wanted / out_w, 1, out_h);
    const int64_t strips = (out_h + most - 1) / most;
    return (out_h + strips - 1) / strips;
  }
  int64_t strips() const { return (out_h + strip_rows() - 1) / strip_rows(); }
};

/// Output rows [begin, end) of one image.
struct Strip {
  int64_t begin, end, out_w;

  Strip(const Convolution& c, int64_t index)
      : begin(index * c.strip_rows()), end(std::min(c.out_h, begin + c.strip_rows())), out_w(c.out_w) {}
  int64_t first() const { return begin * out_w; }
  int64_t positions() const { return (end - begin) * out_w; }
};

/// Room for the patches of one strip on each thread.
template <class T>
class Columns {
 public:
  explicit Columns(const Convolution& c)
      : size_((c.patch() * c.strip_rows() * c.out_w + 15) / 16 * 16),
        memory_(c.is_pointwise() ? Tensor() : Tensor::empty({num_threads() * size_}, dtype_of<T>)) {}
  T* get() { return reinterpret_cast<T*>(memory_.raw()) + thread_index() * size_; }

 private:
  int64_t size_;
  Tensor memory_;
};

/// One channel's patches at kernel position (i, j) form a plane of a strip's rows; its rows [top, bottom) and columns
/// [left, right) lie over the image, the rest over the padding. Rows are counted from the top of the output.
struct Position {
  int64_t i, j, top, bottom, left, right;
};

/// Calls plane(channel of x, plane of columns, position) for every plane of one strip's patches.
template <class T, class U, class F>
void walk_patches(const Convolution& c, const Strip& strip, T* x, U* columns, F&& plane) {
  const cpu::WindowAxis rows = c.rows(), cols = c.columns();
  for (int64_t channel = 0; channel < c.in; ++channel, x += c.height * c.width)
    for (int64_t i = 0; i < c.window.kernel_h; ++i)
      for (int64_t j = 0; j < c.window.kernel_w; ++j, columns += strip.positions())
        plane(x, columns,
              Position{i, j, std::clamp(rows.first(i), strip.begin, strip.end),
                       std::clamp(rows.last(i), strip.begin, strip.end), cols.first(j), cols.last(j)});
}

template <class T>
void clear_padding(const Strip& strip, const Position& at, T* plane) {
  const int64_t width = strip.out_w, top = at.top - strip.begin, bottom = at.bottom - strip.begin;
  std::fill(plane, plane + top * width, T(0));
  std::fill(plane + bottom * width, plane + strip.positions(), T(0));
  for (T* row = plane + top * width; row < plane + bottom * width; row += width) {
    for (int64_t q = 0; q < at.left; ++q) row[q] = T(0);
    for (int64_t q = at.right; q < width; ++q) row[q] = T(0);
  }
}

/// Calls pair(elements of the image, elements of the plane, n, step) for runs of n elements that belong together,
/// `step` apart in the image. Where rows keep their length the plane is the image shifted: a single run, which also
/// pairs what lies in the plane's padding with neighbouring pixels.
template <class T, class U, class F>
void pair_runs(const Convolution& c, const Strip& strip, const Position& at, T* image, U* plane, F&& pair) {
  if (at.top == at.bottom || at.left == at.right) return;
  const int64_t stride = c.window.stride;
  image += c.rows().at(at.top, at.i) * c.width + c.columns().at(at.left, at.j);
  plane += (at.top - strip.begin) * c.out_w + at.left;
  const int64_t rows = at.bottom - at.top, n = at.right - at.left;
  if (stride == 1 && c.out_w == c.width)
    pair(image, plane, (rows - 1) * c.width + n, 1);
  else
    for (int64_t p = 0; p < rows; ++p) pair(image + p * stride * c.width, plane + p * c.out_w, n, stride);
}

template <class T>
void im2col(const Convolution& c, const Strip& strip, const T* x, T* columns) {
  walk_patches(c, strip, x, columns, [&](const T* image, T* plane, const Position& at) {
    pair_runs(c, strip, at, image, plane, [](const T* from, T* to, int64_t n, int64_t step) {
      if (step == 1)
        std::copy(from, from + n, to);
      else
        for (int64_t q = 0; q < n; ++q) to[q] = from[q * step];
    });
    clear_padding(strip, at, plane);
  });
}

/// Adds the patches of a strip back to where they came from; clears their padding on the way.
template <class T>
void col2im(const Convolution& c, const Strip& strip, T* columns, T* x) {
  walk_patches(c, strip, x, columns, [&](T* image, T* plane, const Position& at) {
    clear_padding(strip, at, plane);
    pair_runs(c, strip, at, image, plane, [](T* to, const T* from, int64_t n, int64_t step) {
      if (step == 1)
        for (int64_t q = 0; q < n; ++q) to[q] += from[q];
      else
        for (int64_t q = 0; q < n; ++q) to[q * step] += from[q];
    });
  });
}

/// The patches of a strip: the image itself where it can be.
template <class T>
const T* patches(const Convolution& c, const Strip& strip, const T* x, Columns<T>& columns) {
  if (c.is_pointwise()) return x;
  im2col(c, strip, x, columns.get());
  return columns.get();
}

template <class T>
void forward(const Convolution& c, const T* x, const T* weight, T* y) {
  if (c.y_size() == 0) return;
  Columns<T> columns(c);
  const int64_t strips = c.strips();
  parallel_for(c.batch * strips, cpu::grain_of(c.y_size() / strips * c.patch() / 16), [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      const int64_t image = k / strips;
      const Strip strip(c, k % strips);
      gemm(false, false, c.out, strip.positions(), c.patch(), weight, c.patch(),
           patches(c, strip, x + image * c.x_size(), columns), strip.positions(), T(0),
           y + image * c.y_size() + strip.first(), c.positions());
    }
  });
}

template <class T>
void transpose(const Convolution& c, const T* y, const T* weight, T* x) {
  Columns<T> columns(c);
  parallel_for(c.batch, cpu::grain_of(c.y_size() * c.patch() / 16), [&](int64_t begin, int64_t end) {
    for (int64_t image = begin; image < end; ++image) {
      T* to = x + image * c.x_size();
      if (!c.is_pointwise()) std::fill(to, to + c.x_size(), T(0));
      for (int64_t k = 0; k < c.strips(); ++k) {
        const Strip strip(c, k);
        T* patches = c.is_pointwise() ? to : columns.get();
        gemm(true, false, c.patch(), strip.positions(), c.out, weight, c.patch(),
             y + image * c.y_size() + strip.first(), c.positions(), T(0), patches, strip.positions());
        if (!c.is_pointwise()) col2im(c, strip, patches, to);
      }
    }
  });
}

template <class T>
void correlate(const Convolution& c, const T* x, const T* y, T* weight) {
  const int64_t size = c.out * c.patch(), images = (c.batch + image_groups - 1) / image_groups;
  const int64_t groups = c.batch == 0 ? 0 : (c.batch + images - 1) / images;
  if (size == 0) return;
  if (groups == 0 || c.positions() == 0) std::fill(weight, weight + size, T(0));
  if (c.positions() == 0) return;
  // The first group sums into the result, the others beside it; then they are added in order.
  Tensor others = groups > 1 ? Tensor::empty({(groups - 1) * size}, dtype_of<T>) : Tensor();
  const auto sum_of = [&](int64_t group) {
    return group == 0 ? weight : reinterpret_cast<T*>(others.raw()) + (group - 1) * size;
  };
  Columns<T> columns(c);
  parallel_chunks(groups, [&](int64_t group) {
    for (int64_t image = group * images; image < std::min(c.batch, (group + 1) * images); ++image)
      for (int64_t k = 0; k < c.strips(); ++k) {
        const Strip strip(c, k);
        gemm(false, true, c.out, c.patch(), strip.positions(), y + image * c.y_size() + strip.first(), c.positions(),
             patches(c, strip, x + image * c.x_size(), columns), strip.positions(),
             image == group * images && k == 0 ? T(0) : T(1), sum_of(group), c.patch());
      }
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

}  // namespace minima::core
