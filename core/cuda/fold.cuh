// SPDX-License-Identifier: MIT
// Reductions along one axis: x [outer, rows, columns] is folded to [outer, columns]. Long axes are cut into chunks that
// different blocks fold, and a second pass joins them. The cuts depend on the shape alone and every join has a fixed
// place, so that a sum has the same bits each time. Not here: what is summed (reductions.cu, normalise.cu, rows.cu).
//
// An op is a struct with
//   Total                                                   the type that is joined
//   Total start() const                                     nothing yet
//   void add(Total&, outer, row, column) const              takes one element in
//   Total join(Total, Total) const
//   Total from_lane(Total, int lane) const                  a shuffle: the total of another lane of the warp
//   void finish(outer, column, Total) const                 writes the result
#pragma once

#include "core/cuda/launch.cuh"

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::core::cuda {

/// Two sums at once.
struct SumPair {
  double first, second;
};

/// join and from_lane of a sum in double.
struct DoubleSum {
  using Total = double;
  __device__ double start() const { return 0; }
  __device__ double join(double a, double b) const { return a + b; }
  __device__ double from_lane(double total, int lane) const { return __shfl_sync(0xffffffffu, total, lane); }
};

struct DoubleSums {
  using Total = SumPair;
  __device__ SumPair start() const { return {0, 0}; }
  __device__ SumPair join(const SumPair& a, const SumPair& b) const { return {a.first + b.first, a.second + b.second}; }
  __device__ SumPair from_lane(const SumPair& total, int lane) const {
    return {__shfl_sync(0xffffffffu, total.first, lane), __shfl_sync(0xffffffffu, total.second, lane)};
  }
};

/// How an axis is cut.
struct Cut {
  int64_t outer, rows, columns;
  int64_t chunk, chunks;  ///< rows of a chunk; chunks of an axis
};

/// One column: the threads of a block walk along a chunk of a line.
template <class Op>
__global__ void __launch_bounds__(threads, 2) fold_lines(Op op, Cut cut, typename Op::Total* partial) {
  using Total = typename Op::Total;
  MINIMA_SHARED(Total, of_warp, threads / warp);
  for (int64_t item = blockIdx.x; item < cut.outer * cut.chunks; item += gridDim.x) {
    const int64_t line = item / cut.chunks, begin = item % cut.chunks * cut.chunk;
    const int64_t end = begin + cut.chunk < cut.rows ? begin + cut.chunk : cut.rows;
    Total total = op.start();
    for (int64_t row = begin + threadIdx.x; row < end; row += blockDim.x) op.add(total, line, row, 0);
    total = join_warp(op, total);
    if (threadIdx.x % warp == 0) of_warp[threadIdx.x / warp] = total;
    __syncthreads();
    if (threadIdx.x == 0) {
      for (unsigned other = 1; other < blockDim.x / warp; ++other) total = op.join(total, of_warp[other]);
      if (partial)
        partial[item] = total;
      else
        op.finish(line, 0, total);
    }
    __syncthreads();  // of_warp is used again
  }
}

/// Several columns: neighbouring threads take neighbouring columns, `width` of them, and the block's rows of threads
/// take turns at the rows of a chunk.
template <class Op>
__global__ void __launch_bounds__(threads, 2) fold_columns(Op op, Cut cut, int width, typename Op::Total* partial) {
  using Total = typename Op::Total;
  MINIMA_SHARED(Total, of_thread, threads);
  const int64_t tiles = (cut.columns + width - 1) / width;
  const int place = static_cast<int>(threadIdx.x) % width, lane = static_cast<int>(threadIdx.x) / width;
  const int lanes = threads / width;
  for (int64_t item = blockIdx.x; item < cut.outer * cut.chunks * tiles; item += gridDim.x) {
    const int64_t column = item % tiles * width + place, part = item / tiles;
    const int64_t outer = part / cut.chunks, begin = part % cut.chunks * cut.chunk;
    const int64_t end = begin + cut.chunk < cut.rows ? begin + cut.chunk : cut.rows;
    Total total = op.start();
    if (column < cut.columns) {
#pragma unroll 4  // several reads are on their way at once
      for (int64_t row = begin + lane; row < end; row += lanes) op.add(total, outer, row, column);
    }
    of_thread[threadIdx.x] = total;
    __syncthreads();
    for (int half = lanes / 2; half > 0; half /= 2) {
      if (lane < half)
        of_thread[threadIdx.x] = op.join(of_thread[threadIdx.x], of_thread[threadIdx.x + unsigned(half * width)]);
      __syncthreads();
    }
    if (lane == 0 && column < cut.columns) {
      if (partial)
        partial[part * cut.columns + column] = of_thread[threadIdx.x];
      else
        op.finish(outer, column, of_thread[threadIdx.x]);
    }
    __syncthreads();  // of_thread is used again
  }
}

/// The second pass: the chunks' totals are the rows.
template <class Op>
struct JoinChunks : Op {
  using Total = typename Op::Total;
  const Total* partial;
  int64_t chunks, columns;

  JoinChunks(const Op& op, const Total* partial, const Cut& cut)
      : Op(op), partial(partial), chunks(cut.chunks), columns(cut.columns) {}
  __device__ void add(Total& total, int64_t outer, int64_t chunk, int64_t column) const {
    total = Op::join(total, partial[(outer * chunks + chunk) * columns + column]);
  }
};

/// `is_vector`: there is one column, as is known when the program is compiled.
template <bool is_vector, class Op>
void fold_pass(const Op& op, const Cut& cut, typename Op::Total* partial) {
  constexpr int64_t most_blocks = 65536;
  if (is_vector || cut.columns == 1) {
    const int64_t items = cut.outer * cut.chunks;
    launch(items < most_blocks ? items : most_blocks, cut.chunk <= 4 * warp ? warp : threads, fold_lines<Op>, op, cut,
           partial);
    return;
  }
  if constexpr (!is_vector) {
    // Wide tiles read whole lines of memory. Where few tiles are left, as in the second pass, narrow ones put more
    // blocks to work, and more threads on each column.
    constexpr int64_t enough_tiles = 64;
    const auto tiles = [&](int width) { return cut.outer * cut.chunks * ((cut.columns + width - 1) / width); };
    int width = 4;
    while (width < warp && width < cut.columns && tiles(2 * width) >= enough_tiles) width *= 2;
    const int64_t items = tiles(width);
    launch(items < most_blocks ? items : most_blocks, threads, fold_columns<Op>, op, cut, width, partial);
  }
}

/// Folds the middle axis of [outer, rows, columns].
template <bool is_vector = false, class Op>
void fold(const Op& op, int64_t outer, int64_t rows, int64_t columns) {
  if (outer * columns == 0) return;
  using Total = typename Op::Total;
  // A chunk is worth a block of its own from some rows on; more than a few hundred blocks need no further cuts.
  constexpr int64_t wanted_blocks = 512;
  const int64_t least_rows = columns == 1 ? 8 * threads : 64;
  const int64_t lines = outer * ((columns + warp - 1) / warp);
  const int64_t most = lines >= wanted_blocks ? 1 : wanted_blocks / lines;
  int64_t chunks = rows / least_rows < most ? rows / least_rows : most;
  chunks = chunks < 1 ? 1 : chunks;
  Cut cut{outer, rows, columns, (rows + chunks - 1) / chunks, chunks};
  if (chunks == 1) return fold_pass<is_vector>(op, cut, static_cast<Total*>(nullptr));
  Tensor partial =
      Tensor::empty({outer * chunks * columns * static_cast<int64_t>(sizeof(Total))}, DType::uint8, Device::cuda);
  fold_pass<is_vector>(op, cut, write<Total>(partial));
  fold_pass<is_vector>(JoinChunks<Op>(op, read<Total>(partial), cut), Cut{outer, chunks, columns, chunks, 1},
                       static_cast<Total*>(nullptr));
}

/// Folds all of a vector.
template <class Op>
void fold_vector(const Op& op, int64_t n) {
  fold</*is_vector=*/true>(op, 1, n, 1);
}

}  // namespace minima::core::cuda
#pragma GCC visibility pop
