// Streams, events, graphs and memory calls of the emulated device. Work on a stream waits until somebody must wait for
// it.
#include <algorithm>
#include <cstdlib>
#include <deque>
#include <random>
#include <utility>
#include <vector>

#include "tests/emulation/machine.h"

using namespace minima::emulation;

namespace {

struct Work {
  std::function<void()> run;
  CUevent_st* event = nullptr;  // to be waited for first
  int64_t version = 0;
  bool is_kernel = false;
};

}  // namespace

struct CUevent_st {
  int64_t recorded = 0, done = 0;
};
struct CUgraph_st {
  std::vector<std::function<void()>> work;
  int64_t launches = 0;
};
struct CUgraphExec_st : CUgraph_st {};
struct CUstream_st {
  std::deque<Work> queue;
  bool non_blocking = false;
  CUgraph_st* capture = nullptr;
};

namespace minima::emulation {
namespace {

std::vector<CUstream_st*> streams;
int64_t waited = 0, launched = 0, graphs_launched = 0, overlapping = 0;
bool lost = false;
cudaError_t last_error = cudaSuccess;

cudaError_t error(cudaError_t code) {
  if (code != cudaSuccess) last_error = code;
  return code;
}

std::mt19937_64& generator() {
  static std::mt19937_64 the;
  return the;
}

bool has_kernels(const CUstream_st* stream) {
  return std::any_of(stream->queue.begin(), stream->queue.end(), [](const Work& work) { return work.is_kernel; });
}

bool is_capturing() {
  return std::any_of(streams.begin(), streams.end(), [](const CUstream_st* stream) { return stream->capture; });
}

/// Runs the next piece of work of a stream, unless there is none or it waits for an event.
bool step(CUstream_st* stream) {
  if (stream->queue.empty()) return false;
  const Work& next = stream->queue.front();
  if (next.event && next.event->done < next.version) return false;
  const Work work = std::move(stream->queue.front());
  stream->queue.pop_front();
  if (work.run) work.run();
  return true;
}

template <class Done>
void run_until(Done done) {
  if (done()) return;
  DeviceAccess access;
  while (!done()) {
    std::vector<CUstream_st*> sequence = streams;
    if (order() == Order::reverse) std::reverse(sequence.begin(), sequence.end());
    if (order() == Order::random) std::shuffle(sequence.begin(), sequence.end(), generator());
    if (!std::any_of(sequence.begin(), sequence.end(), step)) stop("the streams wait for each other");
  }
}

void drain(CUstream_st* stream) {
  run_until([=] { return stream->queue.empty(); });
}
void drain_all() {
  for (CUstream_st* stream : streams) drain(stream);
}
void drain_blocking() {
  for (CUstream_st* stream : streams)
    if (!stream->non_blocking) drain(stream);
}

}  // namespace

Order order() {
  static const Order chosen = [] {
    const char* wish = std::getenv("MINIMA_EMULATION_ORDER");
    const std::string name = wish ? wish : "forward";
    if (name == "forward") return Order::forward;
    if (name == "reverse") return Order::reverse;
    generator().seed(std::strtoull(name.c_str(), nullptr, 10));
    return Order::random;
  }();
  return chosen;
}

uint64_t random_number() { return generator()(); }

std::recursive_mutex& machine_mutex() {
  static std::recursive_mutex& mutex = *new std::recursive_mutex;
  return mutex;
}

bool is_lost() { return lost; }
void set_lost(bool is) { lost = is; }
int64_t waits() { return waited; }
int64_t launches() { return launched; }
int64_t graph_launches() { return graphs_launched; }
int64_t overlapping_copies() { return overlapping; }

void enqueue(cudaStream_t stream, std::function<void()> work, bool is_kernel) {
  std::lock_guard lock(machine_mutex());
  if (!stream) {  // the legacy stream waits for all others that are not told to be independent
    if (is_capturing()) stop("the legacy default stream was used during a capture");
    drain_blocking();
    DeviceAccess access;
    work();
  } else if (stream->capture) {
    stream->capture->work.push_back(std::move(work));
  } else {
    stream->queue.push_back({std::move(work), nullptr, 0, is_kernel});
  }
}

cudaError_t launch(const cudaLaunchConfig_t& c, std::function<void()> thread) {
  std::lock_guard lock(machine_mutex());
  if (lost) return error(cudaErrorIllegalAddress);
  const dim3 grid = c.gridDim, block = c.blockDim;
  const size_t count = size_t{block.x} * block.y * block.z;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || count == 0 || count > 1024 || block.z > 64 || grid.x > 0x7fffffffu ||
      grid.y > 65535 || grid.z > 65535)
    return error(cudaErrorInvalidConfiguration);
  if (c.dynamicSmemBytes > 0) return error(cudaErrorInvalidValue);  // this machine has arrays of fixed size only
  ++(c.stream && c.stream->capture ? c.stream->capture->launches : launched);
  enqueue(c.stream, [=, thread = std::move(thread)] { run_grid(grid, block, thread); }, /*is_kernel=*/true);
  return cudaSuccess;
}

}  // namespace minima::emulation

#define MINIMA_CALL                              \
  std::lock_guard machine_lock(machine_mutex()); \
  if (is_lost()) return error(cudaErrorIllegalAddress)

