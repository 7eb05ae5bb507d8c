// SPDX-License-Identifier: MIT
// Matrix products of float32 on all threads, by the innermost loops that convolution has too (microkernels.h).
//
// c is made of tiles that stay in registers: a few rows by the lanes of a block of columns. For the loop over the terms
// to read memory in the order in which it lies, columns of b are packed into blocks [terms][lanes], and rows of a into
// tiles [terms][rows] if they lie side by side and a is not small. From outside to inside, the loops are
//   parts of the smaller of m and n, and pieces of k: what is packed of them stays in the second-level cache
//   units of the larger one (some tiles, or a panel of some blocks), in chunks for the threads to share; a unit is
//   packed just before it is used
//   blocks, tiles, terms (microkernels.inc)
// Each thread packs the part for itself: it is slow to read what another core has just written. How many tiles a unit
// has may depend on the number of threads; parts, pieces and tiles depend on the shape alone, and no cut changes the
// order in which the terms of an element are added.
//
// A large matrix is read once, and packing it must not take long. Rows of a whose terms lie side by side are read where
// they are, unless so many of them lie whole pages apart that they drive each other out of the cache. What lies the
// other way is copied in the order in which it lies, whole lines of the cache where blocks are that wide. A large b
// whose terms lie side by side would have to be transposed; where the result is smaller than b, c^T = b^T a^T is
// computed instead and transposed.
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
constexpr int64_t cache_line = 16, page = 1024;        // floats
constexpr int64_t narrow_line = 8;                     // tiles of at most so many rows are copied by half lines
constexpr int64_t first_level_cache = 8192;            // floats
constexpr int64_t cache_ways = 8;                      // lines a page apart that the first-level cache holds
constexpr int64_t ahead = 16;                          // rows that are asked for before they are copied
constexpr int64_t terms_together = 16;                 // of a tile, copied one after the other
constexpr int64_t rows_together = 48;                  // of a transposed a or c: some lines of the cache
constexpr int64_t least_lanes = 4;                     // of a block that is worth turning a product round

constexpr int64_t divided_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// `extent` cut into the least number of nearly equal parts that are not longer than `longest`.
struct Cut {
  int64_t count, least, shorter;  ///< the first `shorter` parts have `least`, the others one more
  Cut(int64_t extent, int64_t longest)
      : count(std::max<int64_t>(1, divided_up(extent, longest))),
        least(extent / count),
        shorter(count - extent % count) {}
  int64_t begin(int64_t i) const { return i * least + std::max<int64_t>(0, i - shorter); }
  int64_t size(int64_t i) const { return least + (i >= shorter); }
  int64_t longest() const { return size(count - 1); }
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

  const float* at(int64_t line, int64_t term) const {
    return data + (side_by_side ? term * step + line : line * step + term);
  }
};

/// A few floats, without a call. The last four may be copied twice in part.
inline void copy_few(const float* from, int64_t count, float* to) {
  if (count < 4) {
    for (int64_t i = 0; i < count; ++i) to[i] = from[i];
    return;
  }
  for (int64_t i = 0; i < count - 4; i += 4) store_four(to + i, load_four(from + i));
  store_four(to + count - 4, load_four(from + count - 4));
}

struct Multiplication {
  Operand a, b;
  int64_t m, n;
  const float* bias = nullptr;      ///< [n]; null: none
  const float* row_bias = nullptr;  ///< [m]; null: none
  bool relu, accumulate;
  float* c;
  int64_t ldc;
  float* transposed = nullptr;  ///< where c^T is wanted; null: nowhere
  int64_t transposed_step = 0;
  int64_t rows = 0;                    ///< of a tile at most
  int64_t block_lanes = 0, lanes = 0;  ///< of a whole block; of a panel
  bool rows_in_place = false;          ///< tiles are read where they lie

  int64_t columns_of(int64_t panel) const { return std::min(lanes, n - panel * lanes); }
  /// From one packed row of [rows][terms] to the next, apart in the cache. So many floats a row are there for a tile
  /// [terms][rows], too: what is copied after its end does not reach the next tile.
  static int64_t row_room(const Piece& piece) { return piece.count + cache_line; }

