// SPDX-License-Identifier: MIT
// Memory and random numbers of the CPU backend.
#include "core/cpu/cpu_backend.h"

#include <atomic>
#include <cstdlib>
#include <cstring>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "core/distributions.h"

namespace minima::core {

namespace {
constexpr size_t alignment = 64;  // a cache line, and the widest vector

/// Asks for pages of 2 MiB in place of 4 KiB, where a block has room for one: a processor remembers the places of so
/// many pages only. A step of `cnn` takes 3 % less with them.
void ask_for_large_pages([[maybe_unused]] void* block, [[maybe_unused]] size_t bytes) {
#if defined(MADV_HUGEPAGE)
  constexpr uintptr_t page = 4096, large_page = 2 << 20;
  const auto begin = reinterpret_cast<uintptr_t>(block) / page * page;
  if (bytes >= large_page) madvise(reinterpret_cast<void*>(begin), bytes, MADV_HUGEPAGE);  // a wish; it may be refused
#endif
}
}  // namespace

// The system puts every large block at the same place of a page. A loop over several such blocks then meets the same
// few sets of the caches at each step, and a load waits for a store that only looks like its own: the update of weights
// takes a quarter longer. So each block begins some lines further into a page than the one before it. Where the
// system's own block begins stands in the line before.
void* CpuBackend::allocate(size_t bytes) {
  static std::atomic<size_t> blocks{0};
  size_t shift = alignment;
  if (bytes >= 1 << 14) shift += blocks.fetch_add(1, std::memory_order_relaxed) * 17 % 64 * alignment;
  void* start = std::aligned_alloc(alignment, (bytes + shift + alignment - 1) / alignment * alignment);
  if (!start)
    fail("allocate", text("a request for ", bytes, " bytes that the system refused"), "enough free memory",
         "Use a smaller batch or model.");
  ask_for_large_pages(start, bytes);
  std::byte* block = static_cast<std::byte*>(start) + shift;
  std::memcpy(block - alignment, &start, sizeof start);
  return block;
}

void CpuBackend::deallocate(void* block) {
  void* start = nullptr;
  std::memcpy(&start, static_cast<std::byte*>(block) - alignment, sizeof start);
  std::free(start);
}

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
