// SPDX-License-Identifier: MIT
// Convolution as a matrix product whose matrices are never written: each tile of an operand is gathered from the images
// into shared memory (implicit gemm, product.cuh). A patch is what a window sees, kernel_h * kernel_w * in numbers.
//   conv2d            y [positions, out] = patches [positions, patch] * weight [out, patch]'
//   conv2d_transpose  x [pixels, in] = outputs that see a pixel [pixels, kernel * out] * weight [kernel * out, in],
//                     for each phase of a stride
//   conv2d_correlate  weight [out, patch] = y [positions, out]' * patches [positions, patch]
// A 1x1 convolution is a plain product, and cuBLAS's (gemm.cu).
#include <algorithm>
#include <type_traits>

#include "core/cuda/cuda_backend.h"
#include "core/cuda/product.cuh"

namespace minima::core {

using namespace cuda;

namespace {

/// The shapes of a convolution, as a kernel needs them.
struct Convolution {
  int batch, height, width, in, out_h, out_w, out;
  int kernel_h, kernel_w, stride, padding;
  Divider by_in, by_out, by_kernel_w, by_out_w, by_out_h;

  Convolution(const char* op, const core::Window& w, const Shape& x, const Shape& weight, const Shape& y)
      : batch(static_cast<int>(x[0])),
        height(static_cast<int>(x[1])),
        width(static_cast<int>(x[2])),
        in(static_cast<int>(x[3])),
        out_h(static_cast<int>(y[1])),
        out_w(static_cast<int>(y[2])),
        out(static_cast<int>(y[3])),
        kernel_h(static_cast<int>(w.kernel_h)),
        kernel_w(static_cast<int>(w.kernel_w)),
        stride(static_cast<int>(w.stride)),
        padding(static_cast<int>(w.padding)),
        by_in(in),
        by_out(out),
        by_kernel_w(kernel_w),
        by_out_w(out_w),
        by_out_h(out_h) {
    for (const Shape& shape : {x, weight, y}) require_indexable(op, shape.numel());
    if (height + 2 * padding > 32767 || width + 2 * padding > 32767)
      fail(op, text("images of ", height, "x", width, " on the GPU"), "at most 32767 pixels along an axis");
  }
  int patch() const { return kernel_h * kernel_w * in; }
  int positions() const { return batch * out_h * out_w; }
  int pixels() const { return batch * height * width; }
  bool is_pointwise() const { return kernel_h == 1 && kernel_w == 1 && stride == 1 && padding == 0; }
};

/// A place: the row and column, which may lie over the padding, of an image or of a channel, which is `of`. Row and
/// column share a register: the kernel has none to spare.
struct Place {
  int of = 0, row_and_column = 0;

  Place() = default;
  __device__ Place(int of, int row, int column)
      : of(of), row_and_column(static_cast<int>(static_cast<unsigned>(row) << 16) | (column & 0xffff)) {}
  __device__ int row() const { return row_and_column >> 16; }
  __device__ int column() const { return static_cast<int16_t>(row_and_column); }
};

__device__ inline Place locate(int index, const Divider& by_columns, const Divider& by_rows) {
  uint32_t column = static_cast<uint32_t>(index), row = by_columns.split(column);
  const uint32_t image = by_rows.split(row);
  return {static_cast<int>(image), static_cast<int>(row), static_cast<int>(column)};
}

/// An element of a patch: a channel, and the offsets from the patch's corner.
__device__ inline Place locate_in_patch(int index, const Divider& by_channels, const Divider& by_kernel_w) {
  uint32_t channel = static_cast<uint32_t>(index), column = by_channels.split(channel);
  const uint32_t row = by_kernel_w.split(column);
  return {static_cast<int>(channel), static_cast<int>(row), static_cast<int>(column)};
}

/// The patches of the images: position x place in a patch.
template <class T, int run_, bool along_k_>
struct Patches {
  using Index = Place;
  static constexpr int run = run_;
  static constexpr bool along_k = along_k_;
  Convolution c;
  const T* x;

