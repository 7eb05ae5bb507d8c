// What the parts of the emulated machine know of each other: memory (memory.cpp), streams (runtime.cpp), blocks of
// threads (blocks.cpp) and cuBLAS (cublas.cpp).
#pragma once

#include <cuda_runtime.h>

#include <functional>
#include <mutex>

#include "tests/emulation/emulation.h"

namespace minima::emulation {

// ---- memory.cpp

/// Null where the device is full.
void* allocate(size_t bytes);
void release(void* block);
bool is_device(const void* pointer);
/// Stops unless [pointer, pointer + bytes) lies in one live block.
void check_range(const void* pointer, size_t bytes, const char* what);
/// Stops if a kernel wrote behind its block.
void check_canaries();
void add_host_block(void* block, size_t bytes);
void remove_host_block(void* block);
bool is_pinned(const void* pointer);
void memory_info(size_t* free, size_t* total);

/// The host's code may touch device memory while one of these lives: it is device code then.
class DeviceAccess {
 public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

// ---- blocks.cpp

/// Runs all threads of a grid.
void run_grid(const dim3& grid, const dim3& block, const std::function<void()>& thread);

// ---- runtime.cpp

/// In which order things that have none are done.
enum class Order { forward, reverse, random };
Order order();
uint64_t random_number();
/// Calls may come from several threads of the host.
std::recursive_mutex& machine_mutex();
void enqueue(cudaStream_t stream, std::function<void()> work, bool is_kernel = false);
bool is_lost();

}  // namespace minima::emulation
