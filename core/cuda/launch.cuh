// SPDX-License-Identifier: MIT
// How kernels are started, and the loops and joins that they share. There is no <<<>>>: a kernel is started by a call
// that returns its error, and so the same sources are also compiled for the emulated device of tests/emulation/.
// Not here: the device itself (device.cuh).
#pragma once

#include <cuda_runtime.h>

#include "core/cuda/device.cuh"
#include "core/cuda/queue.cuh"
#include "core/host_device.h"

/// An array that the threads of a block share.
#ifndef MINIMA_SHARED
#define MINIMA_SHARED(T, name, n) __shared__ __align__(16) T name[n]
#endif

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::core::cuda {

inline constexpr int threads = 256;  ///< of a block, unless a kernel needs another number
inline constexpr int warp = 32;

/// Puts a kernel into the stream, now.
template <class... Parameters>
void enqueue_kernel(dim3 grid, int block_size, void (*kernel)(Parameters...), const Parameters&... arguments) {
  cudaLaunchConfig_t configuration{};
  configuration.gridDim = grid;
  configuration.blockDim = dim3(static_cast<unsigned>(block_size));
  configuration.stream = device().stream;
  MINIMA_CUDA(cudaLaunchKernelEx(&configuration, kernel, arguments...));
}

/// The arguments of a kernel side by side.
template <class... Parameters>
struct Arguments {};
template <class First, class... Rest>
struct Arguments<First, Rest...> {
  First first;
  Arguments<Rest...> rest;

  template <class F, class... Before>
  void unpack(F&& f, const Before&... before) const {
    if constexpr (sizeof...(Rest) == 0)
      f(before..., first);
    else
      rest.unpack(f, before..., first);
  }
};
template <class First, class... Rest>
Arguments<First, Rest...> pack(const First& first, const Rest&... rest) {
  if constexpr (sizeof...(Rest) == 0)
    return {first, {}};
  else
    return {first, pack(rest...)};
}

/// A kernel and all that it needs.
template <class... Parameters>
struct KernelCall {
  void (*kernel)(Parameters...);
  dim3 grid;
  int block_size;
  Arguments<Parameters...> arguments;

  static void enqueue(const void* call) {
    const KernelCall& self = *static_cast<const KernelCall*>(call);
    self.arguments.unpack(
        [&](const auto&... each) { enqueue_kernel(self.grid, self.block_size, self.kernel, each...); });
  }
};

/// Work for the queue: a struct with a static enqueue(). What lies between its members is set to 0, since its bytes are
/// compared. No argument of a kernel may contain an array of structs: there g++ 12 would set the wrong bytes to 0.
template <class Call>
void add_to_queue(Call call) {
  static_assert(std::is_trivially_copyable_v<Call> && alignof(Call) <= 16);
  __builtin_clear_padding(&call);
  queue().add(Call::enqueue, &call, sizeof call);
}

template <class... Parameters, class... Given>
void launch(dim3 grid, int block_size, void (*kernel)(Parameters...), const Given&... arguments) {
  add_to_queue(KernelCall<Parameters...>{kernel, grid, block_size, pack(static_cast<Parameters>(arguments)...)});
}

template <class... Parameters, class... Given>
void launch(int64_t blocks, int block_size, void (*kernel)(Parameters...), const Given&... arguments) {
  launch(dim3(static_cast<unsigned>(blocks)), block_size, kernel, arguments...);
}

/// Enough blocks for n threads' work, but no more than keep every processor busy: each thread then takes several turns.
inline int64_t blocks_for(int64_t n) {
  constexpr int64_t most = 4096;
  return n / threads >= most ? most : (n + threads - 1) / threads;
}

// The second bound lets a thread have 128 registers. Without one, ptxas may keep a kernel to 32 and spill.
template <class F>
__global__ void __launch_bounds__(threads, 2) for_each_kernel(int64_t n, F f) {
  const int64_t step = int64_t{gridDim.x} * threads;
  for (int64_t i = int64_t{blockIdx.x} * threads + threadIdx.x; i < n; i += step) f(i);
}

/// Calls f(i) for i = 0 .. n-1, each on a thread of its own. F is a struct that can be copied to the device.
template <class F>
void for_each(int64_t n, const F& f) {
  if (n > 0) launch(blocks_for(n), threads, for_each_kernel<F>, n, f);
}

/// n / divisor by a multiplication and a shift, for 0 <= n < 2^31: a division is slow on a GPU. (Granlund and
/// Montgomery, Division by Invariant Integers using Multiplication, 1994.)
struct Divider {
  uint32_t divisor = 1, factor = 1, shift = 0;

  Divider() = default;
  MINIMA_HOST_DEVICE Divider(uint32_t divisor, uint32_t factor, uint32_t shift)
      : divisor(divisor), factor(factor), shift(shift) {}
  explicit Divider(int64_t by) : divisor(static_cast<uint32_t>(by < 1 ? 1 : by)) {
    while ((uint64_t{1} << shift) < divisor) ++shift;
    factor = static_cast<uint32_t>(((uint64_t{1} << 32) * ((uint64_t{1} << shift) - divisor)) / divisor + 1);
  }
  MINIMA_HOST_DEVICE uint32_t divide(uint32_t n) const {
    return (static_cast<uint32_t>((uint64_t{n} * factor) >> 32) + n) >> shift;
  }
  /// The quotient; n becomes the remainder.
  MINIMA_HOST_DEVICE uint32_t split(uint32_t& n) const {
    const uint32_t quotient = divide(n);
    n -= quotient * divisor;
    return quotient;
  }
};

/// An error unless positions in a tensor, and some behind its end, fit 32 bits, as kernels that work out coordinates
/// need it.
inline void require_indexable(const char* where, int64_t numel) {
  constexpr int64_t most = 0x7fff0000;
  if (numel > most)
    fail(where, text("a tensor of ", numel, " elements on the GPU"), text("at most ", most, " of them"),
         "Use a smaller batch.");
}

/// All lanes of a warp get op over the values of all lanes, joined in one fixed order.
template <class Total, class Op>
__device__ Total join_warp(const Op& op, Total total) {
  for (int distance = warp / 2; distance > 0; distance /= 2)
    total = op.join(total, op.from_lane(total, static_cast<int>(threadIdx.x % warp) ^ distance));
  return total;
}

/// The elements of a tensor on the device, as T.
template <class T>
const T* read(const Tensor& tensor) {
  return reinterpret_cast<const T*>(tensor.raw());
}
template <class T>
T* write(Tensor& tensor) {
  return reinterpret_cast<T*>(tensor.raw());
}

}  // namespace minima::core::cuda
#pragma GCC visibility pop
