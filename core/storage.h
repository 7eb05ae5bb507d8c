// SPDX-License-Identifier: MIT
// Storage: reference-counted memory of one device, from a caching allocator.
// After the first training step the cache serves every request, so that a step makes no system allocation.
// Not here: shapes and types (tensor.h).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "core/dtype.h"
#include "core/pool.h"

namespace minima {

/// What the caching allocators of one device have done so far.
struct MemoryStatistics {
  int64_t live_tensors = 0;        ///< storages in use now
  int64_t bytes_in_use = 0;        ///< bytes handed out now
  int64_t peak_bytes_in_use = 0;   ///< the largest bytes_in_use since the last reset_peak_memory
  int64_t bytes_reserved = 0;      ///< bytes taken from the system, in use or cached
  int64_t system_allocations = 0;  ///< how often the system was asked
};
MemoryStatistics memory_statistics(Device device = Device::cpu);
void reset_peak_memory(Device device = Device::cpu);
/// Returns every cached block to the system.
void release_cached_memory(Device device = Device::cpu);

namespace core {

/// One block of memory. Tensors share it; `version` counts in-place changes, by which autograd notices that a
/// saved tensor was changed.
class Storage : public Pooled<Storage> {
 public:
  Storage(size_t bytes, Device device);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  Device device() const { return device_; }
  int64_t version() const { return version_.load(std::memory_order_relaxed); }
  void bump_version() { version_.fetch_add(1, std::memory_order_relaxed); }

  void retain() { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
  std::atomic<int64_t> version_{0};
  std::atomic<int32_t> references_{0};
  Device device_;
};

}  // namespace core
}  // namespace minima
