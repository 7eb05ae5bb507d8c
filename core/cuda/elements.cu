// SPDX-License-Identifier: MIT
// Kernels over single elements: the scalar functions of elementwise.h, copies, and random numbers.
#include <cstring>

#include "core/cuda/cuda_backend.h"
#include "core/cuda/launch.cuh"
#include "core/distributions.h"

namespace minima::core {

using namespace cuda;

namespace {

template <class T>
struct Fill {
  T* out;
  T value;
  __device__ void operator()(int64_t i) const { out[i] = value; }
};

template <class From, class To>
struct Cast {
  const From* x;
  To* out;
  __device__ void operator()(int64_t i) const { out[i] = static_cast<To>(x[i]); }
};

template <class T, class F>
struct Unary {
  F f;
  const T* x;
  T* out;
  __device__ void operator()(int64_t i) const { out[i] = f(x[i]); }
};

/// Operands that are read one after the other, or one element of them again and again (a step of 0).
template <class T, class F>
struct Binary {
  F f;
  const T *x, *y;
  T* out;
  int x_step, y_step;
  __device__ void operator()(int64_t i) const { out[i] = f(x[i * x_step], y[i * y_step]); }
};

/// Where the elements of a row-major index lie in two strided tensors.
struct Strides {
  // The innermost axis comes first. The parts of the dividers lie apart: see add_to_queue.
  uint32_t divisor[max_rank] = {}, factor[max_rank] = {}, shift[max_rank] = {};
  int64_t first[max_rank] = {}, second[max_rank] = {};
  int64_t rank;

  Strides(const Shape& shape, const int64_t* first_strides, const int64_t* second_strides) : rank(shape.rank()) {
    for (int i = 0; i < rank; ++i) {
      const int axis = static_cast<int>(rank) - 1 - i;
      const Divider by(shape[axis]);
      divisor[i] = by.divisor, factor[i] = by.factor, shift[i] = by.shift;
      first[i] = first_strides[axis];
      second[i] = second_strides[axis];
    }
  }
  __device__ void locate(int64_t index, int64_t& at_first, int64_t& at_second) const {
    uint32_t rest = static_cast<uint32_t>(index);
#pragma unroll
    for (int i = 0; i < max_rank; ++i) {
      if (i >= rank) break;
      const uint32_t outer = Divider{divisor[i], factor[i], shift[i]}.divide(rest);
      const int64_t place = static_cast<int64_t>(rest - outer * divisor[i]);
      at_first += place * first[i];
      at_second += place * second[i];
      rest = outer;
    }
  }
};

template <class T, class F>
struct BinaryStrided {
  F f;
  const T *x, *y;
  T* out;
  Strides strides;
  __device__ void operator()(int64_t i) const {
    int64_t at_x = 0, at_y = 0;
    strides.locate(i, at_x, at_y);
    out[i] = f(x[at_x], y[at_y]);
  }
};

template <class T>
struct CopyStrided {
  const T* x;
  T* out;
  Strides strides;
  __device__ void operator()(int64_t i) const {
    int64_t from = 0, to = 0;
    strides.locate(i, from, to);
    out[to] = x[from];
  }
};

template <class T>
struct AddScaled {
  const double *alpha, *scale;  // on the device; the latter may be null
  const T *base, *x;
  T* out;
  __device__ void operator()(int64_t i) const { out[i] = base[i] + T(scale ? *alpha * *scale : *alpha) * x[i]; }
};

/// The numbers of a blend, which may change from step to step.
struct Shares {
  double keep, share;
};

template <class T>
struct Blend {
  const Shares* shares;  // on the device
  const double* x;       // or null
  T* out;
  __device__ void operator()(int64_t i) const {
    out[i] = static_cast<T>(shares->keep * static_cast<double>(out[i]) + shares->share * (x ? x[i] : 1));
  }
};

template <class T>
struct Random {
  Distribution distribution;
  uint64_t seed;
  const uint64_t* offset;  // on the device: where the stream of numbers has got to
  T a, b;
  T* out;
  int64_t n;
  __device__ void operator()(int64_t block) const {
    constexpr int lanes = per_block<T>;
    T values[lanes];
    draw(distribution, philox(seed, *offset + static_cast<uint64_t>(block)), a, b, values);
#pragma unroll
    for (int lane = 0; lane < lanes; ++lane)
      if (block * lanes + lane < n) out[block * lanes + lane] = values[lane];
  }
};

/// Calls f with an unsigned integer of this many bytes: a copy need not know what it copies.
template <class F>
void dispatch_size(size_t bytes, F&& f) {
  switch (bytes) {
    case 1: return f(uint8_t{});
    case 4: return f(uint32_t{});
    default: return f(uint64_t{});
  }
}

}  // namespace

void CudaBackend::fill(Tensor& out, double value) {
  dispatch_any(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for_each(out.numel(), Fill<T>{write<T>(out), T(value)});
  });
}

