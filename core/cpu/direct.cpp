// SPDX-License-Identifier: MIT
// Direct convolution: no matrix of patches is ever made. The products of one output pixel with one kernel row are terms
// that lie side by side in the image, kernel_w * in of them, so that a tile of neighbouring pixels of one output row is
// a small matrix product (microkernels.h) over kernel_h segments.
//
// Forward and data gradient (direct_pass): chunks of work are strips of output rows of one image. The input rows of a
// strip are copied once, with zeros at both sides, to where they stay in the second-level cache; rows above and below
// the image are left out of the sum instead. Then for each block of output channels, whose weights stay in the cache,
// for each output row, for each tile: one call of a kernel.
//
// Weight gradient (direct_correlate): chunks are pairs of a group of image strips and a block of output channels. A
// tile is a few neighbouring elements of a kernel row by the block's channels; its terms are the pixels of an output
// row, its segments the rows of a strip. Groups are summed in order at the end.
#include <cstring>

#include "core/cpu/convolution.h"
#include "core/cpu/transpose.h"

namespace minima::core::cpu {
namespace {
constexpr int64_t strip_floats = 32768;   // input rows of a strip: 128 KB, beside the weights in the second-level cache
constexpr int64_t least_strip_rows = 4;   // else more would be copied twice than once
constexpr int64_t wanted_chunks = 32;     // for the threads to share
constexpr int64_t few_strips = 8;         // then the threads share the blocks of output channels as well
constexpr int64_t short_row = 28;         // pixels: less than two of the tiles with most rows
constexpr int64_t macs_per_element = 16;  // what a multiply-add costs, in the elements of cpu::grain

/// Lines [first, last) of an image with `columns` pixels from pixel -left on, as far as there are such lines.
struct Lines {
  int64_t height, width, in, left, columns;

  bool in_place() const { return left == 0 && columns <= width; }
  int64_t line() const { return (in_place() ? width : columns) * in; }
  int64_t room(int64_t lines) const { return in_place() ? 0 : lines * line(); }

