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
// Rounding errors, relative to the root mean square of the result, with normal numbers in 64 channels (the tests hold
// us to this): direct 4e-7, m = 2 3e-7, m = 4 9e-7.
#include <cstdlib>
#include "core/cpu/convolution.h"

namespace minima::core::cpu {
namespace {
constexpr int64_t most_elements = 36;

constexpr int64_t chunk_floats = 24576;  // U of a chunk: 96 KB
constexpr int64_t least_tiles = 28;      // of a chunk: two tiles of the product kernels with most rows
constexpr int64_t round_tiles = 128;
constexpr int64_t skew = 16;  // floats between elements, so that they do not fall on the same lines of a cache

/// Tiles of m x m pixels over rows x columns outputs of each image.
struct Tiling {
  int64_t m, rows, columns, down, across, count;

  Tiling(int64_t m, int64_t batch, int64_t rows, int64_t columns)
      : m(m),
        rows(rows),
        columns(columns),
        down((rows + m - 1) / m),
        across((columns + m - 1) / m),
        count(batch * down * across) {}
  int64_t image(int64_t tile) const { return tile / (down * across); }
  int64_t row(int64_t tile) const { return tile % (down * across) / across * m; }
  int64_t column(int64_t tile) const { return tile % across * m; }
};

/// Pointers to the size x size pixels of an image from (top, left) on; to zeros where there is no pixel.
void point_at(const float* image, int64_t height, int64_t width, int64_t channels, int64_t top, int64_t left,
              int64_t size, const float* zeros, const float** pixels) {
  for (int64_t i = top; i < top + size; ++i)
    for (int64_t j = left; j < left + size; ++j)
      *pixels++ = i >= 0 && i < height && j >= 0 && j < width ? image + (i * width + j) * channels : zeros;
}

}  // namespace

void winograd_pass(const WinogradKernels& kernels, const Pass& p, const float* x, const float* packed,
                   const float* bias, bool relu, float* y) {
  const int64_t m = kernels.m, n = kernels.n(), elements = kernels.elements();
  const Tiling tiling(m, p.batch, p.rows, p.columns);
  const Tensor zeros = Tensor::zeros({p.in});

  // Weights: each block's [3 * 3][in][lanes] to [n * n][in][lanes].
  Tensor transformed = Tensor::empty({elements * p.in * padded_channels(p.out)});
  float* weights = write<float>(transformed);
  for_each_block(p.out, [&](const ChannelBlock& block) {
    const int64_t size = p.in * block.lanes;
    parallel_for(size, grain / 8, [&](int64_t begin, int64_t end) {
      const float* from[9];
      for (int64_t tap = 0; tap < 9; ++tap) from[tap] = packed + block.first * p.depth() + tap * size + begin;
      kernels.weight(from, end - begin, weights + block.first * p.in * elements + begin, size);
    });
  });

  const int64_t fit = std::max(least_tiles, chunk_floats / (elements * std::max<int64_t>(1, p.in)));
  const int64_t chunks = (tiling.count + fit - 1) / fit, tiles = (tiling.count + chunks - 1) / chunks;
  int64_t widest = 0;
  for_each_block(p.out, [&](const ChannelBlock& block) { widest = std::max(widest, block.lanes); });
  const int64_t u_step = tiles * p.in + skew, product_step = tiles * widest + skew;
  const int64_t room = elements * (u_step + product_step);
  Tensor scratch = Tensor::empty({num_threads() * room});
  parallel_for(chunks, 1, [&](int64_t begin, int64_t end) {
    float* u = write<float>(scratch) + thread_index() * room;
    float* products = u + elements * u_step;
    for (int64_t first = begin * tiles; first < std::min(tiling.count, end * tiles); first += tiles) {
      const int64_t count = std::min(tiles, tiling.count - first);
      for (int64_t t = 0; t < count; ++t) {
        const float* pixels[most_elements];
        point_at(x + tiling.image(first + t) * p.height * p.width * p.in, p.height, p.width, p.in,
                 tiling.row(first + t) - p.top, tiling.column(first + t) - p.left, n, read<float>(zeros), pixels);
        kernels.input(pixels, p.in, u + t * p.in, u_step);
      }
      for_each_block(p.out, [&](const ChannelBlock& block) {
        for (int64_t e = 0; e < elements; ++e) {
          Product job{};
          job.a = u + e * u_step, job.a_step = p.in;
          job.b = weights + (block.first * elements + e * block.lanes) * p.in, job.b_step = block.lanes;
          job.terms = p.in, job.segments = 1;
          job.c = products + e * product_step, job.c_step = block.lanes, job.valid = block.lanes;
          run_tiles(block, true, count, p.in, job);
        }
        for (int64_t t = 0; t < count; ++t) {
          const int64_t row = tiling.row(first + t), column = tiling.column(first + t);
          kernels.output(
              {products + t * block.lanes, product_step, block.valid, bias ? bias + block.first : nullptr, relu,
               y + tiling.image(first + t) * p.image_step + row * p.row_step + column * p.pixel_step + block.first,
               p.row_step, p.pixel_step, std::min(m, p.rows - row), std::min(m, p.columns - column)});
        }
      });
    }
  });
}

void winograd_correlate(const WinogradKernels& kernels, const Convolution& c, const float* x, const float* y,
                        float* weight) {
  const int64_t m = kernels.m, n = kernels.n(), elements = kernels.elements(), padding = c.window.padding;
  const int64_t padded = padded_channels(c.out);
  const Tiling tiling(m, c.batch, c.out_h, c.out_w);
  const Tensor zeros = Tensor::zeros({std::max(c.in, c.out)});
  const int64_t rounds = (tiling.count + round_tiles - 1) / round_tiles;
  const int64_t tiles = (tiling.count + rounds - 1) / rounds;
  const int64_t u_step = tiles * c.in + skew, v_step = tiles * padded + skew;
  Tensor transforms = Tensor::empty({elements * (u_step + v_step)});
  Tensor sums = Tensor::empty({elements * c.in * padded}), packed = Tensor::empty({9 * c.in * padded});
  float *u = write<float>(transforms), *v = u + elements * u_step;
  if (padded > c.out) std::fill_n(v, elements * v_step, 0.f);  // the lanes beyond the last channel

  int64_t blocks = 0;
  for_each_block(c.out, [&](const ChannelBlock&) { ++blocks; });
  for (int64_t first = 0; first < tiling.count; first += tiles) {
    const int64_t count = std::min(tiles, tiling.count - first);
    parallel_for(count, grain_of(8 * elements * (c.in + c.out)), [&](int64_t begin, int64_t end) {
      const float* pixels[most_elements];
      for (int64_t t = begin; t < end; ++t) {
        const int64_t image = tiling.image(first + t), row = tiling.row(first + t), column = tiling.column(first + t);
        point_at(x + image * c.image(), c.height, c.width, c.in, row - padding, column - padding, n, read<float>(zeros),
                 pixels);
        kernels.input(pixels, c.in, u + t * c.in, u_step);
        point_at(y + image * c.out_h * c.out_w * c.out, c.out_h, c.out_w, c.out, row, column, m, read<float>(zeros),
                 pixels);
        kernels.output_gradient(pixels, c.out, v + t * padded, v_step);
      }
    });
    parallel_for(elements * blocks, grain_of(count * c.in * 2), [&](int64_t begin, int64_t end) {
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        const int64_t e = chunk % elements;
        ChannelBlock block = block_at(c.out, 0);
        for (int64_t i = chunk / elements; i > 0; --i) block = block_at(c.out, block.first + block.lanes);
        Product job{};
        job.a = u + e * u_step, job.a_step = c.in;
        job.b = v + e * v_step + block.first, job.b_step = padded;
        job.terms = count, job.segments = 1;
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
}

}  // namespace minima::core::cpu
