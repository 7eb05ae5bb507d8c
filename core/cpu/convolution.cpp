// SPDX-License-Identifier: MIT
// The three directions of convolution: which algorithm runs, and how forward and data gradient become passes.
// The data gradient of a convolution is a convolution again. With stride s, pixel x[i] takes part in y[q - m] through
// the kernel row k = r + s m, where i + padding = s q + r: for each remainder r, the pixels i = s q + r - padding are a
// dense convolution of y with every s-th row of the kernel, in reverse. So there are s * s passes, one for stride 1.
#include "core/cpu/convolution.h"
#include "core/cpu/transpose.h"
#include "core/ops.h"

namespace minima::core {
namespace cpu {
namespace {
/// Packed weights [depth][lanes], block after block; fill(block, d0, d1, to) writes to[d, l] of a block for d = d0 ..
/// d1.
template <class F>
Packed pack(int64_t channels, int64_t depth, F&& fill) {
  constexpr int64_t piece = 256;
  const int64_t pieces = (depth + piece - 1) / piece;
  Packed packed = Tensor::empty({padded_channels(channels) * depth});
  parallel_for(block_count(channels) * pieces, grain_of(piece * block_at(channels, 0).lanes),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   const ChannelBlock block = nth_block(channels, i / pieces);
                   const int64_t first = i % pieces * piece, last = std::min(depth, first + piece);
                   fill(block, first, last, write<float>(packed) + block.first * depth);
                 }
               });
  return packed;
}

/// Forward: weight [out, depth].
Packed pack_forward(const Convolution& c, const float* weight) {
  const int64_t depth = c.patch();
  return pack(c.out, depth, [&](const ChannelBlock& block, int64_t first, int64_t last, float* to) {
    const int64_t lanes = block.lanes;
    transpose(weight + block.first * depth + first, depth, block.valid, last - first, to + first * lanes, lanes);
    for (int64_t d = first; block.valid < lanes && d < last; ++d)
      std::fill_n(to + d * lanes + block.valid, lanes - block.valid, 0.f);
  });
}

/// One axis of a data gradient's pass: the pixels i = stride * (q0 + t) + remainder - padding, t = 0 .. count.
struct Phase {
  int64_t remainder, taps, first_q, count, first_pixel;

