#include <thread>

#include "core/parallel.h"
#include "core/storage.h"
#include "tests/core/naive.h"

using namespace minima;
using namespace minima::test;

namespace {

/// Something like a training step: every family of kernels, with temporaries.
void step() {
  const Tensor x = numbers({8, 20, 20, 3}), weight = numbers({16, 3, 3, 3});
  const Tensor y = core::conv2d(x, weight, Tensor(), 1, 1);
  core::conv2d_transpose(y, weight, x.shape(), 1, 1);
  core::conv2d_correlate(x, y, weight.shape(), 1, 1);
  const auto [pooled, positions] = core::max_pool2d(y, {2, 2, 2, 0});
  const core::Moments moments = core::channel_moments(pooled);
  core::normalise(pooled, moments, numbers({16}), numbers({16}), 1e-5);
  core::normalise_backward(pooled, pooled, moments, numbers({16}), numbers({16}), 1e-5);
  const Tensor flat = pooled.reshape({8, -1});
  core::log_softmax(core::matmul(flat, flat, false, true));
  core::sum(core::permute(flat, {1, 0}));
}

}  // namespace

TEST_CASE("the second time, no kernel asks the system for memory, at one thread or more") {
  const int before = num_threads();
  for (const int threads : {1, 2, 3}) {
    set_num_threads(has_threads() ? threads : 1);
    step();
    const int64_t system = memory_statistics().system_allocations;
    for (int i = 0; i < 5; ++i) step();
    CHECK(memory_statistics().system_allocations == system);
  }
  set_num_threads(before);
}

TEST_CASE("the live counter follows tensors and returns to where it was") {
  const MemoryStatistics before = memory_statistics();
  {
    const Tensor x = Tensor::zeros({1000}), view = x.slice(0, 10), copy = x;
    CHECK(memory_statistics().live_tensors == before.live_tensors + 1);
    const Tensor y = x.clone();
    CHECK(memory_statistics().live_tensors == before.live_tensors + 2);
    CHECK(memory_statistics().bytes_in_use >= before.bytes_in_use + 8000);
    step();
    CHECK(memory_statistics().live_tensors == before.live_tensors + 2);
  }
  CHECK(memory_statistics().live_tensors == before.live_tensors);
  CHECK(memory_statistics().bytes_in_use == before.bytes_in_use);
}

TEST_CASE("the peak is the largest use since its last reset") {
  reset_peak_memory();
  const int64_t start = memory_statistics().bytes_in_use;
  CHECK(memory_statistics().peak_bytes_in_use == start);
  { const Tensor x = Tensor::zeros({1 << 20}); }
  const int64_t peak = memory_statistics().peak_bytes_in_use;
  CHECK(peak >= start + (4 << 20));
  { const Tensor x = Tensor::zeros({1 << 10}); }
  CHECK(memory_statistics().peak_bytes_in_use == peak);
}

TEST_CASE("cached memory goes back to the system on request, memory in use does not") {
  const Tensor kept = counting({5000}, DType::float32);
  { const Tensor x = Tensor::zeros({1 << 20}); }
  release_cached_memory();
  const MemoryStatistics after = memory_statistics();
  CHECK(after.bytes_reserved == after.bytes_in_use);
  CHECK(kept.at(4999) == 4999);
}

TEST_CASE("a tensor made on one thread may be freed on another") {
  const int64_t live = memory_statistics().live_tensors;
  Tensor made;
  std::thread([&] { made = counting({1000}, DType::float64); }).join();
  CHECK(made.at(999) == 999);
  std::thread([moved = std::move(made)] { CHECK(moved.at(1) == 1); }).join();
  CHECK(memory_statistics().live_tensors == live);
}

TEST_CASE("memory is aligned for vectors and cache lines") {
  for (const int64_t n : {1, 3, 100, 5000}) CHECK(reinterpret_cast<uintptr_t>(Tensor::zeros({n}).raw()) % 64 == 0);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // their allocators end the process instead
TEST_CASE("a request that no machine can serve is an error, and costs nothing afterwards") {
  const MemoryStatistics before = memory_statistics();
  CHECK_ERROR(Tensor::empty({int64_t{1} << 55}), "Use a smaller batch or model");
  CHECK(memory_statistics().live_tensors == before.live_tensors);
  CHECK(memory_statistics().bytes_in_use == before.bytes_in_use);
}
#endif