  /// Tiles begin .. end of the rows from `row` on.
  void pack_tiles(int64_t row, const Cut& tiles, int64_t begin, int64_t end, const Piece& piece, float* to) const {
    if (rows_in_place) return;
    const int64_t first = row + tiles.begin(begin), count = row + tiles.begin(end) - first;
    if (!a.side_by_side) {
      for (int64_t i = 0; i < count; ++i)
        std::copy_n(a.at(first + i, piece.first), piece.count, to + i * row_room(piece));
      return;
    }
    rows <= narrow_line ? pack_lines<narrow_line>(first, count, tiles, begin, end, piece, to)
                        : pack_lines<cache_line>(first, count, tiles, begin, end, piece, to);
  }

  /// Tiles [terms][rows]. A row of a tile is copied as `width` floats, of which the last ones belong to the next tile:
  /// the next term overwrites them. The last tiles are copied exactly: nothing may lie behind them.
  template <int64_t width>  // at least the rows of a tile
  void pack_lines(int64_t first, int64_t count, const Cut& tiles, int64_t begin, int64_t end, const Piece& piece,
                  float* to) const {
    int64_t wide = begin;
    while (wide < end && tiles.begin(wide) - tiles.begin(begin) + width <= count) ++wide;
    for (int64_t t = 0; t < piece.count; t += terms_together) {
      const int64_t terms = std::min(terms_together, piece.count - t);
      const float* from = a.at(first, piece.first + t);
      for (int64_t k = 0; k < terms; ++k)
        for (int64_t i = 0; i < count; i += cache_line) __builtin_prefetch(from + (ahead + k) * a.step + i, 0, 2);
      float* tile = to;
      for (int64_t i = begin; i < end; ++i) {
        const int64_t size = tiles.size(i);
        float* line = tile + t * size;
        if (i < wide)
          for (int64_t k = 0; k < terms; ++k) std::memcpy(line + k * size, from + k * a.step, width * sizeof(float));
        else
          for (int64_t k = 0; k < terms; ++k) copy_few(from + k * a.step, size, line + k * size);
        from += size, tile += size * row_room(piece);
      }
    }
  }

  void pack_panel(int64_t panel, const Piece& piece, float* to) const {
    const int64_t column = panel * lanes, count = columns_of(panel), width = block_lanes;
    const int64_t whole = b.side_by_side && width % cache_line == 0 ? count / width * width : 0;
    for (int64_t t = 0; whole > 0 && t < piece.count; ++t) {
      const float* from = b.at(column, piece.first + t);
      float* line = to + t * width;
      for (int64_t j = 0; j < whole; j += width, line += width * piece.count)
        for (int64_t i = 0; i < width; i += cache_line) {
          __builtin_prefetch(from + ahead * b.step + j + i, 0, 2);
          std::memcpy(line + i, from + j + i, cache_line * sizeof(float));
        }
    }
    for_each_block(count - whole, [&](const ChannelBlock& block) {
      const int64_t first = whole + block.first;
      float* block_to = to + first * piece.count;
      if (b.side_by_side)
        for (int64_t t = 0; t < piece.count; ++t)
          copy_few(b.at(column + first, piece.first + t), block.valid, block_to + t * block.lanes);
      else
        transpose(b.at(column + first, piece.first), b.step, block.valid, piece.count, block_to, block.lanes);
      if (block.valid < block.lanes)
        for (int64_t t = 0; t < piece.count; ++t)
          std::fill(block_to + t * block.lanes + block.valid, block_to + (t + 1) * block.lanes, 0.f);
    });
  }

