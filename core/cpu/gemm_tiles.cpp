// SPDX-License-Identifier: MIT
// Matrix products of float32 on all threads, by the innermost loops that convolution has too (microkernels.h).
//
// c is made of tiles that stay in registers: a few rows by the lanes of a block of columns. For the loop over the terms
// to read memory in the order in which it lies, a is packed into tiles [terms][rows] first, and b into blocks
// [terms][lanes]; that settles all four transpositions as well. From outside to inside, the loops are
//   parts of the smaller of m and n, and pieces of k: what is packed of them stays in the second-level cache
//   units of the larger one (tiles, or panels of some blocks), in chunks for the threads to share; a unit is packed
//   just before it is used all panels, or tiles, of the part terms (microkernels.inc)
// Each thread packs the part for itself: it is slow to read what another core has just written. Cuts depend on the
// shape alone, and no cut changes the order in which the terms of an element are added.
#include <cstring>

#include "core/cpu/convolution.h"
#include "core/cpu/transpose.h"
#include "core/gemm.h"

namespace minima::core {
namespace {
using namespace cpu;
constexpr int64_t longest_piece = 512, longest_part = 512;
constexpr int64_t wanted_panels = 8, most_blocks = 4;  // of a panel: neighbours in memory are copied together
constexpr int64_t worthwhile = 500000;                 // multiply-adds that pay for a chunk of their own
constexpr int64_t cache_line = 16;                     // floats
constexpr int64_t ahead = 16;                          // rows that are asked for before they are copied

/// `extent` cut into the least number of nearly equal parts that are not longer than `longest`.
struct Cut {
  int64_t extent, count;
  Cut(int64_t e, int64_t longest) : extent(e), count(std::max<int64_t>(1, (e + longest - 1) / longest)) {}
  int64_t begin(int64_t i) const { return i * extent / count; }
  int64_t size(int64_t i) const { return begin(i + 1) - begin(i); }
  int64_t longest() const { return (extent + count - 1) / count; }
};

/// Terms first .. first + count of all k.
struct Piece {
  int64_t first, count;
  bool is_first, is_last;
};

/// a or b: lines along m or n, each of k terms. Element (line, term) lies at line * step + term or, where lines run
/// side by side, at term * step + line.
struct Operand {
  const float* data;
  int64_t step;
  bool side_by_side;

  /// to [terms][width] = `count` lines; 0 beyond them.
  void pack(int64_t line, int64_t count, const Piece& piece, int64_t width, float* to) const {
    if (side_by_side) {
      const float* from = data + piece.first * step + line;
      for (int64_t t = 0; t < piece.count; ++t, from += step) {
        int64_t i = 0;
        for (; i + cache_line <= count; i += cache_line) {
          __builtin_prefetch(from + ahead * step + i);
          std::memcpy(to + t * width + i, from + i, cache_line * sizeof(float));
        }
        for (; i + 4 <= count; i += 4) store_four(to + t * width + i, load_four(from + i));
        for (; i < count; ++i) to[t * width + i] = from[i];
      }
    } else {
      transpose(data + line * step + piece.first, step, count, piece.count, to, width);
    }
    if (count < width)
      for (int64_t t = 0; t < piece.count; ++t) std::fill_n(to + t * width + count, width - count, 0.f);
  }
};

struct Multiplication {
  Operand a, b;
  int64_t m, n;
  const float* bias;
  bool relu, accumulate;
  float* c;
  int64_t ldc;
  int64_t rows, lanes;   ///< of a tile at most; of a panel
  bool copies_rows;      ///< tiles of a are [rows][terms]: too few products to pay for a transposition
  bool b_stays = false;  ///< whole blocks of b are read where they lie: a tile or two do not pay for a copy

  int64_t columns_of(int64_t panel) const { return std::min(lanes, n - panel * lanes); }
  int64_t row_step(const Piece& piece) const { return piece.count + cache_line; }

