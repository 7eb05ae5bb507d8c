// SPDX-License-Identifier: MIT
// Convolution by im2col and a matrix product: the plain algorithm, for float64, for float32 where the outputs are too
// few for the fast ones (convolution.cpp), and as their reference. It works in strips of some output rows, one after
// the other, and the threads share each. An output position sees one patch of the image, as many numbers as one filter
// has, in the same order (row, column, channel). With the patches of a strip as a matrix [positions, patch] and the
// weight as [out, patch],
//   conv2d            y       = patches(x) weight^T + bias
//   conv2d_transpose  x       = patches^-T(y weight)      (col2im: each patch is added back to where it came from)
//   conv2d_correlate  weight  = sum over strips of y^T patches(x)
// Within a patch, the numbers of one kernel row lie side by side in the image too: they are copied as one run.
#include <cstring>

#include "core/cpu/convolution.h"

namespace minima::core::cpu {
namespace {
constexpr int64_t strip_elements = 1 << 20;  // of the patches of a strip

/// The image is its own matrix of patches.
bool is_pointwise(const Convolution& c) {
  return c.window.kernel_h == 1 && c.window.kernel_w == 1 && c.window.stride == 1 && c.window.padding == 0;
}

/// How many output rows a strip has; a function of the shape alone.
int64_t strip_rows(const Convolution& c) {
  const int64_t in_strip = strip_elements / std::max<int64_t>(1, c.out_w * c.patch());
  return std::clamp<int64_t>(in_strip, 1, std::max<int64_t>(1, c.rows()));
}

/// Room for the patches of one strip; none where the image is its own matrix.
template <class T>
Tensor room_for_patches(const Convolution& c) {
  return is_pointwise(c) ? Tensor() : Tensor::empty({strip_rows(c) * c.out_w * c.patch()}, dtype_of<T>);
}

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

/// The patches of output rows [begin, end): the image itself where it can be, else in `room`.
template <class T>
const T* patches_of(const Convolution& c, int64_t begin, int64_t end, const T* x, Tensor& room) {
  if (is_pointwise(c)) return x + begin * c.width * c.in;
  const int64_t size = c.out_w * c.patch();
  parallel_for(end - begin, grain_of(size), [&](int64_t first, int64_t last) {
    im2col(c, begin + first, begin + last, x, write<T>(room) + first * size);
  });
  return read<T>(room);
}

}  // namespace

template <class T>
void im2col_forward(const Convolution& c, const T* x, const T* weight, const T* bias, bool relu, T* y) {
  Tensor room = room_for_patches<T>(c);
  const int64_t rows = strip_rows(c);
  for (int64_t begin = 0; begin < c.rows(); begin += rows) {
    const int64_t end = std::min(c.rows(), begin + rows);
    multiply({.m = (end - begin) * c.out_w, .n = c.out, .k = c.patch(), .transpose_b = true},
             patches_of(c, begin, end, x, room), weight, bias, relu ? Activation::relu : Activation::none,
             y + begin * c.out_w * c.out);
  }
}

template <class T>
void im2col_transpose(const Convolution& c, const T* y, const T* weight, T* x) {
  Tensor room = room_for_patches<T>(c);
  const auto product = [&](int64_t begin, int64_t end, T* to) {
    multiply<T>({.m = (end - begin) * c.out_w, .n = c.patch(), .k = c.out}, y + begin * c.out_w * c.out, weight,
                nullptr, Activation::none, to);
  };
  if (is_pointwise(c)) return product(0, c.rows(), x);
  parallel_for(c.batch * c.image(), grain, [&](int64_t begin, int64_t end) { std::fill(x + begin, x + end, T(0)); });
  if (c.is_empty()) return;
  // Patches of neighbouring rows are added to the same pixels: a strip is whole images, which the threads share, or a
  // part of one.
  const int64_t fit = strip_rows(c), rows = fit < c.out_h ? fit : fit / c.out_h * c.out_h;
  for (int64_t begin = 0, end; begin < c.rows(); begin = end) {
    end = std::min({c.rows(), begin + rows, fit < c.out_h ? (begin / c.out_h + 1) * c.out_h : c.rows()});
    product(begin, end, write<T>(room));
    const int64_t rows_together = std::min(c.out_h, end - begin), size = c.out_w * c.patch();
    parallel_for((end - begin) / rows_together, grain_of(rows_together * size), [&](int64_t first, int64_t last) {
      first *= rows_together, last *= rows_together;
      col2im(c, begin + first, begin + last, read<T>(room) + first * size, x);
    });
  }
}

template <class T>
void im2col_correlate(const Convolution& c, const T* x, const T* y, T* weight) {
  if (c.is_empty()) std::fill(weight, weight + c.out * c.patch(), T(0));
  if (c.out * c.patch() == 0) return;
  Tensor room = room_for_patches<T>(c);
  const int64_t rows = strip_rows(c);
  for (int64_t begin = 0; begin < c.rows(); begin += rows) {
    const int64_t end = std::min(c.rows(), begin + rows);
    multiply<T>({c.out, c.patch(), (end - begin) * c.out_w, true, false, begin > 0}, y + begin * c.out_w * c.out,
                patches_of(c, begin, end, x, room), nullptr, Activation::none, weight);
  }
}

template void im2col_forward(const Convolution&, const float*, const float*, const float*, bool, float*);
template void im2col_forward(const Convolution&, const double*, const double*, const double*, bool, double*);
template void im2col_transpose(const Convolution&, const float*, const float*, float*);
template void im2col_transpose(const Convolution&, const double*, const double*, double*);
template void im2col_correlate(const Convolution&, const float*, const float*, float*);
template void im2col_correlate(const Convolution&, const double*, const double*, double*);

}  // namespace minima::core::cpu
