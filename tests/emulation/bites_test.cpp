// The emulated device against bugs that were planted: it must stop each of them, and say why. Each bug runs in a
// process of its own.
#include <cublas_v2.h>
#include <cuda_runtime.h>

#include <string>

#include "tests/emulation/child.h"
#include "tests/emulation/emulation.h"

namespace emulation = minima::emulation;

namespace {

cudaStream_t stream;
float *a, *b;  // 100 and 125 elements
cublasHandle_t blas;

template <class... Parameters, class... Arguments>
void launch(unsigned blocks, unsigned threads, void (*kernel)(Parameters...), Arguments... arguments) {
  cudaLaunchConfig_t configuration{};
  configuration.gridDim = blocks;
  configuration.blockDim = threads;
  configuration.stream = stream;
  if (cudaLaunchKernelEx(&configuration, kernel, arguments...) != cudaSuccess)
    emulation::stop("the launch was refused");
}

__global__ void write_all(float* x, int n) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) x[i] = 1;
}
__global__ void write_before(float* x) { x[-1] = 1; }
__global__ void barrier_for_some(float* x) {
  if (threadIdx.x < 32)
    __syncthreads();
  else
    *x = 1;
}
__global__ void two_barriers(float*) {
  if (threadIdx.x < 32)
    __syncthreads();
  else
    __syncthreads();
}
__global__ void shuffle_of_some(float* x) {
  if (threadIdx.x >= 5) x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1.0f, 1);
}
__global__ void shared_overrun(float* x) {
  MINIMA_SHARED(float, line, 8);
  line[threadIdx.x] = 1;
  __syncthreads();
  x[threadIdx.x] = line[threadIdx.x];
}
__global__ void too_much_shared(float* x) {
  MINIMA_SHARED(float, first, 8000);
  MINIMA_SHARED(float, second, 8000);
  x[0] = first[0] + second[0];
}
struct Holder {
  int n;
  const float* x;
};
__global__ void copy_held(Holder holder, float* to) { *to = *holder.x; }

void multiply(int m, int n, int k, int lda, int ldb, int ldc, const float* alpha) {
  const float zero = 0;
  if (cublasSgemm(blas, CUBLAS_OP_N, CUBLAS_OP_N, m, n, k, alpha, a, lda, b, ldb, &zero, b, ldc) !=
      CUBLAS_STATUS_SUCCESS)
    emulation::stop("cuBLAS refused its arguments");
}

const float one = 1;

struct Bug {
  const char* name;
  const char* message;
  void (*run)();
};

