// SPDX-License-Identifier: MIT
// Matrix products of float32 by the innermost loops that convolution has too (microkernels.h), for any processor.
// k is cut into pieces. Of each piece, b is packed into panels [piece][lanes], block after block of columns; the part
// of a that belongs to some rows is left where it lies, or copied where its rows would fall on the same lines of the
// first-level cache. Then for each block of columns, whose panel stays in the cache: the tiles of rows.
#include "core/cpu/convolution.h"
#include "core/gemm.h"

namespace minima::core {
namespace {
using namespace cpu;
constexpr int64_t piece = 384;       // a panel of 32 lanes: 48 KB
constexpr int64_t row_piece = 224;   // rows of a that are multiplied by one panel after the other
constexpr int64_t bad_stride = 512;  // floats: tiles of rows so far apart do not fit the first-level cache together
constexpr int64_t skew = 16;

/// to [terms][lanes] = columns of b.
void pack_panel(const ChannelBlock& block, bool transposed, int64_t terms, const float* b, int64_t ldb, float* to) {
  if (transposed) {
    for (int64_t l = 0; l < block.lanes; ++l)
      for (int64_t k = 0; k < terms; ++k) to[k * block.lanes + l] = l < block.valid ? b[l * ldb + k] : 0;
  } else {
    for (int64_t k = 0; k < terms; ++k, b += ldb, to += block.lanes) {
      std::copy_n(b, block.valid, to);
      std::fill_n(to + block.valid, block.lanes - block.valid, 0.f);
    }
  }
}
}  // namespace

void gemm_tiles(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float* a, int64_t lda,
                const float* b, int64_t ldb, bool accumulate, float* c, int64_t ldc) {
  if (k == 0 && !accumulate)
    for (int64_t i = 0; i < m; ++i) std::fill_n(c + i * ldc, n, 0.f);
  const int64_t padded = padded_channels(n);
  const bool copy_a = !transpose_a && lda % bad_stride == 0 && m > 1;
  Tensor panels = Tensor::empty({std::min(k, piece) * padded});
  Tensor rows = Tensor::empty({copy_a ? std::min(m, row_piece) * (piece + skew) : 0});
  for (int64_t k0 = 0; k0 < k; k0 += piece) {
    const int64_t terms = std::min(piece, k - k0);
    for_each_block(n, [&](const ChannelBlock& block) {
      const float* columns = b + (transpose_b ? block.first * ldb + k0 : k0 * ldb + block.first);
      pack_panel(block, transpose_b, terms, columns, ldb, write<float>(panels) + block.first * terms);
    });
    for (int64_t m0 = 0; m0 < m; m0 += row_piece) {
      const int64_t count = std::min(row_piece, m - m0);
      const float* from = a + (transpose_a ? k0 * lda + m0 : m0 * lda + k0);
      int64_t step = lda;
      if (copy_a) {
        step = terms + skew;
        for (int64_t i = 0; i < count; ++i) std::copy_n(from + i * lda, terms, write<float>(rows) + i * step);
        from = read<float>(rows);
      }
      for_each_block(n, [&](const ChannelBlock& block) {
        Product job{};
        job.a = from, job.a_step = step;
        job.b = read<float>(panels) + block.first * terms, job.b_step = block.lanes;
        job.terms = terms, job.segments = 1;
        job.c = c + m0 * ldc + block.first, job.c_step = ldc, job.valid = block.valid;
        job.accumulate = accumulate || k0 > 0;
        run_tiles(block, !transpose_a, count, transpose_a ? 1 : step, job);
      });
    }
  }
}

}  // namespace minima::core
