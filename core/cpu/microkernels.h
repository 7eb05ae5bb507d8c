// SPDX-License-Identifier: MIT
// The innermost loops of the fast kernels, as a table of functions. They are compiled once for each instruction set
// that minima knows (microkernels.inc, in namespaces baseline, avx2 and avx512); kernels() picks the best table that
// the processor at hand can run, so that one binary is fast everywhere. Not here: how a tensor is cut into the tiles
// that these functions compute (direct.cpp, winograd.cpp, gemm_tiles.cpp).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::core::cpu {

/// c = bias + sum over segments s and terms k of a(t, k) b(k): a small matrix product whose result, T rows t of a few
/// vectors, stays in registers throughout. A row of b is one row of the block's lanes; what is beyond `valid` lanes is
/// computed and not stored. All distances are in floats.
struct Product {
  const float* a;
  int64_t a_step;     ///< between rows t where terms lie side by side, between terms k where rows do
  int64_t a_segment;  ///< from one segment to the next
  const float* b;
  int64_t b_step, b_segment;
  int64_t terms, segments;
  float* c;
  int64_t c_step;
  int64_t valid;            ///< lanes of c
  const float* bias;        ///< `valid` numbers, added to each row; null: none
  const float* row_bias;    ///< or a number for each row; null: none
  bool accumulate = false;  ///< the result is added to c
  bool relu = false;        ///< negative results become 0
};
using ProductKernel = void (*)(const Product&);

/// y = F x F^T of small square tiles, each channel on its own, in two halves. F down the columns: element k of row i
/// lies at rows[i][k], and of the result at to[i * to_step + k], for `count` neighbouring pixels times channels.
using ColumnTransform = void (*)(const float* const* rows, int64_t count, float* to, int64_t to_step);
/// And F along the rows of one tile: element (i, j) lies at from + i * row_step + j * channels, and of the result at
/// to + (i * extent + j) * to_step, `channels` floats each.
using RowTransform = void (*)(const float* from, int64_t row_step, int64_t channels, float* to, int64_t to_step);
/// Both halves at once: element (i, j) lies at from[i * extent + j], and of the result at to + (i * extent' + j) *
/// to_step, `count` floats each.
using TileTransform = void (*)(const float* const* from, int64_t count, float* to, int64_t to_step);

/// The last transform of a convolution: it leaves an m x m tile of the image, clipped to rows x columns pixels.
struct TileOutput {
  const float* from;
  int64_t from_step;  ///< between the tile's elements, `channels` floats each
  int64_t channels;
  const float* bias;  ///< `channels` numbers or null
  bool relu;
  float* to;
  int64_t row_step, pixel_step, rows, columns;
  float* doubt;  ///< [channels]; NaN after a result, before relu, that is not finite
};

/// Winograd's algorithm F(m x m, 3 x 3), on tiles of n = m + 2 pixels a side (winograd.cpp has the algebra).
struct WinogradKernels {
  int64_t m;
  ColumnTransform input_columns;  ///< B^T x B:     n x n -> n x n
  RowTransform input_rows;
  TileTransform weight;               ///< G w G^T:     3 x 3 -> n x n
  void (*output)(const TileOutput&);  ///< A^T p A:     n x n -> m x m
  ColumnTransform gradient_columns;   ///< A y A^T:     m x m -> n x n, the transpose of output
  RowTransform gradient_rows;
  TileTransform weight_gradient;  ///< G^T p G:     n x n -> 3 x 3, the transpose of weight
  int64_t n() const { return m + 2; }
  int64_t elements() const { return n() * n(); }
};

/// The output channels of a product are cut into blocks of one, two or more vectors.
struct BlockKernels {
  int64_t lanes;                 ///< floats in a row of the block
  int64_t pays_from;             ///< with so many channels left it is faster than narrower blocks, though not all full
  int64_t rows;                  ///< T is 1 .. rows
  const ProductKernel* by_row;   ///< [T - 1]; a(t, k) = a[t * a_step + k]
  const ProductKernel* by_term;  ///< [T - 1]; a(t, k) = a[k * a_step + t]
};

struct Kernels {
  const char* name;
  BlockKernels blocks[3];  ///< from few lanes to many
  WinogradKernels winograd2, winograd4;
};

/// The table in use: of the best instruction set that the processor has, or of the one that MINIMA_ISA names.
const Kernels& kernels();
/// The instruction sets that the processor and this build have, the best first: of "avx512", "avx2" and "baseline".
std::vector<std::string> instruction_sets();
/// Changes the one in use; not while a kernel runs.
void set_instruction_set(const std::string& name);

namespace baseline {
extern const Kernels table;
}
namespace avx2 {
extern const Kernels table;
}
namespace avx512 {
extern const Kernels table;
}

}  // namespace minima::core::cpu
#pragma GCC visibility pop
