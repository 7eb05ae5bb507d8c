// SPDX-License-Identifier: MIT
// The one thread pool. Work is cut into chunks by its size alone, never by the number of threads, so that results are
// the same bits at any thread count. OpenBLAS runs single-threaded inside it. A build without threads
// (MINIMA_USE_THREADS=OFF) does the same work on the calling thread (parallel_off.cpp).
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

namespace minima {

/// Whether this build has threads.
bool has_threads();
/// Threads that kernels use, the caller included. The default is MINIMA_THREADS, else the CPUs this process may use
/// (affinity, and a container's quota).
int num_threads();
/// Changes the number of threads; n >= 1. Not while a kernel runs. Without threads, any n but 1 is an error.
void set_num_threads(int n);

namespace core {

/// Whether the caller is inside a parallel region, where further ones run serially.
bool in_parallel_region();

/// A number in [0, num_threads()) that no other thread of the running parallel region has; 0 outside.
int thread_index();

void run_chunks(int64_t count, void (*run)(void*, int64_t), void* context);

/// Calls body(chunk) for chunk = 0 .. count-1, on all threads, in no particular order; returns when all are done. As
/// far as it can be had, each thread gets neighbouring chunks, the same ones each time. From inside another parallel
/// region, or while another thread uses the pool, it runs serially.
template <class F>
void parallel_chunks(int64_t count, F&& body) {
  if (count <= 1) {
    if (count == 1) body(int64_t{0});
    return;
  }
  run_chunks(
      count, [](void* context, int64_t chunk) { (*static_cast<std::remove_reference_t<F>*>(context))(chunk); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

/// Calls body(begin, end) for consecutive ranges of `grain` items that cover 0 .. n.
template <class F>
void parallel_for(int64_t n, int64_t grain, F&& body) {
  parallel_chunks((n + grain - 1) / grain,
                  [&](int64_t chunk) { body(chunk * grain, std::min(n, (chunk + 1) * grain)); });
}

}  // namespace core
}  // namespace minima
