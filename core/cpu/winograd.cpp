// SPDX-License-Identifier: MIT
// Winograd's convolution (Lavin and Gray, 2016) of 3 x 3 kernels with stride 1. An m x m tile of the output needs an
// n x n tile of the input, n = m + 2:
//   y = A^T [ (G w G^T) . (B^T x B) ] A        . multiplies element by element, and sums over input channels
// With m = 4 that is 36 products for 16 pixels, 2.25 each instead of 9; with m = 2, 4 each. For each of the n * n
// elements on its own, the sum over channels of many tiles is a matrix product [tiles, in] x [in, out].
//
// Pass (forward and data gradient): chunks of work are some tens of tiles, so few that their transforms U = B^T x B
// stay in the second-level cache. For each block of output channels: the products of all elements, then A^T . A of each
// tile.
//
// Weight gradient: both formulas are linear in w, so its gradient is the transpose,
//   dw = G^T [ (A dy A^T) . (B^T x B) ] G      where now the product sums over all tiles of the batch
// A round takes some tiles of the batch: first their two transforms, then for each element and block of output channels
// the product [tiles, in]^T x [tiles, out], added to what earlier rounds left. All rounds are in order: same bits at
// any number of threads.
//
// A number that is not finite, or so large that a transform overflows, would spread over its whole tile, to pixels that
// do not see it, and infinity would become NaN. So a result that is not finite is not kept: both functions return false
// then, and the convolution is computed directly. Large finite numbers do spread their rounding errors over the tile.
//
// Rounding errors against float64, root mean square over that of the result, normal numbers in 64 channels (the tests
// hold us to this): direct 4e-7; m = 2 3e-7; m = 4 8e-7, and 1.1e-6 for the weight gradient.
#include <atomic>
#include <cmath>

#include "core/cpu/convolution.h"

namespace minima::core::cpu {
namespace {
constexpr int64_t most_elements = 36, most_extent = 6;
constexpr int64_t longest_segment = 32;
constexpr int64_t most_lanes = 32;  // of a block

constexpr int64_t chunk_floats = 24576;  // U of a chunk: 96 KB
constexpr int64_t least_tiles = 28;      // of a chunk: two tiles of the product kernels with most rows
constexpr int64_t least_chunks = 8;      // for the threads to share
constexpr int64_t round_tiles = 128;
constexpr int64_t skew = 16;  // floats between elements, so that they do not fall on the same lines of a cache

/// The m x m tiles over rows x columns outputs of each image, in segments: neighbours in one row of tiles, which share
/// columns of the input.
struct Tiling {
  int64_t m, down, across, segments_across, length, segments;

  Tiling(int64_t m, int64_t batch, int64_t rows, int64_t columns)
      : m(m),
        down((rows + m - 1) / m),
        across((columns + m - 1) / m),
        segments_across((across + longest_segment - 1) / longest_segment),
        length((across + segments_across - 1) / segments_across),
        segments(batch * down * segments_across) {}

  /// Where a segment's first pixel lies, and how many tiles it has.
  struct Segment {
    int64_t image, row, column, tiles;
  };
  Segment segment(int64_t index) const {
    const int64_t first = index % segments_across * length, line = index / segments_across;
    return {line / down, line % down * m, first * m, std::min(length, across - first)};
  }
  /// Tiles of all segments before this one.
  int64_t tiles_before(int64_t index) const {
    return index / segments_across * across + index % segments_across * length;
  }
  /// How many segments have about so many tiles together.
  int64_t segments_of(int64_t tiles) const { return std::max<int64_t>(1, tiles / length); }
};

/// Images, and the transform of their tiles: extent x extent pixels, m apart, become side x side elements.
struct Transform {
  ColumnTransform columns;
  RowTransform rows;
  int64_t m, extent, side, height, width, channels;

  int64_t pixels(int64_t tiles) const { return (tiles - 1) * m + extent; }
  int64_t room(int64_t tiles) const { return side * pixels(tiles) * channels; }