const Bug bugs[] = {
    {"the host reads device memory", "code of the host touched device memory",
     [] {
       volatile float read = *a;
       (void)read;
     }},
    {"a kernel gets a pointer of the host", "a pointer of the host",
     [] {
       float x[64];
       launch(1, 64, write_all, static_cast<float*>(x), 64);
     }},
    {"a struct holds a pointer of the host", "a pointer of the host",
     [] {
       static float x;
       launch(1, 1, copy_held, Holder{1, &x}, a);
     }},
    {"one element too many is written", "wrote behind a block of 400 bytes", [] { launch(1, 128, write_all, a, 101); }},
    {"one element before the block is written", "wrote before a block of 400 bytes",
     [] {
       launch(1, 1, write_before, a);
       cudaFreeAsync(a, stream);
     }},
    {"many elements too many are written", "memory outside its blocks", [] { launch(40, 128, write_all, a, 5000); }},
    {"a freed block is used", "points into a block that was freed",
     [] {
       cudaFree(a);
       launch(1, 1, write_all, a, 1);
     }},
    {"a block is used after it was freed in the stream", "or a block that was freed",
     [] {
       cudaFreeAsync(a, stream);
       launch(1, 1, write_all, a, 1);
     }},
    {"a freed block is set", "points into no live block",
     [] {
       cudaFree(a);
       cudaMemsetAsync(a, 0, 4, stream);
     }},
    {"a block is freed twice", "freed twice",
     [] {
       cudaFree(a);
       cudaFree(a);
     }},
    {"some threads miss a barrier", "is reached by 32 of 64 threads", [] { launch(1, 64, barrier_for_some, a); }},
    {"threads wait at different barriers", "wait at different barriers", [] { launch(1, 64, two_barriers, a); }},
    {"some lanes miss a shuffle", "names lane 0", [] { launch(1, 32, shuffle_of_some, a); }},
    {"a shared array is overrun", "behind a shared array of 32 bytes", [] { launch(1, 9, shared_overrun, a); }},
    {"a block asks for too much shared memory", "more than 48 KiB", [] { launch(1, 1, too_much_shared, a); }},
    {"a block has too many threads", "the launch was refused", [] { launch(1, 1025, write_all, a, 1); }},
    {"a grid has no blocks", "the launch was refused", [] { launch(0, 32, write_all, a, 1); }},
    {"a product reads behind A", "gemm: A", [] { multiply(10, 10, 11, 10, 11, 10, &one); }},
    {"a leading dimension is too small", "cuBLAS refused", [] { multiply(10, 5, 5, 9, 5, 10, &one); }},
    {"a scalar lies where the pointer mode does not say", "the pointer mode", [] { multiply(5, 5, 5, 5, 5, 5, a); }},
    {"a copy is longer than its target", "overrun a block of 400",
     [] {
       float x[200] = {};
       cudaMemcpyAsync(a, x, sizeof x, cudaMemcpyHostToDevice, stream);
     }},
};

/// How a process ends that runs a bug, and what it says.
std::pair<int, std::string> outcome(void (*run)()) {
  return minima::test::outcome_in_child([run] {
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    cudaMalloc(reinterpret_cast<void**>(&a), 400);
    cudaMalloc(reinterpret_cast<void**>(&b), 500);
    cublasCreate(&blas);
    cublasSetStream(blas, stream);
    run();
    cudaDeviceSynchronize();
  });
}

/// A sum over a block, twice, without the barrier that keeps the second from overwriting what the first still reads.
__global__ void sum_twice(float* to, bool with_barrier) {
  MINIMA_SHARED(float, of_warp, 4);
  float sums[2];
  for (int round = 0; round < 2; ++round) {
    float value = static_cast<float>(threadIdx.x + 1) * (round == 0 ? 1.0f : -1.0f);
    for (int distance = 16; distance > 0; distance /= 2) value += __shfl_xor_sync(0xffffffffu, value, distance);
    if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = value;
    __syncthreads();
    sums[round] = of_warp[0] + of_warp[1] + of_warp[2] + of_warp[3];
    if (with_barrier) __syncthreads();
  }
  to[threadIdx.x] = sums[0] + sums[1];
}

bool sums_are_right(bool with_barrier) {
  float to[128] = {};
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  cudaMalloc(reinterpret_cast<void**>(&a), sizeof to);
  launch(1, 128, sum_twice, a, with_barrier);
  cudaMemcpyAsync(to, a, sizeof to, cudaMemcpyDeviceToHost, stream);
  cudaStreamSynchronize(stream);
  for (const float each : to)
    if (each != 0) return false;
  return true;
}