  void pack_tile(int64_t row, int64_t count, const Piece& piece, float* to) const {
    if (!copies_rows) return a.pack(row, count, piece, count, to);
    for (int64_t i = 0; i < count; ++i)
      std::copy_n(a.data + (row + i) * a.step + piece.first, piece.count, to + i * row_step(piece));
  }
  void pack_panel(int64_t panel, const Piece& piece, float* to) const {
    for_each_block(columns_of(panel), [&](const ChannelBlock& block) {
      if (b_stays && block.valid == block.lanes) return;
      b.pack(panel * lanes + block.first, block.valid, piece, block.lanes, to + block.first * piece.count);
    });
  }
  /// Rows row .. row + count of a panel of c.
  void multiply(int64_t row, int64_t count, const float* tile, int64_t panel, const float* packed,
                const Piece& piece) const {
    for_each_block(columns_of(panel), [&](const ChannelBlock& block) {
      const int64_t column = panel * lanes + block.first;
      Product job{};
      job.a = tile, job.a_step = copies_rows ? row_step(piece) : count;
      job.b = packed + block.first * piece.count, job.b_step = block.lanes;
      if (b_stays && block.valid == block.lanes) job.b = b.data + piece.first * b.step + column, job.b_step = b.step;
      job.terms = piece.count, job.segments = 1;
      job.c = c + row * ldc + column, job.c_step = ldc, job.valid = block.valid;
      job.bias = piece.is_first && bias ? bias + column : nullptr;
      job.accumulate = accumulate || !piece.is_first, job.relu = relu && piece.is_last;
      for (int64_t i = 0; i < count; ++i)  // so that c is there when the sums are
        for (int64_t j = 0; j < block.valid; j += cache_line) __builtin_prefetch(job.c + i * ldc + j, 1);
      (copies_rows ? block.kernels->by_row : block.kernels->by_term)[count - 1](job);
    });
  }
};
/// One part, first .. first + count, and one piece; `index` tells them all apart.
struct Region {
  int64_t index, first, count;
  Piece piece;
};

/// c as the sum of its pieces, all computed at once: where b has many terms and a few rows, each thread then reads some
/// rows of b alone, the ones whose gradient it computes and which it updates. The sums are the same bits.
template <class Compute>
void share_terms(const Multiplication& x, const Cut& pieces, int64_t units, int64_t chunk, const Compute& compute) {
  Tensor partial = Tensor::empty({(pieces.count - 1) * x.m * x.n});
  const auto result_of = [&](int64_t piece) {
    Multiplication result = x;
    result.relu = false;
    if (piece == 0) return result;
    result.bias = nullptr, result.accumulate = false;
    result.c = write<float>(partial) + (piece - 1) * x.m * x.n, result.ldc = x.n;
    return result;
  };
  const int64_t chunks = (units + chunk - 1) / chunk;
  parallel_for(pieces.count * chunks, 1, [&](int64_t i, int64_t) {
    const int64_t p = i / chunks, begin = i % chunks * chunk;
    const Region r{p, 0, x.m, {pieces.begin(p), pieces.size(p), true, true}};
    compute(result_of(p), r, begin, std::min(units, begin + chunk));
  });
  parallel_for(x.m, grain_of(x.n * pieces.count), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float* row = x.c + i * x.ldc;
      for (int64_t p = 1; p < pieces.count; ++p) {
        const float* more = read<float>(partial) + ((p - 1) * x.m + i) * x.n;
        for (int64_t j = 0; j < x.n; ++j) row[j] += more[j];
      }
      if (x.relu)
        for (int64_t j = 0; j < x.n; ++j) row[j] = row[j] < 0 ? 0 : row[j];
    }
  });
}
}  // namespace