  Phase(int64_t r, int64_t stride, int64_t padding, int64_t kernel, int64_t extent)
      : remainder(r),
        taps(r < kernel ? (kernel - r + stride - 1) / stride : 0),
        first_q(padding > r ? (padding - r + stride - 1) / stride : 0),
        count(0),
        first_pixel(stride * first_q + r - padding) {
    if (first_pixel < extent) count = (extent - 1 - first_pixel) / stride + 1;
  }
  /// Output row t reads rows t + a - offset of y.
  int64_t offset() const { return taps - 1 - first_q; }
};

/// Data gradient: the taps of two phases, in reverse; its channels are the convolution's inputs, its depth the taps
/// times the convolution's outputs.
Packed pack_transpose(const Convolution& c, const Phase& rows, const Phase& columns, const float* weight) {
  const int64_t stride = c.window.stride, taps = rows.taps * columns.taps;
  return pack(c.in, taps * c.out, [&](const ChannelBlock& block, int64_t first, int64_t last, float* to) {
    for (int64_t d = first; d < last; ++d) {
      const int64_t tap = d / c.out, o = d % c.out;
      const int64_t a = rows.remainder + stride * (rows.taps - 1 - tap / columns.taps);
      const int64_t b = columns.remainder + stride * (columns.taps - 1 - tap % columns.taps);
      float* row = to + d * block.lanes;
      std::copy_n(weight + o * c.patch() + (a * c.window.kernel_w + b) * c.in + block.first, block.valid, row);
      std::fill_n(row + block.valid, block.lanes - block.valid, 0.f);
    }
  });
}

/// Whether the outputs lie in rows so short, or are so few beside the weights, that the direct kernels, whose tiles are
/// neighbours in a row, mostly load weights. im2col, whose product takes all positions alike, is then two to ten times
/// faster.
bool has_few_outputs(const Convolution& c) {
  constexpr int64_t short_row = 4, channels_of_a_position = 4;
  return c.out_w < short_row || channels_of_a_position * c.rows() * c.out_w <= c.out;
}

/// Whether the direct data gradient would be nine passes or more, with few pixels each, or would fill a small part of
/// its vectors. Not where the patches of one row of outputs would need too much memory.
bool has_slow_gradient(const Convolution& c) {
  constexpr int64_t most_elements = 1 << 20, narrowest_vector = 8;
  const bool few_inputs = c.in < narrowest_vector && 8 * c.in <= c.out;
  return (c.window.stride > 2 || few_inputs) && c.out_w * c.patch() <= most_elements;
}

/// Winograd's kernels for a convolution with these outputs, or null where direct is faster or the only one. Measured: a
/// multiplication of Winograd's costs 1.5 times one of the direct kernels, transforms included, from about 8 and 16
/// channels on, and the transform of the weights, which writes up to four times what it reads, as much as 16 tiles.
const WinogradKernels* winograd_for(const core::Window& window, int64_t batch, int64_t rows, int64_t columns,
                                    int64_t in, int64_t out) {
  if (window.kernel_h != 3 || window.kernel_w != 3 || window.stride != 1) return nullptr;
  const auto tiles = [&](int64_t m) { return batch * ((rows + m - 1) / m) * ((columns + m - 1) / m); };
  const int64_t by_4 = 36 * (tiles(4) + 16), by_2 = 16 * (tiles(2) + 16), direct = 6 * batch * rows * columns;
  const WinogradKernels* faster = by_4 < by_2 ? &kernels().winograd4 : &kernels().winograd2;
  if (conv_algorithm() == ConvAlgorithm::winograd) return faster;
  const bool few_channels = std::min(in, out) < 8 || in + out < 24;
  if (conv_algorithm() == ConvAlgorithm::direct || few_channels || direct < std::min(by_4, by_2)) return nullptr;
  return faster;
}

void run_pass(const Pass& p, const float* x, const Packed& packed, const float* bias, bool relu, float* y) {
  if (p.batch * p.rows * p.columns * p.out == 0) return;
  const WinogradKernels* winograd =
      winograd_for({p.kernel_h, p.kernel_w, p.stride}, p.batch, p.rows, p.columns, p.in, p.out);
  if (!winograd || !winograd_pass(*winograd, p, x, read<float>(packed), bias, relu, y))
    direct_pass(p, x, read<float>(packed), bias, relu, y);
}

void forward(const Convolution& c, const float* x, const float* weight, const float* bias, bool relu, float* y) {
  const bool automatic = conv_algorithm() == ConvAlgorithm::automatic;
  if (automatic && has_few_outputs(c) && !winograd_for(c.window, c.batch, c.out_h, c.out_w, c.in, c.out))
    return im2col_forward(c, x, weight, bias, relu, y);
  const Pass pass{c.batch,
                  c.height,
                  c.width,
                  c.in,
                  c.out_h,
                  c.out_w,
                  c.out,
                  c.window.kernel_h,
                  c.window.kernel_w,
                  c.window.stride,
                  c.window.padding,
                  c.window.padding,
                  c.out_h * c.out_w * c.out,
                  c.out_w * c.out,
                  c.out};
  run_pass(pass, x, pack_forward(c, weight), bias, relu, y);
}

void transpose(const Convolution& c, const float* y, const float* weight, float* x) {
  const int64_t stride = c.window.stride, padding = c.window.padding;
  const bool automatic = conv_algorithm() == ConvAlgorithm::automatic;
  if (automatic && (has_few_outputs(c) || has_slow_gradient(c)) &&
      !winograd_for(c.window, c.batch, c.height, c.width, c.out, c.in))
    return im2col_transpose(c, y, weight, x);
  for (int64_t r = 0; r < stride; ++r)
    for (int64_t s = 0; s < stride; ++s) {
      const Phase rows(r, stride, padding, c.window.kernel_h, c.height);
      const Phase columns(s, stride, padding, c.window.kernel_w, c.width);
      const Pass pass{
          c.batch,      c.out_h,      c.out_w, c.out,         rows.count,       columns.count, c.in,
          rows.taps,    columns.taps, 1,       rows.offset(), columns.offset(), c.image(),     stride * c.width * c.in,
          stride * c.in};
      run_pass(pass, y, pack_transpose(c, rows, columns, weight), nullptr, false,
               x + (rows.first_pixel * c.width + columns.first_pixel) * c.in);
    }
}

void correlate(const Convolution& c, const float* x, const float* y, float* weight) {
  if (c.is_empty()) {
    std::fill_n(weight, c.out * c.patch(), 0.f);
    return;
  }
  const WinogradKernels* winograd = winograd_for(c.window, c.batch, c.out_h, c.out_w, c.in, c.out);
  if (conv_algorithm() == ConvAlgorithm::automatic && !winograd && has_few_outputs(c))
    return im2col_correlate(c, x, y, weight);
  if (!winograd || !winograd_correlate(*winograd, c, x, y, weight)) direct_correlate(c, x, y, weight);
}
}  // namespace
}  // namespace cpu

void CpuBackend::conv2d(const core::Window& window, const Tensor& x, const Tensor& weight, const Tensor& bias,
                        Activation activation, Tensor& y) {
  const bool relu = activation == Activation::relu;
  const cpu::Convolution c(window, x.shape(), y.shape());
  dispatch_floating("conv2d", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* offset = bias.defined() ? cpu::read<T>(bias) : nullptr;
    if constexpr (std::is_same_v<T, float>)
      cpu::forward(c, cpu::read<T>(x), cpu::read<T>(weight), offset, relu, cpu::write<T>(y));
    else
      cpu::im2col_forward(c, cpu::read<T>(x), cpu::read<T>(weight), offset, relu, cpu::write<T>(y));
  });
}

void CpuBackend::conv2d_transpose(const core::Window& window, const Tensor& y, const Tensor& weight, Tensor& x) {
  const cpu::Convolution c(window, x.shape(), y.shape());
  dispatch_floating("conv2d_transpose", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_same_v<T, float>)
      cpu::transpose(c, cpu::read<T>(y), cpu::read<T>(weight), cpu::write<T>(x));
    else
      cpu::im2col_transpose(c, cpu::read<T>(y), cpu::read<T>(weight), cpu::write<T>(x));
  });
}

void CpuBackend::conv2d_correlate(const core::Window& window, const Tensor& x, const Tensor& y, Tensor& weight) {
  const cpu::Convolution c(window, x.shape(), y.shape());
  dispatch_floating("conv2d_correlate", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_same_v<T, float>)
      cpu::correlate(c, cpu::read<T>(x), cpu::read<T>(y), cpu::write<T>(weight));
    else
      cpu::im2col_correlate(c, cpu::read<T>(x), cpu::read<T>(y), cpu::write<T>(weight));
  });
}

}  // namespace minima::core
