// SPDX-License-Identifier: MIT
// What the parts of convolution on the CPU share. convolution.cpp chooses between
//   im2col (convolution_im2col.cpp)  float64, float32 with few outputs, and the plain reference for float32
//   direct.cpp                       float32, every shape
//   winograd.cpp                     float32, 3 x 3 kernels of stride 1
// Forward convolution and the data gradient are the same work in another order: both are passes over images, described
// by Pass. Weights are packed for a pass once a call.
// Not here: the innermost loops (microkernels.h).
#pragma once

#include "core/cpu/cpu_backend.h"
#include "core/cpu/microkernels.h"

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::core::cpu {

/// y [batch, out_h, out_w, out] = x [batch, height, width, in] * weight [out, kernel_h, kernel_w, in]
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
};

// ---- convolution_im2col.cpp: T is float or double; bias may be null

template <class T>
void im2col_forward(const Convolution& c, const T* x, const T* weight, const T* bias, bool relu, T* y);
template <class T>
void im2col_transpose(const Convolution& c, const T* y, const T* weight, T* x);
template <class T>
void im2col_correlate(const Convolution& c, const T* x, const T* y, T* weight);

// ---- blocks of output channels

/// Channels first .. first + lanes, of which `valid` exist.
struct ChannelBlock {
  int64_t first, lanes, valid;
  const BlockKernels* kernels;
};

/// The block that begins at channel `first`: the widest that pays.
ChannelBlock block_at(int64_t channels, int64_t first);
/// How many blocks cover the channels, and block number `index` of them.
int64_t block_count(int64_t channels);
ChannelBlock nth_block(int64_t channels, int64_t index);
/// Where the last block ends: channels rounded up.
int64_t padded_channels(int64_t channels);
/// Calls f(block) for the blocks that cover the channels.
template <class F>
void for_each_block(int64_t channels, F&& f) {
  for (int64_t first = 0; first < channels;) {
    const ChannelBlock block = block_at(channels, first);
    f(block);
    first += block.lanes;
  }
}

/// Computes `count` rows of c in tiles of nearly equal height; job describes the first row.
void run_tiles(const ChannelBlock& block, bool by_row, int64_t count, int64_t a_row, Product job);

// ---- passes

/// out(n, i, j, :) = bias + sum over a, b, c of in(n, stride i + a - top, stride j + b - left, c) w(a, b, c, :),
/// what lies outside the images being 0; negative top and left crop. Output pixel (n, i, j) is written at
/// n * image_step + i * row_step + j * pixel_step.
struct Pass {
  int64_t batch, height, width, in;  ///< images that are read
  int64_t rows, columns, out;        ///< what is made of each
  int64_t kernel_h, kernel_w, stride, top, left;
  int64_t image_step, row_step, pixel_step;

  int64_t depth() const { return kernel_h * kernel_w * in; }
};

/// Packed weights: block after block of output channels, each [depth][lanes], the lanes beyond the last channel 0.
using Packed = Tensor;

void direct_pass(const Pass& p, const float* x, const float* packed, const float* bias, bool relu, float* y);
void direct_correlate(const Convolution& c, const float* x, const float* y, float* weight);

/// 3 x 3, stride 1, with tiles of m x m. False where a result is not finite: only direct_... tells which ones are not.
[[nodiscard]] bool winograd_pass(const WinogradKernels& kernels, const Pass& p, const float* x, const float* packed,
                                 const float* bias, bool relu, float* y);
[[nodiscard]] bool winograd_correlate(const WinogradKernels& kernels, const Convolution& c, const float* x,
                                      const float* y, float* weight);

/// weight [out, depth] = the sum of `count` packed weights.
void unpack_sum(const float* packed, int64_t count, int64_t out, int64_t depth, float* weight);

}  // namespace minima::core::cpu
#pragma GCC visibility pop