const char* cudaGetErrorName(cudaError_t code) {
  switch (code) {
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration: return "cudaErrorInvalidConfiguration";
    case cudaErrorIllegalAddress: return "cudaErrorIllegalAddress";
    default: return "an emulated error";
  }
}
const char* cudaGetErrorString(cudaError_t code) {
  return code == cudaErrorIllegalAddress ? "an illegal memory access was encountered" : cudaGetErrorName(code);
}
cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {"emulated device", 9, 0};
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  MINIMA_CALL;
  memory_info(free, total);
  return cudaSuccess;
}

cudaError_t cudaMallocAsync(void** block, size_t bytes, cudaStream_t stream) {
  MINIMA_CALL;
  if (stream && stream->capture)
    return error(cudaErrorStreamCaptureUnsupported);  // this machine's graphs own no memory
  *block = bytes > 0 ? allocate(bytes) : nullptr;
  if (bytes > 0 && !*block && stream) {  // what was freed before, in the order of the stream, can be had
    drain(stream);
    *block = allocate(bytes);
  }
  return error(bytes > 0 && !*block ? cudaErrorMemoryAllocation : cudaSuccess);
}
cudaError_t cudaMalloc(void** block, size_t bytes) {
  MINIMA_CALL;
  if (is_capturing()) return error(cudaErrorStreamCaptureUnsupported);
  *block = bytes > 0 ? allocate(bytes) : nullptr;
  return error(bytes > 0 && !*block ? cudaErrorMemoryAllocation : cudaSuccess);
}
cudaError_t cudaFreeAsync(void* block, cudaStream_t stream) {
  MINIMA_CALL;
  if (block) enqueue(stream, [=] { release(block); });
  return cudaSuccess;
}
cudaError_t cudaFree(void* block) {
  MINIMA_CALL;
  if (is_capturing()) return error(cudaErrorStreamCaptureUnsupported);
  ++waited;
  drain_all();
  if (block) release(block);
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** block, size_t bytes, unsigned) {
  MINIMA_CALL;
  *block = std::calloc(1, bytes);
  add_host_block(*block, bytes);
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* block) {
  MINIMA_CALL;
  ++waited;
  drain_all();
  remove_host_block(block);
  std::free(block);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* target, const void* source, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  MINIMA_CALL;
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (bytes == 0) return cudaSuccess;
  if (kind == cudaMemcpyHostToDevice && stream && !has_kernels(stream) &&
      std::any_of(streams.begin(), streams.end(), has_kernels))
    ++overlapping;
  if (is_device(target) != to_device || is_device(source) != from_device) return error(cudaErrorInvalidValue);
  if (to_device) check_range(target, bytes, "the target of a copy");
  if (from_device) check_range(source, bytes, "the source of a copy");
  if (kind == cudaMemcpyHostToDevice && !is_pinned(source)) {  // pageable: copied aside before the call returns
    std::vector<char> aside(static_cast<const char*>(source), static_cast<const char*>(source) + bytes);
    enqueue(stream, [=, aside = std::move(aside)] { std::memcpy(target, aside.data(), bytes); });
  } else {
    enqueue(stream, [=] { std::memcpy(target, source, bytes); });
  }
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* target, int value, size_t bytes, cudaStream_t stream) {
  MINIMA_CALL;
  check_range(target, bytes, "the target of a memset");
  enqueue(stream, [=] { std::memset(target, value, bytes); });
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  MINIMA_CALL;
  *stream = new CUstream_st;
  (*stream)->non_blocking = flags & cudaStreamNonBlocking;
  streams.push_back(*stream);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  MINIMA_CALL;
  drain(stream);
  streams.erase(std::find(streams.begin(), streams.end(), stream));
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  MINIMA_CALL;
  if (stream && stream->capture) return error(cudaErrorStreamCaptureUnsupported);
  ++waited;
  stream ? drain(stream) : drain_blocking();
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() {
  MINIMA_CALL;
  if (is_capturing()) return error(cudaErrorStreamCaptureUnsupported);
  ++waited;
  drain_all();
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  MINIMA_CALL;
  stream->queue.push_back({{}, event, event->recorded});
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  MINIMA_CALL;
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  MINIMA_CALL;
  run_until([=] { return event->done == event->recorded; });
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  MINIMA_CALL;
  const int64_t version = ++event->recorded;
  enqueue(stream, [=] { event->done = version; });
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  MINIMA_CALL;
  if (event->done == event->recorded) return cudaSuccess;
  ++waited;
  run_until([=] { return event->done == event->recorded; });
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  MINIMA_CALL;
  if (!stream || stream->capture) return error(cudaErrorStreamCaptureUnsupported);
  stream->capture = new CUgraph_st;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  MINIMA_CALL;
  *graph = std::exchange(stream->capture, nullptr);
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  MINIMA_CALL;
  *executable = new CUgraphExec_st{*graph};
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  MINIMA_CALL;
  launched += executable->launches;
  ++graphs_launched;
  for (const auto& work : executable->work) enqueue(stream, work, /*is_kernel=*/true);
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  MINIMA_CALL;
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  MINIMA_CALL;
  drain_all();
  delete executable;
  return cudaSuccess;
}
