// SPDX-License-Identifier: MIT
#include "core/storage.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "core/backend.h"

namespace minima {
namespace {
// Freed blocks are kept by size class and handed out again. A size class is a power of two or a quarter step between
// two of them, so that at most a fifth of a block is unused.
class CachingAllocator {
 public:
  explicit CachingAllocator(Device device) : device_(device) {}

  void* allocate(size_t bytes) {
    const size_t size = size_of_block(bytes);
    {
      std::lock_guard lock(mutex_);
      auto& blocks = free_[size];
      if (!blocks.empty()) {
        if (in_order_) std::pop_heap(blocks.begin(), blocks.end(), std::greater<>());
        void* block = blocks.back();
        blocks.pop_back();
        count(size, +1);
        return block;
      }
    }
    void* block = allocate_from_system(size);
    std::lock_guard lock(mutex_);
    count(size, +1);
    statistics_.bytes_reserved += static_cast<int64_t>(size);
    ++statistics_.system_allocations;
    return block;
  }

  void deallocate(void* block, size_t bytes) {
    const size_t size = size_of_block(bytes);
    std::lock_guard lock(mutex_);
    count(size, -1);
    if (caches_) {
      auto& blocks = free_[size];
      blocks.push_back(block);
      if (in_order_) std::push_heap(blocks.begin(), blocks.end(), std::greater<>());
    } else {
      core::backend(device_).deallocate(block);
      statistics_.bytes_reserved -= static_cast<int64_t>(size);
    }
  }

  void release_cached() {
    std::lock_guard lock(mutex_);
    for (auto& [size, blocks] : free_) {
      for (void* block : blocks) core::backend(device_).deallocate(block);
      statistics_.bytes_reserved -= static_cast<int64_t>(size * blocks.size());
      blocks.clear();
    }
  }

  MemoryStatistics statistics() {
    std::lock_guard lock(mutex_);
    return statistics_;
  }

  void reset_peak() {
    std::lock_guard lock(mutex_);
    statistics_.peak_bytes_in_use = statistics_.bytes_in_use;
  }

 private:
  // The size class, or what was asked for where nothing is kept.
  size_t size_of_block(size_t bytes) const {
    bytes = std::max<size_t>(bytes, caches_ ? 64 : 1);
    if (!caches_) return bytes;
    const size_t quarter = std::bit_floor(bytes) / 4;
    return (bytes + quarter - 1) / quarter * quarter;
  }

  // When the device is full, what other size classes hold in reserve may be enough.
  void* allocate_from_system(size_t size) {
    try {
      return core::backend(device_).allocate(size);
    } catch (const Error&) {
      release_cached();
      return core::backend(device_).allocate(size);
    }
  }

  void count(size_t size, int sign) {
    statistics_.live_tensors += sign;
    statistics_.bytes_in_use += sign * static_cast<int64_t>(size);
    statistics_.peak_bytes_in_use = std::max(statistics_.peak_bytes_in_use, statistics_.bytes_in_use);
  }

  const Device device_;
  // On the CPU the block that was freed last is the next to be used: it is in the cache. On the GPU it is the one with
  // the lowest address, so that equal steps get equal memory and can be kept as a graph (cuda/queue.cuh).
  const bool in_order_ = device_ != Device::cpu;
  // Without caching, tools that watch the memory (compute-sanitizer, valgrind) see where each tensor ends.
  const bool caches_ = !std::getenv("MINIMA_NO_CACHING");
  std::mutex mutex_;
  std::unordered_map<size_t, std::vector<void*>> free_;
  MemoryStatistics statistics_;
};

// Never destroyed: tensors with static lifetime may be freed after main.
CachingAllocator& allocator(Device device) {
  static CachingAllocator* allocators[] = {new CachingAllocator(Device::cpu), new CachingAllocator(Device::cuda)};
  return *allocators[static_cast<int>(device)];
}
}  // namespace

MemoryStatistics memory_statistics(Device device) { return allocator(device).statistics(); }
void reset_peak_memory(Device device) { allocator(device).reset_peak(); }
void release_cached_memory(Device device) { allocator(device).release_cached(); }

core::Storage::Storage(size_t bytes, Device device)
    : data_(static_cast<std::byte*>(allocator(device).allocate(bytes))), bytes_(bytes), device_(device) {}

core::Storage::~Storage() { allocator(device_).deallocate(data_, bytes_); }

}  // namespace minima