void CudaBackend::cast(const Tensor& x, Tensor& out) {
  const auto copy = [&](auto word) {
    using T = decltype(word);
    for_each(out.numel(), Cast<T, T>{read<T>(x), write<T>(out)});
  };
  if (x.dtype() == out.dtype()) return dispatch_size(size_of(x.dtype()), copy);
  dispatch_any(x.dtype(), [&](auto from) {
    dispatch_any(out.dtype(), [&](auto to) {
      using From = decltype(from);
      using To = decltype(to);
      if constexpr (!std::is_same_v<From, To>) for_each(out.numel(), Cast<From, To>{read<From>(x), write<To>(out)});
    });
  });
}

void CudaBackend::copy_block(const Shape& shape, const Tensor& x, const Block& from, Tensor& out, const Block& to) {
  const int64_t n = shape.numel();
  require_indexable("copy", n);
  dispatch_size(size_of(x.dtype()), [&](auto word) {
    using T = decltype(word);
    for_each(n, CopyStrided<T>{read<T>(x) + from.offset, write<T>(out) + to.offset,
                               Strides(shape, from.strides, to.strides)});
  });
}

void CudaBackend::unary(UnaryOp op, double a, double b, const Tensor& x, Tensor& out) {
  dispatch_floating(name_of(op), x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    visit<T>(op, a, b, [&](auto f) { for_each(out.numel(), Unary<T, decltype(f)>{f, read<T>(x), write<T>(out)}); });
  });
}

void CudaBackend::binary(BinaryOp op, const Broadcast& plan, const Tensor& x, const Tensor& y, Tensor& out) {
  const int64_t n = out.numel(), rank = plan.shape.rank();
  dispatch_floating(name_of(op), x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    visit<T>(op, [&](auto f) {
      using F = decltype(f);
      if (rank <= 1) {
        const auto step = [&](const int64_t* strides) { return rank == 0 ? 0 : static_cast<int>(strides[0]); };
        for_each(n, Binary<T, F>{f, read<T>(x), read<T>(y), write<T>(out), step(plan.a_strides), step(plan.b_strides)});
      } else {
        require_indexable(name_of(op), n);
        for_each(n, BinaryStrided<T, F>{f, read<T>(x), read<T>(y), write<T>(out),
                                        Strides(plan.shape, plan.a_strides, plan.b_strides)});
      }
    });
  });
}

void CudaBackend::add_scaled(const Tensor& base, double alpha, const Tensor& scale, const Tensor& x, Tensor& out) {
  dispatch_floating("add_scaled", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for_each(out.numel(), AddScaled<T>{queue().parameter(alpha), scale.defined() ? read<double>(scale) : nullptr,
                                       read<T>(base), read<T>(x), write<T>(out)});
  });
}

void CudaBackend::blend(double keep, double share, const Tensor& x, Tensor& out) {
  dispatch_any(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for_each(out.numel(),
             Blend<T>{queue().parameter(Shares{keep, share}), x.defined() ? read<double>(x) : nullptr, write<T>(out)});
  });
}

void CudaBackend::random(Distribution distribution, uint64_t seed, uint64_t offset, double a, double b, Tensor& out) {
  dispatch_floating("random", out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    constexpr int64_t lanes = per_block<T>;
    for_each((out.numel() + lanes - 1) / lanes,
             Random<T>{distribution, seed, queue().parameter(offset), T(a), T(b), write<T>(out), out.numel()});
  });
}

}  // namespace minima::core