  /// The tiles of a segment that begins at (top, left) of the image, to + tile * tile_step + element * to_step. `band`
  /// has room(tiles), `zeros` a row of the image; what lies outside the image is 0.
  void run(const float* image, int64_t top, int64_t left, int64_t tiles, const float* zeros, float* band, float* to,
           int64_t tile_step, int64_t to_step) const {
    const int64_t line = pixels(tiles) * channels;
    const int64_t begin = std::clamp<int64_t>(-left, 0, pixels(tiles));
    const int64_t end = std::clamp<int64_t>(width - left, begin, pixels(tiles));
    const float* from[most_extent];
    for (int64_t i = top; i < top + extent; ++i)
      from[i - top] = i >= 0 && i < height && begin < end ? image + (i * width + left + begin) * channels : zeros;
    columns(from, (end - begin) * channels, band + begin * channels, line);
    for (int64_t i = 0; i < side; ++i) {
      std::fill_n(band + i * line, begin * channels, 0.f);
      std::fill_n(band + i * line + end * channels, line - end * channels, 0.f);
    }
    for (int64_t t = 0; t < tiles; ++t) rows(band + t * m * channels, line, channels, to + t * tile_step, to_step);
  }
};

/// Asks for the memory of a tile that is written next, so that it is there when it is.
void expect_writes(const Pass& p, const float* to, int64_t rows, int64_t columns, int64_t channels) {
  constexpr int64_t cache_line = 16;  // floats
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      for (int64_t c = 0; c < channels; c += cache_line)
        __builtin_prefetch(to + i * p.row_step + j * p.pixel_step + c, 1);
}
}  // namespace

bool winograd_pass(const WinogradKernels& kernels, const Pass& p, const float* x, const float* packed,
                   const float* bias, bool relu, float* y) {
  const int64_t m = kernels.m, n = kernels.n(), elements = kernels.elements();
  const Tiling tiling(m, p.batch, p.rows, p.columns);
  const Transform input{kernels.input_columns, kernels.input_rows, m, n, n, p.height, p.width, p.in};
  const Tensor zeros = Tensor::zeros({p.width * p.in});

  // A block's weights: its [3 * 3][in][lanes] to [n * n][in][lanes]; here inputs first .. first + count of it.
  const auto transform_weights = [&](const ChannelBlock& block, int64_t first, int64_t count, float* to) {
    const int64_t size = p.in * block.lanes;
    const float* from[9];
    for (int64_t tap = 0; tap < 9; ++tap)
      from[tap] = packed + block.first * p.depth() + tap * size + first * block.lanes;
    kernels.weight(from, count * block.lanes, to + first * block.lanes, size);
  };

  // U of the tiles of segments [first, last), element after element, u_step apart.
  const auto transform_input = [&](int64_t first, int64_t last, float* u, int64_t u_step, float* band) {
    for (int64_t s = first; s < last; ++s) {
      const auto [image, row, column, length] = tiling.segment(s);
      const int64_t t = tiling.tiles_before(s) - tiling.tiles_before(first);
      input.run(x + image * p.height * p.width * p.in, row - p.top, column - p.left, length, read<float>(zeros), band,
                u + t * p.in, p.in, u_step);
    }
  };
  std::atomic<bool> is_finite = true;
  // A block of output channels of these tiles.
  const auto finish = [&](const ChannelBlock& block, int64_t first, int64_t last, const float* u, int64_t u_step,
                          const float* weights, float* products, int64_t product_step) {
    if (!is_finite) return;  // the caller starts over
    float doubt[most_lanes] = {};
    const int64_t tiles = tiling.tiles_before(last) - tiling.tiles_before(first);
    for (int64_t e = 0; e < elements; ++e) {
      Product job{};
      job.a = u + e * u_step, job.a_step = p.in;
      job.b = weights + e * block.lanes * p.in, job.b_step = block.lanes;
      job.terms = p.in, job.segments = 1;
      job.c = products + e * product_step, job.c_step = block.lanes, job.valid = block.lanes;
      run_tiles(block, true, tiles, p.in, job);
    }
    const float* tile = products;
    for (int64_t s = first; s < last; ++s) {
      const auto [image, row, column, length] = tiling.segment(s);
      float* to = y + image * p.image_step + row * p.row_step + column * p.pixel_step + block.first;
      for (int64_t t = 0; t < length; ++t, tile += block.lanes, to += m * p.pixel_step) {
        const int64_t high = std::min(m, p.rows - row), wide = std::min(m, p.columns - column - t * m);
        if (t + 1 < length)
          expect_writes(p, to + m * p.pixel_step, high, std::min(m, p.columns - column - t * m - m), block.valid);
        kernels.output({tile, product_step, block.valid, bias ? bias + block.first : nullptr, relu, to, p.row_step,
                        p.pixel_step, high, wide, doubt});
      }
    }
    for (const float lane : doubt)
      if (lane != 0) is_finite = false;
  };

  const int64_t fit = std::max(least_tiles, chunk_floats / (elements * std::max<int64_t>(1, p.in)));
  const int64_t segments = tiling.segments_of(fit), band_room = input.room(tiling.length);
  const int64_t blocks = block_count(p.out), lanes = block_at(p.out, 0).lanes;
  if (tiling.segments >= least_chunks * segments) {
    Tensor transformed = Tensor::empty({elements * p.in * padded_channels(p.out)});
    const auto weights_of = [&](const ChannelBlock& block) {
      return write<float>(transformed) + block.first * elements * p.in;
    };
    for_each_block(p.out, [&](const ChannelBlock& block) {
      parallel_for(p.in, grain_of(8 * block.lanes), [&](int64_t begin, int64_t end) {
        transform_weights(block, begin, end - begin, weights_of(block));
      });
    });
    const int64_t most_tiles = segments * tiling.length;
    const int64_t u_step = most_tiles * p.in + skew, product_step = most_tiles * lanes + skew;
    const int64_t room = elements * (u_step + product_step) + band_room;
    Tensor scratch = Tensor::empty({num_threads() * room});
    parallel_for(tiling.segments, segments, [&](int64_t first, int64_t last) {
      float* u = write<float>(scratch) + thread_index() * room;
      float *products = u + elements * u_step, *band = products + elements * product_step;
      transform_input(first, last, u, u_step, band);
      for_each_block(p.out, [&](const ChannelBlock& block) {
        finish(block, first, last, u, u_step, weights_of(block), products, product_step);
      });
    });
    return is_finite;
  }
  // Few tiles: the threads share the blocks of output channels as well, and each transforms for itself what it needs of
  // the weights and of the input. To do it twice is quicker than to read what another core has just written.
  const int64_t groups = std::clamp<int64_t>(least_chunks / blocks, 1, tiling.segments);
  const int64_t tiles = tiling.tiles_before(tiling.segments);
  const int64_t u_step = tiles * p.in + skew, product_step = tiles * lanes + skew;
  const int64_t weight_room = elements * p.in * lanes;
  const int64_t room = weight_room + elements * (u_step + product_step) + band_room;
  struct Held {  // by a thread
    int64_t weights_of = -1;
    bool input_of[least_chunks] = {};
    int64_t apart[6] = {};
  };
  Tensor scratch = Tensor::empty({num_threads() * room});
  Tensor notes = Tensor::empty({num_threads() * static_cast<int64_t>(sizeof(Held))}, DType::uint8);
  std::fill_n(write<Held>(notes), num_threads(), Held{});
  parallel_for(blocks * groups, 1, [&](int64_t chunk, int64_t) {
    const ChannelBlock block = nth_block(p.out, chunk / groups);
    const int64_t group = chunk % groups;
    const int64_t first = group * tiling.segments / groups, last = (group + 1) * tiling.segments / groups;
    Held& held = write<Held>(notes)[thread_index()];
    float *weights = write<float>(scratch) + thread_index() * room, *products = weights + weight_room;
    float *band = products + elements * product_step, *u = band + band_room + tiling.tiles_before(first) * p.in;
    if (std::exchange(held.weights_of, block.first) != block.first) transform_weights(block, 0, p.in, weights);
    if (!std::exchange(held.input_of[group], true)) transform_input(first, last, u, u_step, band);
    finish(block, first, last, u, u_step, weights, products, product_step);
  });
  return is_finite;
}

bool winograd_correlate(const WinogradKernels& kernels, const Convolution& c, const float* x, const float* y,
                        float* weight) {
  const int64_t m = kernels.m, n = kernels.n(), elements = kernels.elements(), padding = c.window.padding;
  const int64_t padded = padded_channels(c.out);
  const Tiling tiling(m, c.batch, c.out_h, c.out_w);
  const Transform input{kernels.input_columns, kernels.input_rows, m, n, n, c.height, c.width, c.in};
  const Transform gradient{kernels.gradient_columns, kernels.gradient_rows, m, m, n, c.out_h, c.out_w, c.out};
  const Tensor zeros = Tensor::zeros({std::max(c.width * c.in, c.out_w * c.out)});
  const int64_t segments = tiling.segments_of(round_tiles), most_tiles = segments * tiling.length;
  const int64_t u_step = most_tiles * c.in + skew, v_step = most_tiles * padded + skew;
  Tensor transforms = Tensor::empty({elements * (u_step + v_step)});
  Tensor sums = Tensor::empty({elements * c.in * padded}), packed = Tensor::empty({9 * c.in * padded});
  float *u = write<float>(transforms), *v = u + elements * u_step;
  if (padded > c.out) std::fill_n(v, elements * v_step, 0.f);  // the lanes beyond the last channel

  const int64_t blocks = block_count(c.out);
  const int64_t room = std::max(input.room(tiling.length), gradient.room(tiling.length));
  Tensor bands = Tensor::empty({num_threads() * room});
  for (int64_t first = 0; first < tiling.segments; first += segments) {
    const int64_t last = std::min(tiling.segments, first + segments);
    const int64_t before = tiling.tiles_before(first), tiles = tiling.tiles_before(last) - before;
    parallel_for(last - first, grain_of(8 * elements * (c.in + c.out) * tiling.length),
                 [&](int64_t begin, int64_t end) {
                   float* band = write<float>(bands) + thread_index() * room;
                   for (int64_t s = first + begin; s < first + end; ++s) {
                     const auto [image, row, column, length] = tiling.segment(s);
                     const int64_t t = tiling.tiles_before(s) - before;
                     input.run(x + image * c.image(), row - padding, column - padding, length, read<float>(zeros), band,
                               u + t * c.in, c.in, u_step);
                     gradient.run(y + image * c.out_h * c.out_w * c.out, row, column, length, read<float>(zeros), band,
                                  v + t * padded, padded, v_step);
                   }
                 });
    parallel_for(elements * blocks, grain_of(tiles * c.in * 2), [&](int64_t begin, int64_t end) {
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        const int64_t e = chunk % elements;
        const ChannelBlock block = nth_block(c.out, chunk / elements);
        Product job{};
        job.a = u + e * u_step, job.a_step = c.in;
        job.b = v + e * v_step + block.first, job.b_step = padded;
        job.terms = tiles, job.segments = 1;
        job.c = write<float>(sums) + (block.first * elements + e * block.lanes) * c.in, job.c_step = block.lanes;
        job.valid = block.lanes, job.accumulate = first > 0;
        run_tiles(block, false, c.in, 1, job);
      }
    });
  }

  for_each_block(c.out, [&](const ChannelBlock& block) {
    const int64_t size = c.in * block.lanes;
    parallel_for(size, grain / 8, [&](int64_t begin, int64_t end) {
      const float* from[most_elements];
      for (int64_t e = 0; e < elements; ++e)
        from[e] = read<float>(sums) + block.first * elements * c.in + e * size + begin;
      kernels.weight_gradient(from, end - begin, write<float>(packed) + block.first * 9 * c.in + begin, size);
    });
  });
  unpack_sum(read<float>(packed), 1, c.out, c.patch(), weight);
  int is_finite = 1;  // no branch and no bool, so that it is done in vectors
  for (int64_t i = 0; i < c.out * c.patch(); ++i) is_finite &= std::isfinite(weight[i]);
  return is_finite != 0;
}

}  // namespace minima::core::cpu
