// Kernels over rows: argmax, gather and scatter, softmax.
#include <cmath>
#include <cstring>

#include "core/cpu/cpu_backend.h"

namespace minima {
namespace {

template <class T>
int64_t argmax_row(const T* x, int64_t n) {
  int64_t best = 0;
  for (int64_t i = 1; i < n; ++i)
    if (x[i] > x[best] || (x[i] != x[i] && x[best] == x[best])) best = i;
  return best;
}

/// (log-)softmax of one row, free of overflow: the largest element is taken off first.
template <class T>
void softmax_row(bool log, const T* x, int64_t n, T* out) {
  T largest = x[0];
  for (int64_t i = 1; i < n; ++i) largest = x[i] > largest || x[i] != x[i] ? x[i] : largest;
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    out[i] = std::exp(x[i] - largest);
    sum += static_cast<double>(out[i]);
  }
  if (log) {
    const T log_sum = static_cast<T>(std::log(sum));
    for (int64_t i = 0; i < n; ++i) out[i] = x[i] - largest - log_sum;
  } else {
    const T scale = static_cast<T>(1 / sum);
    for (int64_t i = 0; i < n; ++i) out[i] *= scale;
  }
}

}  // namespace

void CpuBackend::argmax(const Tensor& x, Tensor& out) {
  dispatch_floating("argmax", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t rows = x.size(0), columns = x.size(1);
    const T* from = cpu::read<T>(x);
    int64_t* to = cpu::write<int64_t>(out);
    parallel_for(rows, cpu::grain_of(columns), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) to[i] = argmax_row(from + i * columns, columns);
    });
  });
}

void CpuBackend::gather_rows(const Tensor& x, const Tensor& indices, Tensor& out) {
  const int64_t count = indices.numel();
  if (out.numel() == 0) return;
  const int64_t columns = out.numel() / count;
  const size_t row_bytes = static_cast<size_t>(columns) * size_of(x.dtype());
  const int64_t* index = cpu::read<int64_t>(indices);
  const std::byte* from = x.raw();
  std::byte* to = out.raw();
  parallel_for(count, cpu::grain_of(columns), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      std::memcpy(to + static_cast<size_t>(i) * row_bytes, from + static_cast<size_t>(index[i]) * row_bytes, row_bytes);
  });
}

void CpuBackend::scatter_rows(const Tensor& x, const Tensor& indices, Tensor& out) {
  fill(out, 0);
  const int64_t count = indices.numel();
  if (x.numel() == 0) return;
  const int64_t columns = x.numel() / count;
  const int64_t* index = cpu::read<int64_t>(indices);
  dispatch_floating("scatter_rows", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = cpu::read<T>(x);
    T* to = cpu::write<T>(out);
    // Threads share the columns, not the rows: every sum is in the order of the indices.
    parallel_for(columns, cpu::grain_of(count), [&](int64_t begin, int64_t end) {
      for (int64_t i = 0; i < count; ++i)
        for (int64_t j = begin; j < end; ++j) to[index[i] * columns + j] += from[i * columns + j];
    });
  });
}

void CpuBackend::softmax(bool log, const Tensor& x, Tensor& out) {
  if (x.numel() == 0) return;
  dispatch_floating("softmax", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t rows = x.size(0), columns = x.size(1);
    const T* from = cpu::read<T>(x);
    T* to = cpu::write<T>(out);
    parallel_for(rows, cpu::grain_of(8 * columns), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) softmax_row(log, from + i * columns, columns, to + i * columns);
    });
  });
}

}  // namespace minima
