// SPDX-License-Identifier: MIT
// Reductions in a fixed order. Sums of float32 run in float over short blocks, in interleaved lanes, and the blocks
// are added in double: as fast as memory, and nearly as good as double throughout.
#include <algorithm>
#include <limits>

#include "core/cpu/cpu_backend.h"

namespace minima::core {
namespace {
using cpu::row_block;
constexpr int64_t lanes = 32;
constexpr int64_t block = 512;        // elements summed in the tensor's own type
constexpr int64_t column_tile = 256;  // columns that are summed together
constexpr int64_t long_row = 64;      // several rows of few columns count as one that is so long
constexpr int64_t few_chunks = 16;    // then rows are cut as well, into so many pieces

template <class T>
struct Sum {
  static constexpr T start = 0;
  using Total = double;
  static T combine(T a, T b) { return a + b; }
};

template <class T>
struct Max {
  static constexpr T start = -std::numeric_limits<T>::infinity();
  using Total = T;
  static T combine(T a, T b) { return ((b > a) | (b != b)) ? b : a; }  // NaN stays
};

/// Two totals: sums are added in double.
template <class Op, class T>
typename Op::Total join(typename Op::Total a, typename Op::Total b) {
  if constexpr (std::is_same_v<Op, Sum<T>>)
    return a + b;
  else
    return Op::combine(a, b);
}

/// All of x[0 .. n).
template <class Op, class T>
MINIMA_VECTOR_LOOP typename Op::Total fold_line(const T* x, int64_t n) {
  typename Op::Total total = Op::start;
  for (int64_t begin = 0; begin < n; begin += block) {
    const int64_t size = std::min(block, n - begin), whole = size / lanes * lanes;
    const T* from = x + begin;
    T lane[lanes];
    for (int64_t l = 0; l < lanes; ++l) lane[l] = Op::start;
    for (int64_t i = 0; i < whole; i += lanes)
      for (int64_t l = 0; l < lanes; ++l) lane[l] = Op::combine(lane[l], from[i + l]);
    for (int64_t i = whole; i < size; ++i) lane[i - whole] = Op::combine(lane[i - whole], from[i]);
    for (int64_t half = lanes / 2; half > 0; half /= 2)
      for (int64_t l = 0; l < half; ++l) lane[l] = Op::combine(lane[l], lane[l + half]);
    total = join<Op, T>(total, lane[0]);
  }
  return total;
}

/// One long line on all threads: pieces by its length alone, joined in order.
template <class Op, class T>
T fold_long_line(const T* x, int64_t n) {
  const int64_t piece = cpu::piece_of(n);
  typename Op::Total partial[cpu::max_partials];
  parallel_for(n, piece,
               [&](int64_t begin, int64_t end) { partial[begin / piece] = fold_line<Op>(x + begin, end - begin); });
  typename Op::Total total = Op::start;
  for (int64_t i = 0; i * piece < n; ++i) total = join<Op, T>(total, partial[i]);
  return static_cast<T>(total);
}

/// Each of many lines that are too short for lanes.
template <class Op, class T>
MINIMA_VECTOR_LOOP void fold_short_lines(const T* x, int64_t lines, int64_t n, T* out) {
  for (int64_t i = 0; i < lines; ++i) {
    T total = Op::start;
    for (int64_t j = 0; j < n; ++j) total = Op::combine(total, x[i * n + j]);
    out[i] = total;
  }
}

/// Each of `width` columns over all rows, joined to `total`; `stride` elements lie between rows.
template <class Op, class T>
MINIMA_VECTOR_LOOP void fold_columns(const T* x, int64_t rows, int64_t stride, int64_t width,
                                     typename Op::Total* total) {
  for (int64_t begin = 0; begin < rows; begin += row_block) {
    const int64_t end = std::min(rows, begin + row_block);
    T partial[column_tile];
    for (int64_t j = 0; j < width; ++j) partial[j] = Op::start;
    for (int64_t i = begin; i < end; ++i)
      for (int64_t j = 0; j < width; ++j) partial[j] = Op::combine(partial[j], x[i * stride + j]);
    for (int64_t j = 0; j < width; ++j) total[j] = join<Op, T>(total[j], partial[j]);
  }
}

/// The same; few columns are folded as longer rows first.
template <class Op, class T>
void fold_strip(const T* x, int64_t rows, int64_t stride, int64_t width, typename Op::Total* total) {
  const int64_t together = stride == width ? long_row / width : 0,
                grouped = together > 1 ? rows / together * together : 0;
  if (grouped > 0) {
    typename Op::Total wide[long_row];
    std::fill_n(wide, together * width, static_cast<typename Op::Total>(Op::start));
    fold_columns<Op>(x, grouped / together, together * width, together * width, wide);
    for (int64_t i = 0; i < together * width; ++i) total[i % width] = join<Op, T>(total[i % width], wide[i]);
  }
  fold_columns<Op>(x + grouped * stride, rows - grouped, stride, width, total);
}

/// Each column of one matrix, a tile of columns at most, by pieces of its rows.
template <class Op, class T>
void fold_tall_matrix(const T* x, int64_t rows, int64_t stride, int64_t width, int64_t piece, T* out) {
  using Total = typename Op::Total;
  const int64_t pieces = (rows + piece - 1) / piece;
  Total total[column_tile];
  std::fill_n(total, width, static_cast<Total>(Op::start));
  Tensor partial = Tensor::full({pieces * width}, static_cast<double>(Op::start), dtype_of<Total>);
  Total* of_piece = cpu::write<Total>(partial);
  parallel_for(rows, piece, [&](int64_t begin, int64_t end) {
    fold_strip<Op>(x + begin * stride, end - begin, stride, width, of_piece + begin / piece * width);
  });
  for (int64_t i = 0; i < pieces; ++i)
    for (int64_t j = 0; j < width; ++j) total[j] = join<Op, T>(total[j], of_piece[i * width + j]);
  for (int64_t j = 0; j < width; ++j) out[j] = static_cast<T>(total[j]);
}

/// Each column of `outer` matrices [folded, inner]. Chunks are tiles of columns; where these are few, the rows of each
/// are cut instead.
template <class Op, class T>
void fold_matrices(const Fold& shape, const T* x, T* out) {
  using Total = typename Op::Total;
  const int64_t folded = shape.folded, inner = shape.inner;
  const int64_t tiles = (inner + column_tile - 1) / column_tile, widest = std::min(inner, column_tile);
  const int64_t piece = std::max({row_block, cpu::grain_of(widest), (folded + few_chunks - 1) / few_chunks});
  const auto tile = [&](int64_t i, auto&& fold) {
    const int64_t column = i % tiles * column_tile;
    fold(x + i / tiles * folded * inner + column, std::min(column_tile, inner - column),
         out + i / tiles * inner + column);
  };
  if (shape.outer * tiles < few_chunks && folded > piece) {
    for (int64_t i = 0; i < shape.outer * tiles; ++i)
      tile(i,
           [&](const T* from, int64_t width, T* to) { fold_tall_matrix<Op>(from, folded, inner, width, piece, to); });
    return;
  }
  parallel_for(shape.outer * tiles, cpu::grain_of(folded * widest), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      tile(i, [&](const T* from, int64_t width, T* to) {
        Total total[column_tile];
        std::fill_n(total, width, static_cast<Total>(Op::start));
        fold_strip<Op>(from, folded, inner, width, total);
        for (int64_t j = 0; j < width; ++j) to[j] = static_cast<T>(total[j]);
      });
  });
}

template <class Op, class T>
void fold(const Fold& shape, const T* x, T* out) {
  const int64_t outer = shape.outer, folded = shape.folded;
  if (shape.inner != 1) {
    fold_matrices<Op>(shape, x, out);
  } else if (outer < few_chunks && folded >= 2 * cpu::grain) {
    for (int64_t i = 0; i < outer; ++i) out[i] = fold_long_line<Op>(x + i * folded, folded);
  } else {
    parallel_for(outer, cpu::grain_of(folded), [&](int64_t begin, int64_t end) {
      if (folded < lanes) return fold_short_lines<Op>(x + begin * folded, end - begin, folded, out + begin);
      for (int64_t i = begin; i < end; ++i) out[i] = static_cast<T>(fold_line<Op>(x + i * folded, folded));
    });
  }
}

/// Adds product(i) for i = 0 .. n to lanes that take turns.
template <class F>
MINIMA_VECTOR_LOOP void add_products(int64_t n, F&& product, double* lanes) {
  constexpr int64_t width = cpu::DotLanes::width;
  double lane[width];
  std::copy(lanes, lanes + width, lane);
  const int64_t whole = n / width * width;
  for (int64_t i = 0; i < whole; i += width)
    for (int64_t l = 0; l < width; ++l) lane[l] += product(i + l);
  for (int64_t i = whole; i < n; ++i) lane[i - whole] += product(i);
  std::copy(lane, lane + width, lanes);
}
}  // namespace