/// Two uploads through one place on the device, as core/cuda/device.cu does them: on a stream of their own into the
/// place, and from there, in the stream of the kernels, to where kernels read. Whether the right numbers arrived. The
/// fetch waits for the upload, and the next upload for the fetch; a bug leaves one of these out.
bool uploads_arrive(bool fetch_waits, bool upload_waits, bool kernels_come_first) {
  cudaStream_t bus, other;
  cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking);
  cudaStreamCreateWithFlags(&bus, cudaStreamNonBlocking);
  stream = other;
  if (!kernels_come_first) std::swap(stream, bus);
  cudaEvent_t sent, fetched;
  cudaEventCreateWithFlags(&sent, cudaEventDisableTiming);
  cudaEventCreateWithFlags(&fetched, cudaEventDisableTiming);
  float* host;
  float *place, *to;
  cudaHostAlloc(reinterpret_cast<void**>(&host), 2 * sizeof *host, cudaHostAllocDefault);
  cudaMalloc(reinterpret_cast<void**>(&place), sizeof *place);
  cudaMalloc(reinterpret_cast<void**>(&to), 2 * sizeof *to);
  for (int i = 0; i < 2; ++i) {
    host[i] = static_cast<float>(5 + i);
    if (upload_waits) cudaStreamWaitEvent(bus, fetched);
    cudaMemcpyAsync(place, host + i, sizeof *host, cudaMemcpyHostToDevice, bus);
    cudaEventRecord(sent, bus);
    if (fetch_waits) cudaStreamWaitEvent(stream, sent);
    launch(1, 1, copy_held, Holder{1, place}, to + i);
    cudaEventRecord(fetched, stream);
  }
  float arrived[2];
  cudaMemcpyAsync(arrived, to, sizeof arrived, cudaMemcpyDeviceToHost, stream);
  cudaDeviceSynchronize();
  return arrived[0] == 5 && arrived[1] == 6;
}

/// In an order of the streams that chance or the order of their making decides: several are tried.
bool uploads_always_arrive(bool fetch_waits, bool upload_waits) {
  for (int i = 0; i < 20; ++i)
    if (!uploads_arrive(fetch_waits, upload_waits, i % 2 == 0)) return false;
  return true;
}

}  // namespace

TEST_CASE("every planted bug is stopped, with the reason") {
  CHECK(outcome([] { launch(1, 100, write_all, a, 100); }).first == 0);
  for (const Bug& bug : bugs) {
    CAPTURE(bug.name);
    const auto [status, said] = outcome(bug.run);
    CAPTURE(said);
    CHECK(status == emulation::stopped);
    CHECK(minima::test::contains(said, bug.message));
  }
}

TEST_CASE("a missing barrier gives wrong sums") {
  CHECK(sums_are_right(true));
  CHECK_FALSE(sums_are_right(false));
}

TEST_CASE("a missing wait between two streams gives wrong numbers") {
  CHECK(uploads_always_arrive(true, true));
  CHECK_FALSE(uploads_always_arrive(false, true));
  CHECK_FALSE(uploads_always_arrive(true, false));
}

TEST_CASE("a result that is read before the device was waited for is NaN") {
  float to[4] = {5, 5, 5, 5};
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  cudaMalloc(reinterpret_cast<void**>(&a), sizeof to);
  cudaMemcpyAsync(to, a, sizeof to, cudaMemcpyDeviceToHost, stream);
  launch(1, 4, write_all, a, 4);
  CHECK(to[0] == 5);  // nothing has happened yet
  cudaStreamSynchronize(stream);
  CHECK(std::isnan(to[0]));  // the copy came first
}

TEST_CASE("a captured graph does its work once a launch, with the arguments of the capture") {
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  cudaMalloc(reinterpret_cast<void**>(&a), 400);
  cudaGraph_t graph;
  cudaGraphExec_t executable;
  CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  launch(1, 100, write_all, a, 50);
  CHECK(cudaStreamSynchronize(stream) == cudaErrorStreamCaptureUnsupported);
  CHECK(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
  cudaMemsetAsync(a, 0, 400, stream);
  cudaGraphInstantiate(&executable, graph);
  const int64_t before = emulation::launches();
  cudaGraphLaunch(executable, stream);
  CHECK(emulation::launches() == before + 1);
  float to[100];
  cudaMemcpyAsync(to, a, sizeof to, cudaMemcpyDeviceToHost, stream);
  cudaStreamSynchronize(stream);
  CHECK(to[49] == 1);
  CHECK(to[50] == 0);
}