  __device__ Place corner(int position) const {
    const Place at = locate(position, c.by_out_w, c.by_out_h);
    return {at.of, at.row() * c.stride - c.padding, at.column() * c.stride - c.padding};
  }
  __device__ Place in_patch(int index) const { return locate_in_patch(index, c.by_in, c.by_kernel_w); }
  __device__ Place place(int across) const { return along_k ? corner(across) : in_patch(across); }
  __device__ Place step(int k) const { return along_k ? in_patch(k) : corner(k); }
  __device__ Run<T, run> read(const Place& place, const Place& step) const {
    const Place &corner = along_k ? place : step, &offset = along_k ? step : place;
    const int row = corner.row() + offset.row(), column = corner.column() + offset.column();
    if (static_cast<unsigned>(row) >= static_cast<unsigned>(c.height) ||
        static_cast<unsigned>(column) >= static_cast<unsigned>(c.width))
      return {};
    return run_at<T, run>(x + (((corner.of * c.height + row) * c.width + column) * c.in + offset.of));
  }
};

/// At a stride of s, outputs see a pixel at every s-th row and column of their kernel only. With a stride of 2, a
/// padding of 1 and a kernel of 3, along one axis, even pixels are seen at 1, odd ones at 0 and 2. So pixels are cut
/// into phases, s along each axis, which are seen at the same rows and columns. At a stride of 1 there is one, with all
/// pixels.
struct Phase {
  int stride, first_row, first_column;    // the first pixel of the phase
  int kernel_row, kernel_column;          // where in its kernel the output below sees it: the first row and column
  int out_row, out_column;                // that output
  int rows, columns, kernel_h, kernel_w;  // how many pixels, and rows and columns of the kernel
  Divider by_rows, by_columns, by_kernel_w;

  Phase(const Convolution& c, int row, int column)
      : stride(c.stride),
        first_row(row),
        first_column(column),
        kernel_row((row + c.padding) % stride),
        kernel_column((column + c.padding) % stride),
        out_row((row + c.padding) / stride),
        out_column((column + c.padding) / stride),
        rows(count(row, c.height)),
        columns(count(column, c.width)),
        kernel_h(count(kernel_row, c.kernel_h)),
        kernel_w(count(kernel_column, c.kernel_w)),
        by_rows(rows),
        by_columns(columns),
        by_kernel_w(kernel_w) {}
  /// begin, begin + stride, ... below end
  int count(int begin, int end) const { return begin < end ? cover(end - begin, stride) : 0; }
};

/// The outputs that see a pixel: pixel of a phase x (place in the kernel, output channel).
template <class T, int run_>
struct SeeingOutputs {
  using Index = Place;
  static constexpr int run = run_;
  static constexpr bool along_k = true;
  Convolution c;
  Phase phase;
  const T* y;

  __device__ Place place(int pixel) const {
    const Place at = locate(pixel, phase.by_columns, phase.by_rows);
    return {at.of, at.row() + phase.out_row, at.column() + phase.out_column};
  }
  __device__ Place step(int k) const { return locate_in_patch(k, c.by_out, phase.by_kernel_w); }
  __device__ Run<T, run> read(const Place& pixel, const Place& step) const {
    const int row = pixel.row() - step.row(), column = pixel.column() - step.column();
    if (static_cast<unsigned>(row) >= static_cast<unsigned>(c.out_h) ||
        static_cast<unsigned>(column) >= static_cast<unsigned>(c.out_w))
      return {};
    return run_at<T, run>(y + (((pixel.of * c.out_h + row) * c.out_w + column) * c.out + step.of));
  }
};

/// The weight by which they see it: (place in the kernel, output channel) x input channel.
template <class T, int run_>
struct PhaseWeight {
  using Index = int;
  static constexpr int run = run_;
  static constexpr bool along_k = false;
  Convolution c;
  Phase phase;
  const T* weight;