template <class T>
void cpu::DotLanes::add(const T* x, const T* y, int64_t n) {
  const auto square = [x](int64_t i) {  // a norm: half the loads and conversions
    const double value = static_cast<double>(x[i]);
    return value * value;
  };
  if (x == y) return add_products(n, square, lane);
  add_products(n, [x, y](int64_t i) { return static_cast<double>(x[i]) * static_cast<double>(y[i]); }, lane);
}
template void cpu::DotLanes::add(const float*, const float*, int64_t);
template void cpu::DotLanes::add(const double*, const double*, int64_t);

double cpu::DotLanes::total() const {
  DotLanes sums = *this;
  for (int64_t half = width / 2; half > 0; half /= 2)
    for (int64_t l = 0; l < half; ++l) sums.lane[l] += sums.lane[l + half];
  return sums.lane[0];
}

void CpuBackend::reduce(ReduceOp op, const Fold& shape, const Tensor& x, Tensor& out) {
  dispatch_floating("reduce", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    if (op == ReduceOp::sum)
      fold<Sum<T>>(shape, cpu::read<T>(x), cpu::write<T>(out));
    else
      fold<Max<T>>(shape, cpu::read<T>(x), cpu::write<T>(out));
  });
}

void CpuBackend::dot(const Tensor& x, const Tensor& y, Tensor& out) {
  dispatch_floating("dot", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T *a = cpu::read<T>(x), *b = cpu::read<T>(y);
    const int64_t n = x.numel(), piece = cpu::piece_of(n);
    double partial[cpu::max_partials];
    parallel_for(n, piece, [&](int64_t begin, int64_t end) {
      cpu::DotLanes lanes;
      lanes.add(a + begin, b + begin, end - begin);
      partial[begin / piece] = lanes.total();
    });
    double total = 0;
    for (int64_t i = 0; i * piece < n; ++i) total += partial[i];
    *cpu::write<double>(out) = total;
  });
}

}  // namespace minima::core
