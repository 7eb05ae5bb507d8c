// Convolution by im2col and gemm, in strips of a few output rows that stay in the cache.
// An output position sees one patch of the image, as many numbers as one filter has, in the same order (row, column,
// channel). With the patches of a strip as a matrix [positions, patch] and the weight as [out, patch],
//   conv2d            y       = patches(x) weight^T + bias
//   conv2d_transpose  x       = patches^-T(y weight)      (col2im: each patch is added back to where it came from)
//   conv2d_correlate  weight  = sum over strips of y^T patches(x)
// Within a patch, the numbers of one kernel row lie side by side in the image too: they are copied as one run.
#include <cstring>

#include "core/cpu/cpu_backend.h"
#include "core/gemm.h"

namespace minima::core {
namespace {
constexpr int64_t strip_groups = 16;  // partial sums of a weight gradient: a function of the shape, not of the threads
// The patches of a strip should fit in the cache beside the weights, but be many enough to pay for the packing of the
// weights that each product begins with.
constexpr int64_t strip_elements = 65536, least_positions = 128;

struct Convolution {
  int64_t batch, height, width, in, out_h, out_w, out;
  core::Window window;

  Convolution(const core::Window& w, const Shape& x, const Shape& y)
      : batch(x[0]), height(x[1]), width(x[2]), in(x[3]), out_h(y[1]), out_w(y[2]), out(y[3]), window(w) {}

  int64_t run() const { return window.kernel_w * in; }  ///< one kernel row of a patch
  int64_t patch() const { return window.kernel_h * run(); }
  int64_t image() const { return height * width * in; }
  /// Output rows of all images, one image after the other.
  int64_t rows() const { return batch * out_h; }
  bool is_empty() const { return rows() * out_w == 0; }
  /// The image is its own matrix of patches.
  bool is_pointwise() const {
    return window.kernel_h == 1 && window.kernel_w == 1 && window.stride == 1 && window.padding == 0;
  }
  /// How many output rows a strip has; a function of the shape alone.
  int64_t strip_rows() const {
    const int64_t positions = std::max(strip_elements / std::max<int64_t>(1, patch()), least_positions);
    return std::clamp<int64_t>(positions / std::max<int64_t>(1, out_w), 1, std::max<int64_t>(1, rows()));
  }
  int64_t strips() const { return (rows() + strip_rows() - 1) / strip_rows(); }
  /// What an output row costs, in the elements of cpu::grain.
  int64_t row_cost() const { return out_w * out * patch() / 16; }
};

/// Room for the patches of one strip on each thread.
template <class T>
class Patches {
 public:
  explicit Patches(const Convolution& c)
      : size_((c.patch() * c.strip_rows() * c.out_w + 15) / 16 * 16),
        memory_(c.is_pointwise() ? Tensor() : Tensor::empty({num_threads() * size_}, dtype_of<T>)) {}
  T* get() { return cpu::write<T>(memory_) + thread_index() * size_; }