void gemm_tiles(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float* a, int64_t lda,
                const float* b, int64_t ldb, const float* bias, bool relu, bool accumulate, float* c, int64_t ldc) {
  if (m == 0 || n == 0) return;
  Multiplication x{.a{a, lda, transpose_a},
                   .b{b, ldb, !transpose_b},
                   .m = m,
                   .n = n,
                   .bias = bias,
                   .relu = relu,
                   .accumulate = accumulate,
                   .c = c,
                   .ldc = ldc,
                   .rows = block_at(n, 0).kernels->rows,
                   .lanes = block_at(n, 0).lanes,
                   .copies_rows = false};
  for_each_block(n, [&](const ChannelBlock& block) { x.rows = std::min(x.rows, block.kernels->rows); });
  const bool by_rows = m >= n;  // the threads share the rows of c, else its columns
  if (!by_rows) x.lanes *= std::clamp<int64_t>(n / (wanted_panels * x.lanes), 1, most_blocks);
  const int64_t panels = (n + x.lanes - 1) / x.lanes;
  x.copies_rows = by_rows && !transpose_a && panels <= 2;
  x.b_stays = !transpose_b && m <= 2 * x.rows;

  const Cut pieces(k, longest_piece);
  const Cut parts(by_rows ? panels : m, by_rows ? std::max<int64_t>(1, longest_part / x.lanes) : longest_part);
  // What each thread packs: the part, and beside it the unit in use.
  const int64_t part_lines = parts.longest() * (by_rows ? x.lanes : 1);
  const int64_t room = (part_lines + std::max(x.lanes, x.rows)) * pieces.longest() + (x.rows + 1) * cache_line;
  // A product of a batch has one thread.
  const int threads = in_parallel_region() ? 1 : num_threads();
  const auto own = [&] { return threads == 1 ? 0 : thread_index(); };
  Tensor scratch = Tensor::empty({threads * room});
  Tensor packed_by = Tensor::empty({threads * cache_line}, DType::int64);  // the region that each packed for last
  for (int i = 0; i < threads; ++i) write<int64_t>(packed_by)[i * cache_line] = -1;

  const auto compute = [&](const Multiplication& of, const Region& r, int64_t begin, int64_t end) {
    float* part = write<float>(scratch) + own() * room;
    float* unit = part + part_lines * r.piece.count;
    const Cut tiles(by_rows ? m : r.count, x.rows);
    const auto panel_of_part = [&](int64_t i) { return part + i * x.lanes * r.piece.count; };
    const auto tile_of_part = [&](int64_t i) { return part + tiles.begin(i) * r.piece.count; };
    if (std::exchange(write<int64_t>(packed_by)[own() * cache_line], r.index) != r.index) {
      if (by_rows)
        for (int64_t i = 0; i < r.count; ++i) of.pack_panel(r.first + i, r.piece, panel_of_part(i));
      else
        for (int64_t i = 0; i < tiles.count; ++i)
          of.pack_tile(r.first + tiles.begin(i), tiles.size(i), r.piece, tile_of_part(i));
    }
    for (int64_t u = begin; u < end; ++u) {
      if (by_rows) {
        of.pack_tile(tiles.begin(u), tiles.size(u), r.piece, unit);
        for (int64_t i = 0; i < r.count; ++i)
          of.multiply(tiles.begin(u), tiles.size(u), unit, r.first + i, panel_of_part(i), r.piece);
      } else {
        of.pack_panel(u, r.piece, unit);
        for (int64_t i = 0; i < tiles.count; ++i)
          of.multiply(r.first + tiles.begin(i), tiles.size(i), tile_of_part(i), u, unit, r.piece);
      }
    }
  };
  const int64_t units = by_rows ? (m + x.rows - 1) / x.rows : panels;
  const int64_t cost = parts.longest() * pieces.longest() * x.lanes * (by_rows ? x.rows : 1);
  const int64_t chunk = std::max<int64_t>(1, worthwhile / std::max<int64_t>(1, cost));

  if (!by_rows && !transpose_a && !transpose_b && parts.count == 1 && pieces.count > 1 && 4 * m <= k)
    return share_terms(x, pieces, units, chunk, compute);
  for (int64_t index = 0; index < parts.count * pieces.count; ++index) {
    const int64_t part = index / pieces.count, p = index % pieces.count;
    const Region r{
        index, parts.begin(part), parts.size(part), {pieces.begin(p), pieces.size(p), p == 0, p + 1 == pieces.count}};
    parallel_for(units, chunk, [&](int64_t begin, int64_t end) { compute(x, r, begin, end); });
  }
}

}  // namespace minima::core
