// SPDX-License-Identifier: MIT
// Reductions in a fixed order. Sums of float32 run in float over short blocks, in interleaved lanes, and the blocks
// are added in double: as fast as memory, and nearly as good as double throughout.
#include <algorithm>
#include <limits>

#include "core/cpu/cpu_backend.h"

namespace minima::core {
namespace {
constexpr int64_t lanes = 32;
constexpr int64_t block = 512;        // elements summed in the tensor's own type
constexpr int64_t row_block = 64;     // the same for sums down a column
constexpr int64_t column_tile = 256;  // columns that are summed together

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

template <class Op, class T>
auto join(typename Op::Total a, T b) {
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
  for (int64_t i = 0; i * piece < n; ++i)
    if constexpr (std::is_same_v<Op, Sum<T>>)
      total += partial[i];
    else
      total = Op::combine(total, partial[i]);
  return static_cast<T>(total);
}

/// Each of `width` columns over all rows; `stride` elements lie between rows.
template <class Op, class T>
MINIMA_VECTOR_LOOP void fold_columns(const T* x, int64_t rows, int64_t stride, int64_t width, T* out) {
  typename Op::Total total[column_tile];
  for (int64_t j = 0; j < width; ++j) total[j] = Op::start;
  for (int64_t begin = 0; begin < rows; begin += row_block) {
    const int64_t end = std::min(rows, begin + row_block);
    T partial[column_tile];
    for (int64_t j = 0; j < width; ++j) partial[j] = Op::start;
    for (int64_t i = begin; i < end; ++i)
      for (int64_t j = 0; j < width; ++j) partial[j] = Op::combine(partial[j], x[i * stride + j]);
    for (int64_t j = 0; j < width; ++j) total[j] = join<Op, T>(total[j], partial[j]);
  }
  for (int64_t j = 0; j < width; ++j) out[j] = static_cast<T>(total[j]);
}

template <class Op, class T>
void fold(const Fold& shape, const T* x, T* out) {
  const int64_t outer = shape.outer, folded = shape.folded, inner = shape.inner;
  if (inner == 1 && outer < 16 && folded >= 2 * cpu::grain) {
    for (int64_t i = 0; i < outer; ++i) out[i] = fold_long_line<Op>(x + i * folded, folded);
  } else if (inner == 1) {
    parallel_for(outer, cpu::grain_of(folded), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) out[i] = static_cast<T>(fold_line<Op>(x + i * folded, folded));
    });
  } else {
    const int64_t tiles = (inner + column_tile - 1) / column_tile;
    const int64_t cost = folded * std::min(inner, column_tile);
    parallel_for(outer * tiles, cpu::grain_of(cost), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t row = i / tiles, column = i % tiles * column_tile;
        fold_columns<Op>(x + row * folded * inner + column, folded, inner, std::min(column_tile, inner - column),
                         out + row * inner + column);
      }
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