  /// A pointer to where line 0 of the image would be, copied to `scratch` if it must be.
  const float* get(const float* image, int64_t first, int64_t last, float* scratch) const {
    if (in_place()) return image;
    first = std::max<int64_t>(0, first), last = std::min(height, last);
    const int64_t before = std::clamp<int64_t>(left, 0, columns), from = std::max<int64_t>(0, -left);
    const int64_t inside = std::clamp<int64_t>(width - from, 0, columns - before);
    for (int64_t i = first; i < last; ++i) {
      float* to = scratch + (i - first) * line();
      std::fill_n(to, before * in, 0.f);
      std::copy_n(image + (i * width + from) * in, inside * in, to + before * in);
      std::fill_n(to + (before + inside) * in, (columns - before - inside) * in, 0.f);
    }
    return scratch - first * line();
  }
};

int64_t strip_rows(int64_t rows_of_image, int64_t batch, int64_t stride, int64_t line) {
  const int64_t in_cache = strip_floats / std::max<int64_t>(1, stride * line);
  const int64_t to_share = std::max(least_strip_rows, batch * rows_of_image / wanted_chunks);
  return std::clamp<int64_t>(std::min(in_cache, to_share), 1, std::max<int64_t>(1, rows_of_image));
}
}  // namespace

ChannelBlock block_at(int64_t channels, int64_t first) {
  const auto& blocks = kernels().blocks;
  const int64_t rest = channels - first;
  int which = static_cast<int>(std::size(blocks)) - 1;
  while (rest < blocks[which].pays_from) --which;
  return {first, blocks[which].lanes, std::min(rest, blocks[which].lanes), &blocks[which]};
}

int64_t block_count(int64_t channels) {
  int64_t count = 0;
  for_each_block(channels, [&](const ChannelBlock&) { ++count; });
  return count;
}

ChannelBlock nth_block(int64_t channels, int64_t index) {
  ChannelBlock block = block_at(channels, 0);
  for (; index > 0; --index) block = block_at(channels, block.first + block.lanes);
  return block;
}

int64_t padded_channels(int64_t channels) {
  int64_t end = 0;
  while (end < channels) end += block_at(channels, end).lanes;
  return end;
}

void run_tiles(const ChannelBlock& block, bool by_row, int64_t count, int64_t a_row, Product job) {
  const int64_t most = block.kernels->rows, tiles = (count + most - 1) / most;
  const ProductKernel* kernels = by_row ? block.kernels->by_row : block.kernels->by_term;
  for (int64_t tile = 0, at = 0; tile < tiles; ++tile) {
    const int64_t rows = (count - at + tiles - tile - 1) / (tiles - tile);
    kernels[rows - 1](job);
    job.a += rows * a_row, job.c += rows * job.c_step, at += rows;
  }
}

/// A 1 x 1 kernel takes all pixels alike: short rows of one image become one.
static Pass with_long_rows(Pass p) {
  const bool pointwise = p.kernel_h == 1 && p.kernel_w == 1 && p.stride == 1 && p.top == 0 && p.left == 0;
  if (pointwise && p.rows == p.height && p.columns == p.width && p.row_step == p.columns * p.pixel_step &&
      p.columns < short_row) {
    p.columns = p.width = p.rows * p.columns;
    p.rows = p.height = 1;
  }
  return p;
}

void direct_pass(const Pass& pass, const float* x, const float* packed, const float* bias, bool relu, float* y) {
  const Pass p = with_long_rows(pass);
  const Lines lines{p.height, p.width, p.in, p.left, (p.columns - 1) * p.stride + p.kernel_w};
  const int64_t rows = strip_rows(p.rows, p.batch, p.stride, lines.line()), strips = (p.rows + rows - 1) / rows;
  const int64_t room = lines.room((rows - 1) * p.stride + p.kernel_h), run = p.kernel_w * p.in;
  Tensor scratch = Tensor::empty({num_threads() * room});
  const int64_t cost = rows * p.columns * p.out * p.depth() / macs_per_element;
  const int64_t all = p.batch * strips, shares = all < few_strips ? block_count(p.out) : 1;
  parallel_for(shares * all, grain_of(cost / shares), [&](int64_t begin, int64_t end) {
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      const int64_t strip = chunk % all;
      const int64_t image = strip / strips, first = strip % strips * rows, last = std::min(p.rows, first + rows);
      const int64_t first_line = first * p.stride - p.top, last_line = (last - 1) * p.stride - p.top + p.kernel_h;
      const float* from = lines.get(x + image * p.height * p.width * p.in, first_line, last_line,
                                    write<float>(scratch) + thread_index() * room);
      const auto compute = [&](const ChannelBlock& block) {
        for (int64_t i = first; i < last; ++i) {
          const int64_t line = i * p.stride - p.top;
          const int64_t above = std::clamp<int64_t>(-line, 0, p.kernel_h);  // kernel rows outside the image
          const int64_t inside = std::clamp<int64_t>(p.height - line, above, p.kernel_h) - above;
          Product job{};
          job.a = from + (line + above) * lines.line(), job.a_step = p.stride * p.in, job.a_segment = lines.line();
          job.b = packed + block.first * p.depth() + above * run * block.lanes;
          job.b_step = block.lanes, job.b_segment = run * block.lanes;
          job.terms = run, job.segments = inside;
          job.c = y + image * p.image_step + i * p.row_step + block.first, job.c_step = p.pixel_step;
          job.valid = block.valid, job.bias = bias ? bias + block.first : nullptr, job.relu = relu;
          run_tiles(block, true, p.columns, job.a_step, job);
        }
      };
      if (shares > 1)
        compute(nth_block(p.out, chunk / all));
      else
        for_each_block(p.out, compute);
    }
  });
}

