// SPDX-License-Identifier: MIT
// Kernels over single elements. The plan of a broadcast is walked row by row; each row is one loop that the compiler
// turns into vector instructions.
#include "core/cpu/cpu_backend.h"

namespace minima::core {
namespace {
using cpu::grain;

/// Calls body(row, a_offset, b_offset) for rows [begin, end) of the plan, a row being its innermost axis.
template <class F>
void walk_rows(const Broadcast& plan, int64_t begin, int64_t end, F&& body) {
  const int outer = plan.shape.rank() - 1;
  int64_t index[max_rank] = {}, a = 0, b = 0;
  int64_t rest = begin;
  for (int axis = outer - 1; axis >= 0; --axis) {
    index[axis] = rest % plan.shape[axis];
    rest /= plan.shape[axis];
    a += index[axis] * plan.a_strides[axis];
    b += index[axis] * plan.b_strides[axis];
  }
  for (int64_t row = begin; row < end; ++row) {
    body(row, a, b);
    for (int axis = outer - 1; axis >= 0; --axis) {
      a += plan.a_strides[axis];
      b += plan.b_strides[axis];
      if (++index[axis] < plan.shape[axis]) break;
      index[axis] = 0;
      a -= plan.shape[axis] * plan.a_strides[axis];
      b -= plan.shape[axis] * plan.b_strides[axis];
    }
  }
}

/// to[i] = f(from[i])
template <class From, class To, class F>
MINIMA_VECTOR_LOOP void map_row(F f, int64_t n, const From* from, To* to) {
  for (int64_t i = 0; i < n; ++i) to[i] = f(from[i]);
}

/// out[i] = f(x[i * x_stride], y[i * y_stride])
template <class T, class F>
MINIMA_VECTOR_LOOP void binary_row(F f, int64_t n, const T* x, int64_t x_stride, const T* y, int64_t y_stride, T* out) {
  if (x_stride == 1 && y_stride == 1) {
    for (int64_t i = 0; i < n; ++i) out[i] = f(x[i], y[i]);
  } else if (x_stride == 1 && y_stride == 0) {
    const T scalar = y[0];
    for (int64_t i = 0; i < n; ++i) out[i] = f(x[i], scalar);
  } else if (x_stride == 0 && y_stride == 1) {
    const T scalar = x[0];
    for (int64_t i = 0; i < n; ++i) out[i] = f(scalar, y[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) out[i] = f(x[i * x_stride], y[i * y_stride]);
  }
}

template <class T, class F>
void binary_kernel(F f, const Broadcast& plan, const T* x, const T* y, T* out) {
  if (plan.shape.rank() == 0) {
    *out = f(*x, *y);
    return;
  }
  const int64_t n = plan.shape.numel(), inner = plan.shape[-1];
  if (n == 0) return;
  const int last = plan.shape.rank() - 1;
  const int64_t x_stride = plan.a_strides[last], y_stride = plan.b_strides[last];
  if (n == inner) {
    parallel_for(n, grain, [&](int64_t begin, int64_t end) {
      binary_row(f, end - begin, x + begin * x_stride, x_stride, y + begin * y_stride, y_stride, out + begin);
    });
  } else {
    parallel_for(n / inner, cpu::grain_of(inner), [&](int64_t begin, int64_t end) {
      walk_rows(plan, begin, end, [&](int64_t row, int64_t a, int64_t b) {
        binary_row(f, inner, x + a, x_stride, y + b, y_stride, out + row * inner);
      });
    });
  }
}
}  // namespace

void CpuBackend::fill(Tensor& out, double value) {
  dispatch_any(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* to = cpu::write<T>(out);
    parallel_for(out.numel(), grain, [&](int64_t begin, int64_t end) { std::fill(to + begin, to + end, T(value)); });
  });
}

void CpuBackend::cast(const Tensor& x, Tensor& out) {
  dispatch_any(x.dtype(), [&](auto from_zero) {
    dispatch_any(out.dtype(), [&](auto to_zero) {
      using From = decltype(from_zero);
      using To = decltype(to_zero);
      const From* from = cpu::read<From>(x);
      To* to = cpu::write<To>(out);
      parallel_for(out.numel(), grain, [&](int64_t begin, int64_t end) {
        map_row([](From x) { return static_cast<To>(x); }, end - begin, from + begin, to + begin);
      });
    });
  });
}

void CpuBackend::unary(UnaryOp op, double a, double b, const Tensor& x, Tensor& out) {
  dispatch_floating(name_of(op), x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = cpu::read<T>(x);
    T* to = cpu::write<T>(out);
    visit<T>(op, a, b, [&](auto f) {
      parallel_for(out.numel(), grain,
                   [&](int64_t begin, int64_t end) { map_row(f, end - begin, from + begin, to + begin); });
    });
  });
}

void CpuBackend::binary(BinaryOp op, const Broadcast& plan, const Tensor& x, const Tensor& y, Tensor& out) {
  dispatch_floating(name_of(op), x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    visit<T>(op, [&](auto f) { binary_kernel(f, plan, cpu::read<T>(x), cpu::read<T>(y), cpu::write<T>(out)); });
  });
}

void CpuBackend::add_scaled(const Tensor& base, double alpha, const Tensor& scale, const Tensor& x, Tensor& out) {
  if (scale.defined()) alpha *= *cpu::read<double>(scale);
  dispatch_floating("add_scaled", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T *start = cpu::read<T>(base), *from = cpu::read<T>(x);
    T* to = cpu::write<T>(out);
    const T factor = T(alpha);
    parallel_for(out.numel(), grain, [&](int64_t begin, int64_t end) {
      cpu::add_scaled_line(start + begin, factor, from + begin, end - begin, to + begin);
    });
  });
}

void CpuBackend::blend(double keep, double share, const Tensor& x, Tensor& out) {
  const double* from = x.defined() ? cpu::read<double>(x) : nullptr;
  dispatch_any(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* to = cpu::write<T>(out);
    for (int64_t i = 0; i < out.numel(); ++i)
      to[i] = static_cast<T>(keep * static_cast<double>(to[i]) + share * (from ? from[i] : 1));
  });
}

}  // namespace minima::core
