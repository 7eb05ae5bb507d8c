// Memory and random numbers of the CPU backend.
#include "core/cpu/cpu_backend.h"

#include <cstdlib>
#include <cstring>

#include "core/distributions.h"

namespace minima::core {

void* CpuBackend::allocate(size_t bytes) {
  constexpr size_t alignment = 64;  // a cache line, and the widest vector
  void* block = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (!block)
    fail("allocate", text("a request for ", bytes, " bytes that the system refused"), "enough free memory",
         "Use a smaller batch or model.");
  return block;
}

void CpuBackend::deallocate(void* block) { std::free(block); }

void CpuBackend::copy_to_host(const void* source, void* target, size_t bytes) {
  if (bytes > 0) std::memcpy(target, source, bytes);
}

void CpuBackend::copy_from_host(const void* source, void* target, size_t bytes) {
  if (bytes > 0) std::memcpy(target, source, bytes);
}

void CpuBackend::random(Distribution distribution, uint64_t seed, uint64_t offset, double a, double b, Tensor& out) {
  dispatch_floating("random", out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    constexpr int64_t lanes = per_block<T>;
    T* to = cpu::write<T>(out);
    const int64_t n = out.numel();
    parallel_for((n + lanes - 1) / lanes, 1024, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        T values[lanes];
        draw(distribution, philox(seed, offset + static_cast<uint64_t>(i)), T(a), T(b), values);
        std::memcpy(to + i * lanes, values, static_cast<size_t>(std::min(lanes, n - i * lanes)) * sizeof(T));
      }
    });
  });
}

}  // namespace minima::core