void direct_correlate(const Convolution& c, const float* x, const float* y, float* weight) {
  const int64_t stride = c.window.stride, padding = c.window.padding, kernel_h = c.window.kernel_h, run = c.run();
  const Lines lines{c.height, c.width, c.in, padding, (c.out_w - 1) * stride + c.window.kernel_w};
  const int64_t rows = strip_rows(c.out_h, c.batch, stride, lines.line()), strips = (c.out_h + rows - 1) / rows;
  const int64_t room = lines.room((rows - 1) * stride + kernel_h);

  int64_t blocks = 0, widest = 0;
  for_each_block(c.out, [&](const ChannelBlock& block) { ++blocks, widest = std::max(widest, block.lanes); });
  const int64_t wanted = std::max<int64_t>(1, wanted_chunks / std::max<int64_t>(1, blocks));
  const int64_t strips_of_group = std::max<int64_t>(1, (c.batch * strips + wanted - 1) / wanted);
  const int64_t groups = (c.batch * strips + strips_of_group - 1) / strips_of_group;
  const int64_t size = padded_channels(c.out) * c.patch(), y_room = rows * c.out_w * widest;
  Tensor partial = Tensor::empty({groups * size}), scratch = Tensor::empty({num_threads() * (room + y_room)});
  parallel_for(groups * blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      const int64_t group = chunk / blocks;
      const ChannelBlock block = nth_block(c.out, chunk % blocks);
      float* sums = write<float>(partial) + group * size + block.first * c.patch();
      std::fill_n(sums, c.patch() * block.lanes, 0.f);
      float* mine = write<float>(scratch) + thread_index() * (room + y_room);
      for (int64_t strip = group * strips_of_group; strip < std::min(c.batch * strips, (group + 1) * strips_of_group);
           ++strip) {
        const int64_t image = strip / strips, first = strip % strips * rows, last = std::min(c.out_h, first + rows);
        const float* from =
            lines.get(x + image * c.image(), first * stride - padding, (last - 1) * stride - padding + kernel_h, mine);
        const float* grad = y + (image * c.out_h + first) * c.out_w * c.out + block.first;
        int64_t grad_step = c.out;
        const bool is_last =
            grad - block.first + (last - first) * c.out_w * c.out == y + c.batch * c.out_h * c.out_w * c.out;
        if (block.valid < block.lanes && is_last) {  // whole vectors are read: not beyond the end
          float* to = mine + room;
          for (int64_t i = 0; i < (last - first) * c.out_w; ++i) {
            std::copy_n(grad + i * c.out, block.valid, to + i * block.lanes);
            std::fill_n(to + i * block.lanes + block.valid, block.lanes - block.valid, 0.f);
          }
          grad = to, grad_step = block.lanes;
        }
        for (int64_t a = 0; a < kernel_h; ++a) {
          // Output rows whose input row stride * i + a - padding lies in the image.
          const int64_t from_row = std::max(first, (padding - a + stride - 1) / stride);
          const int64_t to_row = std::min(last, c.height + padding > a ? (c.height - 1 + padding - a) / stride + 1 : 0);
          if (from_row >= to_row) continue;
          Product job{};
          job.a = from + (from_row * stride + a - padding) * lines.line();
          job.a_step = stride * c.in, job.a_segment = stride * lines.line();
          job.b = grad + (from_row - first) * c.out_w * grad_step;
          job.b_step = grad_step, job.b_segment = c.out_w * grad_step;
          job.terms = c.out_w, job.segments = to_row - from_row;
          job.c = sums + a * run * block.lanes, job.c_step = block.lanes, job.valid = block.lanes;
          job.accumulate = true;
          run_tiles(block, false, run, 1, job);
        }
      }
    }
  });
  unpack_sum(read<float>(partial), groups, c.out, c.patch(), weight);
}

void unpack_sum(const float* packed, int64_t count, int64_t out, int64_t depth, float* weight) {
  const int64_t size = padded_channels(out) * depth;
  for_each_block(out, [&](const ChannelBlock& block) {
    constexpr int64_t piece = 32;  // depths that are transposed together
    const float* from = packed + block.first * depth;
    parallel_for((depth + piece - 1) / piece, grain_of(piece * block.lanes * count), [&](int64_t begin, int64_t end) {
      float sums[piece * 64];
      for (int64_t d0 = begin * piece; d0 < std::min(depth, end * piece); d0 += piece) {
        const int64_t n = std::min(piece, depth - d0) * block.lanes;
        std::copy_n(from + d0 * block.lanes, n, sums);
        for (int64_t part = 1; part < count; ++part)
          for (int64_t i = 0; i < n; ++i) sums[i] += from[part * size + d0 * block.lanes + i];
        transpose(sums, block.lanes, n / block.lanes, block.valid, weight + block.first * depth + d0, depth);
      }
    });
  });
}

}  // namespace minima::core::cpu
