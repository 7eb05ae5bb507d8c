// SPDX-License-Identifier: MIT
// Products of matrices that need not lie in memory: each operand is a struct that says what its elements are. A block
// gathers tiles of both into shared memory, and multiplies them there. Not here: the operands of a convolution
// (convolution.cu), and products of plain matrices, which are cuBLAS's (gemm.cu).
//
// An operand says what element (across, k) of its matrix is: `across` counts rows of the first operand and columns of
// the second. What depends on one of the two alone is worked out once for many elements: `place(across)` and `step(k)`.
// Both may be asked for places beyond the matrix, `read` is not. `read` gives `run` elements that lie side by side in
// memory, along k or across it.
#pragma once

#include "core/cuda/fold.cuh"

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::core::cuda {

/// Numbers that lie side by side, moved at once.
template <class T, int n>
struct alignas(sizeof(T) * n) Run {
  T at[n];
};

template <class T, int n>
__device__ const Run<T, n>& run_at(const T* from) {
  return *reinterpret_cast<const Run<T, n>*>(from);
}
template <class T, int n>
__device__ Run<T, n>& run_at(T* from) {
  return *reinterpret_cast<Run<T, n>*>(from);
}

/// A matrix in memory, line by line: a line is one `across` where k runs along it, and one step of k otherwise.
template <class T, int run_, bool along_k_>
struct Lines {
  using Index = int;
  static constexpr int run = run_;
  static constexpr bool along_k = along_k_;
  const T* matrix;
  int line;

  __device__ int place(int across) const { return along_k ? across * line : across; }
  __device__ int step(int k) const { return along_k ? k : k * line; }
  __device__ Run<T, run> read(int place, int step) const { return run_at<T, run>(matrix + (place + step)); }
};

/// What a block computes: `rows` x `columns` of the result, `row_run` x `column_run` of them by each thread, from
/// `depth` steps of k at a time.
template <int rows_, int columns_, int row_run_, int column_run_, int depth_, int blocks_>
struct Tile {
  static constexpr int rows = rows_, columns = columns_, row_run = row_run_, column_run = column_run_, depth = depth_;
  static constexpr int threads = rows / row_run * (columns / column_run);
  static constexpr int blocks = blocks_;  ///< on a processor at once: what bounds a thread's registers
  using Turned = Tile<columns, rows, column_run, row_run, depth, blocks>;

  // The threads of a warp lie threads_down x threads_across, and so do the warps of a block.
  static constexpr int threads_across = columns / column_run < 8 ? columns / column_run : 8;
  static constexpr int threads_down = warp / threads_across, warps_across = columns / column_run / threads_across;
  static_assert(warp % threads_across == 0 && columns % (column_run * threads_across) == 0 &&
                rows % (row_run * threads_down) == 0 && threads % warp == 0);
};

/// A thread's share of an operand's tiles: it fetches runs into registers, and keeps them in shared memory,
/// [2 tiles, depth, line].
template <class T, class Operand, int extent, int depth, int threads>
struct Share {
  static constexpr int run = Operand::run, line = extent + 4;  // aligned, and with few bank conflicts
  static constexpr int runs_of_line = (Operand::along_k ? depth : extent) / run, runs = extent * depth / run;
  static constexpr int count = (runs + threads - 1) / threads;
  static_assert(depth % run == 0 && extent % run == 0);
  typename Operand::Index place[count];
  Run<T, run> fetched[count];

  __device__ static int index(int n) { return static_cast<int>(threadIdx.x) + n * threads; }
  __device__ static bool exists(int n) { return runs % threads == 0 || index(n) < runs; }
  __device__ static int across(int n) {
    return Operand::along_k ? index(n) / runs_of_line : index(n) % runs_of_line * run;
  }
  __device__ static int k(int n) { return Operand::along_k ? index(n) % runs_of_line * run : index(n) / runs_of_line; }

  __device__ void start(const Operand& operand, int begin) {
#pragma unroll
    for (int n = 0; n < count; ++n) place[n] = operand.place(begin + across(n));
  }
  /// Reads the tile whose first element is (begin, k0), of a matrix that ends at (end, k_end).
  __device__ void fetch(const Operand& operand, int begin, int end, int k0, int k_end) {
#pragma unroll
    for (int n = 0; n < count; ++n) {
      fetched[n] = {};
      if (exists(n) && begin + across(n) < end && k0 + k(n) < k_end)
        fetched[n] = operand.read(place[n], operand.step(k0 + k(n)));
    }
  }
  __device__ void keep(T* tile) const {
#pragma unroll
    for (int n = 0; n < count; ++n) {
      if (!exists(n)) continue;
      if constexpr (Operand::along_k) {
#pragma unroll
        for (int i = 0; i < run; ++i) tile[(k(n) + i) * line + across(n)] = fetched[n].at[i];
      } else {
        run_at<T, run>(tile + (k(n) * line + across(n))) = fetched[n];
      }
    }
  }
};

/// Which lines of memory the rows of a result are: all, one after the other, or the pixels of images at every
/// `stride`-th row and column from the first one on.
struct LinesOfRows {
  int stride = 1, height = 0, width = 0, first_row = 0, first_column = 0;
  Divider by_rows{}, by_columns{};  // how many there are in an image, along each axis

  __device__ int operator()(int row) const {
    if (stride == 1) return row;
    uint32_t column = static_cast<uint32_t>(row), line = by_columns.split(column);
    const int image = static_cast<int>(by_rows.split(line));
    return (image * height + first_row + static_cast<int>(line) * stride) * width + first_column +
           static_cast<int>(column) * stride;
  }
};

/// Where a product goes: [rows, columns], or one such matrix for each part of k.
template <class T>
struct Result {
  T* out;
  int rows, columns;
  bool in_runs;             // whether runs of a line are aligned
  const T* bias = nullptr;  // or null
  bool relu = false;
  LinesOfRows line_of{};

  __device__ T finished(int column, T value) const {
    if (bias) value += bias[column];
    return relu && value < 0 ? T(0) : value;
  }
  template <int n>
  __device__ void store(int part, int row, int column, Run<T, n> run) const {
    if (row >= rows || column >= columns) return;
    T* to = out + ((int64_t{part} * rows + line_of(row)) * columns + column);
#pragma unroll
    for (int i = 0; i < n; ++i)
      if (in_runs || column + i < columns) run.at[i] = finished(column + i, run.at[i]);
    if (in_runs) {
      run_at<T, n>(to) = run;
    } else {
#pragma unroll
      for (int i = 0; i < n; ++i)
        if (column + i < columns) to[i] = run.at[i];
    }
  }
};

/// The product, tile by tile. While a tile is multiplied, the next one is on its way from memory into registers. There
/// are two tiles in shared memory, so that one barrier a tile is enough. A thread computes several small pieces of the
/// result rather than one large one, so that the threads of a warp read neighbouring runs of shared memory.
template <class T, class Tile, class First, class Second>
__global__ void __launch_bounds__(Tile::threads, Tile::blocks)
    multiply(First first, Second second, Result<T> result, int steps, int steps_of_part, int tiles_down) {
  constexpr int depth = Tile::depth;
  using FirstShare = Share<T, First, Tile::rows, depth, Tile::threads>;
  using SecondShare = Share<T, Second, Tile::columns, depth, Tile::threads>;
  constexpr int first_tile = depth * FirstShare::line, second_tile = depth * SecondShare::line;
  MINIMA_SHARED(T, first_tiles, 2 * first_tile);
  MINIMA_SHARED(T, second_tiles, 2 * second_tile);

  const int tile = static_cast<int>(blockIdx.x), part = static_cast<int>(blockIdx.y);
  const int row_begin = tile % tiles_down * Tile::rows, column_begin = tile / tiles_down * Tile::columns;
  const int begin = part * steps_of_part;
  const int end = begin + steps_of_part < steps ? begin + steps_of_part : steps;

  // Where this thread's pieces begin, and how far apart they lie: the threads of a warp lie side by side, one piece
  // each, and the next pieces lie behind those. 16 bytes are the most that is read at once.
  constexpr int most = 16 / sizeof(T), column_piece = Tile::column_run < most ? Tile::column_run : most;
  constexpr int row_piece = Tile::row_run < most ? Tile::row_run : most;
  constexpr int row_pieces = Tile::row_run / row_piece, column_pieces = Tile::column_run / column_piece;
  constexpr int next_row_piece = Tile::threads_down * row_piece;
  constexpr int next_column_piece = Tile::threads_across * column_piece;
  const int lane = static_cast<int>(threadIdx.x) % warp, own_warp = static_cast<int>(threadIdx.x) / warp;
  const int own_row =
      own_warp / Tile::warps_across * (Tile::threads_down * Tile::row_run) + lane / Tile::threads_across * row_piece;
  const int own_column = own_warp % Tile::warps_across * (Tile::threads_across * Tile::column_run) +
                         lane % Tile::threads_across * column_piece;

  FirstShare of_first;
  SecondShare of_second;
  of_first.start(first, row_begin);
  of_second.start(second, column_begin);
  const auto fetch = [&](int k0) {
    of_first.fetch(first, row_begin, result.rows, k0, end);
    of_second.fetch(second, column_begin, result.columns, k0, end);
  };
  const auto keep = [&](int buffer) {
    of_first.keep(first_tiles + buffer * first_tile);
    of_second.keep(second_tiles + buffer * second_tile);
  };

  T sum[Tile::row_run][Tile::column_run] = {};
  fetch(begin);
  keep(0);
  __syncthreads();
  for (int k0 = begin, buffer = 0; k0 < end; k0 += depth, buffer ^= 1) {
    const bool more = k0 + depth < end;
    if (more) fetch(k0 + depth);
    const T* a_tile = first_tiles + (buffer * first_tile + own_row);
    const T* b_tile = second_tiles + (buffer * second_tile + own_column);
#pragma unroll
    for (int k = 0; k < depth; ++k) {
      Run<T, row_piece> a[row_pieces];
      Run<T, column_piece> b[column_pieces];
#pragma unroll
      for (int p = 0; p < row_pieces; ++p)
        a[p] = run_at<T, row_piece>(a_tile + (k * FirstShare::line + p * next_row_piece));
#pragma unroll
      for (int p = 0; p < column_pieces; ++p)
        b[p] = run_at<T, column_piece>(b_tile + (k * SecondShare::line + p * next_column_piece));
#pragma unroll
      for (int i = 0; i < Tile::row_run; ++i)
#pragma unroll
        for (int j = 0; j < Tile::column_run; ++j)
          sum[i][j] += a[i / row_piece].at[i % row_piece] * b[j / column_piece].at[j % column_piece];
    }
    if (more) keep(buffer ^ 1);
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < Tile::row_run; ++i)
#pragma unroll
    for (int p = 0; p < column_pieces; ++p) {
      Run<T, column_piece> run;
#pragma unroll
      for (int j = 0; j < column_piece; ++j) run.at[j] = sum[i][p * column_piece + j];
      result.store(part, row_begin + own_row + i / row_piece * next_row_piece + i % row_piece,
                   column_begin + own_column + p * next_column_piece, run);
    }
}

/// The parts of a product, added up.
template <class T>
struct SumParts : DoubleSum {
  const T* parts;
  int count;
  int64_t size;
  Divider columns;
  Result<T> result;

  SumParts(const T* parts, int count, const Result<T>& result)
      : parts(parts),
        count(count),
        size(int64_t{result.rows} * result.columns),
        columns(result.columns),
        result(result) {}
  __device__ void add(double& total, int64_t, int64_t part, int64_t i) const {
    total += static_cast<double>(parts[part * size + i]);
  }
  __device__ void finish(int64_t, int64_t i, double total) const {
    uint32_t column = static_cast<uint32_t>(i);
    columns.split(column);
    result.out[i] = result.finished(static_cast<int>(column), static_cast<T>(total));
  }
  __device__ void operator()(int64_t i) const {
    double total = 0;
    for (int part = 0; part < count; ++part) add(total, 0, part, i);
    finish(0, i, total);
  }
};

inline int cover(int extent, int by) { return (extent + by - 1) / by; }

/// Where the result has few tiles, k is cut into parts, whose products are added afterwards: enough blocks to keep a
/// large GPU busy, each with work enough. A function of the shape alone.
inline int parts_of(int blocks, int steps) {
  constexpr int wanted_blocks = 512, least_steps = 256;
  const int wanted = wanted_blocks / (blocks < 1 ? 1 : blocks), most = steps / least_steps;
  const int parts = wanted < most ? wanted : most;
  return parts < 1 ? 1 : parts;
}

template <class Tile, class T, class First, class Second>
void multiply_tiles(const First& first, const Second& second, const Result<T>& result, int steps) {
  const int tiles_down = cover(result.rows, Tile::rows), tiles = tiles_down * cover(result.columns, Tile::columns);
  // Parts are added in the order of memory, in which the rows of a phase do not lie one after the other.
  const int parts = result.line_of.stride == 1 ? parts_of(tiles, steps) : 1;
  const int steps_of_part = cover(cover(steps, parts), Tile::depth) * Tile::depth;
  const dim3 grid(static_cast<unsigned>(tiles), static_cast<unsigned>(parts));
  constexpr auto kernel = multiply<T, Tile, First, Second>;
  if (parts == 1) return launch(grid, Tile::threads, kernel, first, second, result, steps, steps_of_part, tiles_down);
  const int64_t size = int64_t{result.rows} * result.columns;
  Tensor memory = Tensor::empty({parts * size}, dtype_of<T>, Device::cuda);
  const Result<T> to_parts{write<T>(memory), result.rows, result.columns, result.in_runs};
  launch(grid, Tile::threads, kernel, first, second, to_parts, steps, steps_of_part, tiles_down);
  const SumParts<T> sum(read<T>(memory), parts, result);
  if (parts <= 8)
    for_each(size, sum);
  else
    fold(sum, 1, parts, size);
}

template <class T>
Result<T> result_in(Tensor& out, int rows, int columns, const T* bias = nullptr, bool relu = false) {
  T* to = write<T>(out);
  return {to,   rows, columns, columns % (16 / int{sizeof(T)}) == 0 && reinterpret_cast<uintptr_t>(to) % 16 == 0,
          bias, relu};
}

}  // namespace minima::core::cuda
#pragma GCC visibility pop