  __device__ int place(int channel) const { return channel; }
  __device__ int step(int k) const {
    const Place at = locate_in_patch(k, c.by_out, phase.by_kernel_w);
    const int row = phase.kernel_row + at.row() * phase.stride,
              column = phase.kernel_column + at.column() * phase.stride;
    return ((at.of * c.kernel_h + row) * c.kernel_w + column) * c.in;
  }
  __device__ Run<T, run> read(int channel, int row) const { return run_at<T, run>(weight + (row + channel)); }
};

/// The tile is chosen by the number of channels, which are the columns of the result, or its rows where it is `turned`:
/// about as wide, and the rest was measured on an H200, as was `parts_of`. Its numbers are rows and columns of a block,
/// rows and columns of a thread, steps at a time, and blocks on a processor.
template <bool turned, class T, class First, class Second>
void multiply_by_channels(const First& first, const Second& second, const Result<T>& result, int steps) {
  if (result.rows == 0 || result.columns == 0) return;
  const auto with = [&](auto tile) {
    using Chosen = std::conditional_t<turned, typename decltype(tile)::Turned, decltype(tile)>;
    multiply_tiles<Chosen>(first, second, result, steps);
  };
  const int channels = turned ? result.rows : result.columns;
  if constexpr (sizeof(T) == 8) {
    with(Tile<64, 64, 4, 4, 8, 2>());
  } else if constexpr (First::run == 1) {  // the first layer, or an odd number of channels: registers go into addresses
    if constexpr (!turned)
      if (channels <= 16) return with(Tile<128, 16, 4, 2, 16, 2>());
    with(Tile<64, 32, 4, 4, 8, 4>());
  } else if (channels <= 16) {
    with(Tile<256, 16, 8, 4, 8, 4>());
  } else if (channels <= 32) {
    with(Tile<128, 32, 8, 4, 16, 4>());
  } else if (channels < 128) {
    with(Tile<64, 64, 8, 4, 8, 4>());
  } else {
    with(Tile<128, 128, 8, 8, 8, 2>());
  }
}

/// An operand's memory, and the length of the lines in which it is read.
struct LinesIn {
  const Tensor& tensor;
  int length;
};

/// Calls f(n), with the number of elements that both operands can be read by at once: 16 bytes, or single ones where
/// memory is not aligned or lines are no multiple of that.
template <class T, class F>
void with_runs(const LinesIn& first, const LinesIn& second, const F& f) {
  constexpr int most = sizeof(T) == 4 ? 4 : 1;
  const auto is_whole = [&](const LinesIn& lines) {
    return lines.length % most == 0 && reinterpret_cast<uintptr_t>(lines.tensor.raw()) % 16 == 0;
  };
  if (is_whole(first) && is_whole(second))
    f(std::integral_constant<int, most>());
  else
    f(std::integral_constant<int, 1>());
}

Gemm pointwise(int64_t m, int64_t n, int64_t k, bool transpose_a, bool transpose_b) {
  return {m, n, k, transpose_a, transpose_b};
}

}  // namespace

void CudaBackend::conv2d(const core::Window& window, const Tensor& x, const Tensor& weight, const Tensor& bias,
                         Activation activation, Tensor& y) {
  const Convolution c("conv2d", window, x.shape(), weight.shape(), y.shape());
  if (c.is_pointwise()) return gemm(pointwise(c.positions(), c.out, c.in, false, true), x, weight, bias, activation, y);
  dispatch_floating("conv2d", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Result<T> result =
        result_in(y, c.positions(), c.out, bias.defined() ? read<T>(bias) : nullptr, activation == Activation::relu);
    with_runs<T>({x, c.in}, {weight, c.in}, [&](auto run) {
      multiply_by_channels<false>(Patches<T, run(), true>{c, read<T>(x)},
                                  Lines<T, run(), true>{read<T>(weight), c.patch()}, result, c.patch());
    });
  });
}

void CudaBackend::conv2d_transpose(const core::Window& window, const Tensor& y, const Tensor& weight, Tensor& x) {
  const Convolution c("conv2d_transpose", window, x.shape(), weight.shape(), y.shape());
  if (c.is_pointwise())
    return gemm(pointwise(c.pixels(), c.in, c.out, false, false), y, weight, Tensor(), Activation::none, x);
  dispatch_floating("conv2d_transpose", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    with_runs<T>({y, c.out}, {weight, c.in}, [&](auto run) {
      for (int row = 0; row < std::min(c.stride, c.height); ++row)
        for (int column = 0; column < std::min(c.stride, c.width); ++column) {
          const Phase phase(c, row, column);
          Result<T> result = result_in<T>(x, c.batch * phase.rows * phase.columns, c.in);
          result.line_of = {c.stride,           c.height,      c.width,         phase.first_row,
                            phase.first_column, phase.by_rows, phase.by_columns};
          multiply_by_channels<false>(SeeingOutputs<T, run()>{c, phase, read<T>(y)},
                                      PhaseWeight<T, run()>{c, phase, read<T>(weight)}, result,
                                      phase.kernel_h * phase.kernel_w * c.out);
        }
    });
  });
}

void CudaBackend::conv2d_correlate(const core::Window& window, const Tensor& x, const Tensor& y, Tensor& weight) {
  const Convolution c("conv2d_correlate", window, x.shape(), weight.shape(), y.shape());
  if (c.is_pointwise())
    return gemm(pointwise(c.out, c.in, c.positions(), true, false), y, x, Tensor(), Activation::none, weight);
  dispatch_floating("conv2d_correlate", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    with_runs<T>({y, c.out}, {x, c.in}, [&](auto run) {
      multiply_by_channels<true>(Lines<T, run(), false>{read<T>(y), c.out}, Patches<T, run(), false>{c, read<T>(x)},
                                 result_in<T>(weight, c.out, c.patch()), c.positions());
    });
  });
}

}  // namespace minima::core