  /// Packed tiles begin .. end of the rows from `row` on, times a packed panel.
  void multiply(int64_t row, const Cut& tiles, int64_t begin, int64_t end, const float* packed_tiles, int64_t panel,
                const float* packed, const Piece& piece) const {
    Product job{};
    job.terms = piece.count, job.segments = 1, job.c_step = ldc;
    job.accumulate = accumulate || !piece.is_first, job.relu = relu && piece.is_last;
    for_each_block(columns_of(panel), [&](const ChannelBlock& block) {
      const int64_t column = panel * lanes + block.first;
      const ProductKernel* kernels = a.side_by_side ? block.kernels->by_term : block.kernels->by_row;
      job.b = packed + block.first * piece.count, job.b_step = block.lanes, job.valid = block.valid;
      job.bias = piece.is_first && bias ? bias + column : nullptr;
      const auto ask_for_tile_of_c = [&](int64_t i) {
        float* at = c + (row + tiles.begin(i)) * ldc + column;
        for (int64_t r = 0; r < tiles.size(i); ++r)
          for (int64_t j = 0; j < block.valid; j += cache_line) __builtin_prefetch(at + r * ldc + j, 1);
      };
      for (int64_t i = begin; i < end; ++i) {
        const int64_t first = row + tiles.begin(i), count = tiles.size(i);
        job.a = rows_in_place ? a.at(first, piece.first)
                              : packed_tiles + (tiles.begin(i) - tiles.begin(begin)) * row_room(piece);
        job.a_step = rows_in_place ? a.step : a.side_by_side ? count : row_room(piece);
        job.row_bias = piece.is_first && row_bias ? row_bias + first : nullptr;
        job.c = c + first * ldc + column;
        if (i == begin) ask_for_tile_of_c(i);
        if (i + 1 < end) ask_for_tile_of_c(i + 1);
        kernels[count - 1](job);
      }
    });
  }