 private:
  int64_t size_;
  Tensor memory_;
};

/// Walks the patches of output rows [begin, end), a matrix with one patch a row, kernel row by kernel row. Calls
/// pair(at, from, n) for n elements of the matrix that are those of x at `from`, and pad(at, n) for n elements that lie
/// over the padding.
template <class P, class Z>
void walk_patches(const Convolution& c, int64_t begin, int64_t end, P pair, Z pad) {
  const int64_t stride = c.window.stride, padding = c.window.padding, kernel_h = c.window.kernel_h;
  const int64_t in = c.in, out_w = c.out_w, run = c.run(), line = c.width * in;
  int64_t at = 0;
  for (int64_t row = begin; row < end; ++row) {
    const int64_t top = row % c.out_h * stride - padding;
    const int64_t above = std::clamp<int64_t>(-top, 0, kernel_h);  // kernel rows over the padding, and those inside
    const int64_t inside = std::clamp<int64_t>(c.height - top, above, kernel_h) - above;
    const int64_t first_line = row / c.out_h * c.image() + (top + above) * line;
    for (int64_t q = 0, left = -padding * in; q < out_w; ++q, left += stride * in) {
      const int64_t first = std::clamp<int64_t>(-left, 0, run), last = std::clamp<int64_t>(line - left, first, run);
      if (above > 0) pad(at, above * run);
      at += above * run;
      for (int64_t i = 0, from = first_line + left; i < inside; ++i, at += run, from += line) {
        if (first > 0) pad(at, first);
        pair(at + first, from + first, last - first);
        if (last < run) pad(at + last, run - last);
      }
      const int64_t below = kernel_h - above - inside;
      if (below > 0) pad(at, below * run);
      at += below * run;
    }
  }
}

/// `usual` is the length of a whole run where that is a constant: copies of a few elements are then a few instructions.
template <int64_t usual, class T>
void im2col(const Convolution& c, int64_t begin, int64_t end, const T* x, T* patches) {
  walk_patches(
      c, begin, end,
      [=](int64_t at, int64_t from, int64_t n) {
        if (n == usual)
          std::memcpy(patches + at, x + from, usual * sizeof(T));
        else
          for (int64_t k = 0; k < n; ++k) patches[at + k] = x[from + k];
      },
      [=](int64_t at, int64_t n) { std::fill(patches + at, patches + at + n, T(0)); });
}

template <class T>
void im2col(const Convolution& c, int64_t begin, int64_t end, const T* x, T* patches) {
  switch (c.run()) {  // kernels of 3 and 5 over gray and colour images
    case 3: return im2col<3>(c, begin, end, x, patches);
    case 5: return im2col<5>(c, begin, end, x, patches);
    case 9: return im2col<9>(c, begin, end, x, patches);
    case 15: return im2col<15>(c, begin, end, x, patches);
    default: return im2col<0>(c, begin, end, x, patches);
  }
}

template <class T>
void col2im(const Convolution& c, int64_t begin, int64_t end, const T* patches, T* x) {
  walk_patches(
      c, begin, end,
      [=](int64_t at, int64_t to, int64_t n) {
        for (int64_t k = 0; k < n; ++k) x[to + k] += patches[at + k];
      },
      [](int64_t, int64_t) {});
}

/// The patches of output rows [begin, end): the image itself where it can be.
template <class T>
const T* patches_of(const Convolution& c, int64_t begin, int64_t end, const T* x, Patches<T>& patches) {
  if (c.is_pointwise()) return x + begin * c.width * c.in;
  im2col(c, begin, end, x, patches.get());
  return patches.get();
}

template <class T>
void forward(const Convolution& c, const T* x, const T* weight, const T* bias, Activation activation, T* y) {
  Patches<T> patches(c);
  const int64_t rows = c.strip_rows();
  parallel_for(c.strips(), cpu::grain_of(rows * c.row_cost()), [&](int64_t first, int64_t last) {
    for (int64_t strip = first; strip < last; ++strip) {
      const int64_t begin = strip * rows, end = std::min(c.rows(), begin + rows), positions = (end - begin) * c.out_w;
      T* to = y + begin * c.out_w * c.out;
      if (bias)
        for (int64_t i = 0; i < positions; ++i) std::copy(bias, bias + c.out, to + i * c.out);
      gemm(false, true, positions, c.out, c.patch(), patches_of(c, begin, end, x, patches), c.patch(), weight,
           c.patch(), bias ? T(1) : T(0), to, c.out);
      if (activation == Activation::relu)
        for (int64_t i = 0; i < positions * c.out; ++i) to[i] = to[i] < 0 ? T(0) : to[i];
    }
  });
}

template <class T>
void transpose(const Convolution& c, const T* y, const T* weight, T* x) {
  Patches<T> patches(c);
  // Threads share images, not rows: patches of neighbouring rows are added to the same pixels.
  const int64_t strip = c.strip_rows(), images = std::max<int64_t>(1, strip / std::max<int64_t>(1, c.out_h));
  const int64_t chunk = std::max(images, cpu::grain_of(c.out_h * c.row_cost()));
  parallel_for(c.batch, chunk, [&](int64_t first, int64_t last) {
    if (!c.is_pointwise()) std::fill(x + first * c.image(), x + last * c.image(), T(0));
    for (int64_t begin = first * c.out_h; begin < last * c.out_h; begin += strip) {
      const int64_t end = std::min(last * c.out_h, begin + strip);
      T* to = c.is_pointwise() ? x + begin * c.width * c.in : patches.get();
      gemm(false, false, (end - begin) * c.out_w, c.patch(), c.out, y + begin * c.out_w * c.out, c.out, weight,
           c.patch(), T(0), to, c.patch());
      if (!c.is_pointwise()) col2im(c, begin, end, to, x);
    }
  });
}

template <class T>
void correlate(const Convolution& c, const T* x, const T* y, T* weight) {
  const int64_t size = c.out * c.patch(), rows = c.strip_rows();
  if (c.is_empty()) std::fill(weight, weight + size, T(0));
  if (c.is_empty() || size == 0) return;
  const int64_t strips = (c.strips() + strip_groups - 1) / strip_groups, groups = (c.strips() + strips - 1) / strips;
  // The first group sums into the result, the others beside it; then they are added in order.
  Tensor others = groups > 1 ? Tensor::empty({(groups - 1) * size}, dtype_of<T>) : Tensor();
  const auto sum_of = [&](int64_t group) { return group == 0 ? weight : cpu::write<T>(others) + (group - 1) * size; };
  Patches<T> patches(c);
  parallel_chunks(groups, [&](int64_t group) {
    for (int64_t strip = group * strips; strip < std::min(c.strips(), (group + 1) * strips); ++strip) {
      const int64_t begin = strip * rows, end = std::min(c.rows(), begin + rows);
      gemm(true, false, c.out, c.patch(), (end - begin) * c.out_w, y + begin * c.out_w * c.out, c.out,
           patches_of(c, begin, end, x, patches), c.patch(), strip == group * strips ? T(0) : T(1), sum_of(group),
           c.patch());
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

void CpuBackend::conv2d(const core::Window& window, const Tensor& x, const Tensor& weight, const Tensor& bias,
                        Activation activation, Tensor& y) {
  dispatch_floating("conv2d", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    forward(Convolution(window, x.shape(), y.shape()), cpu::read<T>(x), cpu::read<T>(weight),
            bias.defined() ? cpu::read<T>(bias) : nullptr, activation, cpu::write<T>(y));
  });
}

void CpuBackend::conv2d_transpose(const core::Window& window, const Tensor& y, const Tensor& weight, Tensor& x) {
  dispatch_floating("conv2d_transpose", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    transpose(Convolution(window, x.shape(), y.shape()), cpu::read<T>(y), cpu::read<T>(weight), cpu::write<T>(x));
  });
}

void CpuBackend::conv2d_correlate(const core::Window& window, const Tensor& x, const Tensor& y, Tensor& weight) {
  dispatch_floating("conv2d_correlate", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    correlate(Convolution(window, x.shape(), y.shape()), cpu::read<T>(x), cpu::read<T>(y), cpu::write<T>(weight));
  });
}

}  // namespace minima::core
