// SPDX-License-Identifier: MIT
// The way back through a bias and a relu in one pass: the gradient where the result is positive, and its column sums.
#include "core/cpu/cpu_backend.h"

namespace minima::core {
namespace {
using cpu::row_block, cpu::row_groups;
constexpr int64_t column_tile = 1024;  // their sums stay in the first-level cache
constexpr int64_t short_row = 64;

/// Several rows of few columns count as one long row, whose loops are worth vector instructions.
int64_t long_row(int64_t columns) { return columns * std::max<int64_t>(1, short_row / columns); }

/// Elements [begin, end) of y = relu(z + bias), with `columns` a row. `sums` [columns] gets the column sums, unless it
/// is null.
template <class T>
MINIMA_VECTOR_LOOP void relu_backward_rows(int64_t begin, int64_t end, int64_t columns, const T* grad, const T* y,
                                           T* out, double* sums) {
  for (int64_t first = 0; first < columns; first += column_tile) {
    const int64_t width = std::min(column_tile, columns - first);
    double total[column_tile] = {};
    for (int64_t row = begin + first; row < end; row += row_block * columns) {
      T sum[column_tile] = {};
      for (int64_t at = row; at < std::min(end, row + row_block * columns); at += columns) {
        const int64_t n = std::min(width, end - at);
#pragma GCC ivdep
        for (int64_t j = 0; j < n; ++j) {
          const T gradient = grad[at + j], value = y[at + j] > 0 ? gradient : T(0);
          out[at + j] = value;
          sum[j] += value;
        }
      }
      for (int64_t j = 0; j < width; ++j) total[j] += static_cast<double>(sum[j]);
    }
    if (sums) std::copy(total, total + width, sums + first);
  }
}
}  // namespace

void CpuBackend::relu_backward(const Tensor& grad, const Tensor& y, Tensor& out, Tensor& grad_bias) {
  if (out.numel() == 0) {
    if (grad_bias.defined()) fill(grad_bias, 0);
    return;
  }
  dispatch_floating("relu_backward", out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t bias = out.size(-1), n = out.numel(), columns = long_row(bias), rows = (n + columns - 1) / columns;
    const int64_t size = std::max((rows + row_groups - 1) / row_groups, cpu::grain_of(columns));
    const int64_t groups = (rows + size - 1) / size;
    Tensor partial = grad_bias.defined() ? Tensor::empty({groups, columns}, DType::float64) : Tensor();
    double* sums = partial.defined() ? cpu::write<double>(partial) : nullptr;
    parallel_for(rows, size, [&](int64_t begin, int64_t end) {
      relu_backward_rows(begin * columns, std::min(n, end * columns), columns, cpu::read<T>(grad), cpu::read<T>(y),
                         cpu::write<T>(out), sums ? sums + begin / size * columns : nullptr);
    });
    if (!sums) return;
    for (int64_t at = bias; at < groups * columns; at += bias)
      for (int64_t j = 0; j < bias; ++j) sums[j] += sums[at + j];
    for (int64_t j = 0; j < bias; ++j) cpu::write<T>(grad_bias)[j] = static_cast<T>(sums[j]);
  });
}

}  // namespace minima::core