  /// Rows begin .. end of columns first .. first + count of c, to where they are wanted: few columns at a time, whose
  /// rows of the result stay in the first-level cache.
  void transpose_result(int64_t begin, int64_t end, int64_t first, int64_t count) const {
    constexpr int64_t few = 8;
    for (int64_t j = first; j < first + count; j += few)
      transpose(c + begin * ldc + j, ldc, end - begin, std::min(few, first + count - j),
                transposed + j * transposed_step + begin, transposed_step);
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
    result.bias = result.row_bias = nullptr, result.accumulate = false;
    result.c = write<float>(partial) + (piece - 1) * x.m * x.n, result.ldc = x.n;
    return result;
  };
  const int64_t chunks = divided_up(units, chunk);
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

/// How wide blocks and how high tiles are, and whether rows of a stay where they lie.
void choose_tiles(Multiplication& x, bool by_rows, int64_t k) {
  const ChannelBlock block = block_at(x.n, 0);
  x.block_lanes = x.lanes = block.lanes, x.rows = block.kernels->rows;
  for_each_block(x.n, [&](const ChannelBlock& each) { x.rows = std::min(x.rows, each.kernels->rows); });
  if (!by_rows) x.lanes *= std::clamp<int64_t>(x.n / (wanted_panels * x.lanes), 1, most_blocks);
  const int64_t beyond = x.a.step % page, apart = std::min(beyond, page - beyond);  // of two rows, but for whole pages
  x.rows_in_place = x.a.side_by_side ? x.a.step * k <= first_level_cache / 2
                                     : x.rows <= cache_ways || x.rows * apart >= 2 * cache_line;
}

/// How many tiles a unit has where whole lines of the cache should be copied. Each thread gets equally many units.
int64_t tiles_together(const Multiplication& x, int64_t tiles, int threads) {
  return divided_up(tiles, threads * divided_up(tiles, threads * (rows_together / x.rows)));
}

void run(Multiplication x, int64_t k) {
  const bool by_rows = x.m >= x.n;  // the threads share the rows of c, else its columns
  choose_tiles(x, by_rows, k);
  const int64_t panels = divided_up(x.n, x.lanes);
  const Cut pieces(k, longest_piece);
  const Cut parts(by_rows ? panels : x.m, by_rows ? std::max<int64_t>(1, longest_part / x.lanes) : longest_part);
  const Cut all_tiles(x.m, x.rows);
  // A product of a batch has one thread.
  const int threads = in_parallel_region() ? 1 : num_threads();
  const Cut groups(all_tiles.count, x.a.side_by_side || x.transposed ? tiles_together(x, all_tiles.count, threads) : 1);
  const int64_t unit_rows = groups.longest() * x.rows;
  // What each thread packs: the part, and beside it the unit in use.
  const int64_t line_room = pieces.longest() + cache_line;
  const int64_t tile_rows = x.rows_in_place ? 0 : by_rows ? unit_rows : parts.longest();
  const auto whole_lines = [](int64_t n) { return divided_up(n, cache_line) * cache_line; };  // where panels begin
  const int64_t tile_room = whole_lines(tile_rows * line_room);
  const int64_t panel_room = whole_lines((by_rows ? parts.longest() : 1) * x.lanes * line_room);
  const int64_t part_room = by_rows ? panel_room : tile_room, room = tile_room + panel_room;
  const auto own = [&] { return threads == 1 ? 0 : thread_index(); };
  Tensor scratch = Tensor::empty({threads * room});
  Tensor packed_by = Tensor::empty({threads * cache_line}, DType::int64);  // the region that each packed for last
  for (int i = 0; i < threads; ++i) write<int64_t>(packed_by)[i * cache_line] = -1;

  const auto compute = [&](const Multiplication& of, const Region& r, int64_t begin, int64_t end) {
    float *part = write<float>(scratch) + own() * room, *unit = part + part_room;
    const bool fresh = std::exchange(write<int64_t>(packed_by)[own() * cache_line], r.index) != r.index;
    if (by_rows) {
      const auto panel_of_part = [&](int64_t i) { return part + i * x.lanes * r.piece.count; };
      for (int64_t i = 0; fresh && i < r.count; ++i) of.pack_panel(r.first + i, r.piece, panel_of_part(i));
      for (int64_t u = begin; u < end; ++u) {
        const int64_t first = groups.begin(u), last = groups.begin(u + 1), column = r.first * x.lanes;
        of.pack_tiles(0, all_tiles, first, last, r.piece, unit);
        for (int64_t i = 0; i < r.count; ++i)
          of.multiply(0, all_tiles, first, last, unit, r.first + i, panel_of_part(i), r.piece);
        if (x.transposed && r.piece.is_last)
          of.transpose_result(all_tiles.begin(first), all_tiles.begin(last), column,
                              std::min(r.count * x.lanes, x.n - column));
      }
    } else {
      const Cut tiles(r.count, x.rows);
      if (fresh) of.pack_tiles(r.first, tiles, 0, tiles.count, r.piece, part);
      for (int64_t u = begin; u < end; ++u) {
        of.pack_panel(u, r.piece, unit);
        of.multiply(r.first, tiles, 0, tiles.count, part, u, unit, r.piece);
      }
    }
  };
  const int64_t units = by_rows ? groups.count : panels;
  const int64_t cost = parts.longest() * pieces.longest() * x.lanes * (by_rows ? unit_rows : 1);
  const int64_t chunk = std::max<int64_t>(1, worthwhile / std::max<int64_t>(1, cost));

  if (!by_rows && !x.a.side_by_side && x.b.side_by_side && parts.count == 1 && pieces.count > 1 && 4 * x.m <= k)
    return share_terms(x, pieces, units, chunk, compute);
  for (int64_t index = 0; index < parts.count * pieces.count; ++index) {
    const int64_t part = index / pieces.count, p = index % pieces.count;
    const Region r{
        index, parts.begin(part), parts.size(part), {pieces.begin(p), pieces.size(p), p == 0, p + 1 == pieces.count}};
    parallel_for(units, chunk, [&](int64_t begin, int64_t end) { compute(x, r, begin, end); });
  }
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
                   .ldc = ldc};
  Tensor turned;
  if (transpose_b && m < n && m < k && block_at(m, 0).lanes >= least_lanes && !accumulate) {
    turned = Tensor::empty({n, m});
    x.transposed = c, x.transposed_step = ldc, x.c = write<float>(turned), x.ldc = m;
    std::swap(x.a, x.b), std::swap(x.m, x.n), std::swap(x.bias, x.row_bias);
  }
  run(x, k);
}

}  // namespace minima::core
