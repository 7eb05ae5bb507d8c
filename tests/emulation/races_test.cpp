// The race detector against a barrier that is missing: it must name it, whatever the order of the threads. Compiled
// with the detector, as the kernels are; each kernel runs in a process of its own.
#include <cuda_runtime.h>

#include <string>

#include "tests/emulation/child.h"

// The first race ends the process.
extern "C" const char* __tsan_default_options() { return "halt_on_error=1:exitcode=66"; }

namespace {

/// The threads of a block hand numbers on through shared memory, twice. The second time they may overwrite what another
/// warp has not read yet.
__global__ void pass_on(float* to, bool with_barrier) {
  MINIMA_SHARED(float, line, 64);
  const unsigned other = (threadIdx.x + 32) % 64;
  float sum = 0;
  for (int round = 0; round < 2; ++round) {
    line[threadIdx.x] = 1;
    __syncthreads();
    sum += line[other];
    if (with_barrier) __syncthreads();
  }
  to[threadIdx.x] = sum;
}

/// No barrier at all: the other warp reads what may not be written yet.
__global__ void read_too_early(float* to, bool with_barrier) {
  MINIMA_SHARED(float, line, 64);
  line[threadIdx.x] = 1;
  if (with_barrier) __syncthreads();
  to[threadIdx.x] = line[(threadIdx.x + 32) % 64];
}

/// The same in the device's memory.
__global__ void read_beside(float* to, bool with_barrier) {
  to[threadIdx.x] = 1;
  if (with_barrier) __syncthreads();
  if (threadIdx.x < 32) to[64 + threadIdx.x] = to[threadIdx.x + 32];
}

std::pair<int, std::string> outcome(void (*kernel)(float*, bool), bool with_barrier) {
  return minima::test::outcome_in_child([=] {
    cudaStream_t stream;
    float* to;
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    cudaMalloc(reinterpret_cast<void**>(&to), 128 * sizeof *to);
    cudaLaunchConfig_t configuration{};
    configuration.gridDim = 3;
    configuration.blockDim = 64;
    configuration.stream = stream;
    for (int i = 0; i < 2; ++i) cudaLaunchKernelEx(&configuration, kernel, to, with_barrier);
    cudaDeviceSynchronize();
  });
}

}  // namespace

TEST_CASE("a missing barrier is a data race, and one that is there is none") {
  for (const auto kernel : {pass_on, read_too_early, read_beside}) {
    const auto [good, nothing] = outcome(kernel, true);
    CHECK_MESSAGE(good == 0, nothing);
    const auto [bad, said] = outcome(kernel, false);
    CAPTURE(said);
    CHECK(bad == 66);
    CHECK(minima::test::contains(said, "data race"));
    CHECK(minima::test::contains(said, "races_test.cpp"));  // it names the line
  }
}
