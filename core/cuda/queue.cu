// SPDX-License-Identifier: MIT
// Steps of training as CUDA graphs.
#include "core/cuda/queue.cuh"

#include <algorithm>
#include <cstdlib>

#include "core/cuda/launch.cuh"

namespace minima::core::cuda {
namespace {

/// What stands before each call in the bytes of a step.
struct alignas(16) Header {
  void (*enqueue)(const void* call);
  size_t bytes;
};
constexpr size_t rounded(size_t bytes) { return (bytes + 15) / 16 * 16; }

void enqueue_all(const std::vector<std::byte>& work) {
  for (size_t at = 0; at < work.size();) {
    Header header;
    std::memcpy(&header, work.data() + at, sizeof header);
    header.enqueue(work.data() + at + sizeof header);
    at += sizeof header + rounded(header.bytes);
  }
}

template <size_t bytes>
struct Bytes {
  uint64_t words[bytes / 8];
};

/// The arguments of a kernel are copied when it is started: the shortest way for a few numbers to the device.
template <size_t bytes>
__global__ void store_kernel(Bytes<bytes> values, uint64_t* to, int words) {
  for (int i = static_cast<int>(threadIdx.x); i < words; i += static_cast<int>(blockDim.x)) to[i] = values.words[i];
}

template <size_t bytes>
void store_on_device(const std::byte* from, std::byte* to, size_t size) {
  Bytes<bytes> values{};
  std::memcpy(&values, from, size);
  enqueue_kernel(dim3(1), warp, store_kernel<bytes>, values, reinterpret_cast<uint64_t*>(to),
                 static_cast<int>(size / 8));
}

bool are_graphs_wanted() {
  const char* wish = std::getenv("MINIMA_GRAPHS");
  return !wish || std::strcmp(wish, "0") != 0;
}

}  // namespace

Queue& queue() {
  static Queue& the = *new Queue;  // never destroyed: CUDA may be gone by then
  return the;
}

Queue::Queue() : use_graphs_(are_graphs_wanted()) {}

/// A graph that begins with the first `bytes` of what there is.
const Queue::Step* Queue::graph_like(size_t bytes) const {
  for (const Step& step : graphs_)
    if (step.work.size() >= bytes && std::memcmp(step.work.data(), work_.data(), bytes) == 0) return &step;
  return nullptr;
}

void Queue::add(void (*enqueue)(const void* call), const void* call, size_t bytes) {
  std::lock_guard lock(mutex_);
  has_unused_parameter_ = false;
  if (!use_graphs_) return enqueue(call);
  append(enqueue, call, bytes);
  constexpr size_t most_bytes = size_t{1} << 22;  // no step of training: work that nobody looks at
  if (work_.size() <= most_bytes) return;
  enqueue_held();
  start_section();
}

void Queue::append(void (*enqueue)(const void* call), const void* call, size_t bytes) {
  const size_t before = work_.size();
  const Header header{enqueue, bytes};
  work_.resize(before + sizeof header + rounded(bytes));
  std::memcpy(work_.data() + before, &header, sizeof header);
  std::memcpy(work_.data() + before + sizeof header, call, bytes);
  if (!holds_) return enqueue(call);
  const bool goes_on = like_ && like_->work.size() >= work_.size() &&
                       std::memcmp(like_->work.data() + before, work_.data() + before, work_.size() - before) == 0;
  if (!goes_on) like_ = graph_like(work_.size());
  if (!like_) enqueue_held();
}

const void* Queue::store(const void* value, size_t bytes) {
  std::lock_guard lock(mutex_);
  if (!parameters_on_device_)
    MINIMA_CUDA(cudaMallocAsync(reinterpret_cast<void**>(&parameters_on_device_), parameter_bytes, device().stream));
  size_t begin = parameters_.size();
  if (begin + rounded(bytes) > parameter_bytes) {
    enqueue_held();
    start_section();
    begin = 0;
  }
  has_unused_parameter_ = true;
  parameters_.resize(begin + rounded(bytes));
  std::memcpy(parameters_.data() + begin, value, bytes);
  if (!holds_) send_parameters(begin, parameters_.size());
  return parameters_on_device_ + begin;
}

void Queue::send_parameters(size_t begin, size_t end) {
  constexpr size_t few = 256;
  if (begin == end) return;
  const auto send = end - begin <= few ? store_on_device<few> : store_on_device<parameter_bytes>;
  send(parameters_.data() + begin, parameters_on_device_ + begin, end - begin);
}

void Queue::enqueue_held() {
  if (!std::exchange(holds_, false)) return;
  send_parameters(0, parameters_.size());
  enqueue_all(work_);
  like_ = nullptr;
}

void Queue::start_section() {
  work_.clear();
  parameters_.clear();
  is_torn_ = has_unused_parameter_;
  holds_ = use_graphs_ && !graphs_.empty() && !is_torn_;
  like_ = nullptr;
}

void Queue::flush() {
  std::lock_guard lock(mutex_);
  enqueue_held();
  start_section();
}

void Queue::end_step() {
  std::lock_guard lock(mutex_);
  if (!use_graphs_) return;
  if (work_.empty() || is_torn_) return start_section();  // what is torn is in the stream, and can be no graph
  constexpr size_t most_graphs = 16, most_seen = 8;
  if (holds_ && like_ && like_->work.size() == work_.size()) {
    send_parameters(0, parameters_.size());
    MINIMA_CUDA(cudaGraphLaunch(like_->graph, device().stream));
  } else {
    enqueue_held();
    const auto is_same = [&](const Step& step) { return step.work == work_; };
    const auto before = std::find_if(seen_.begin(), seen_.end(), is_same);
    if (before != seen_.end()) {
      seen_.erase(before);
      if (graphs_.size() == most_graphs) {  // the oldest belongs to a training that is over
        cudaGraphExecDestroy(graphs_.front().graph);
        graphs_.erase(graphs_.begin());
      }
      if (cudaGraphExec_t graph = captured(work_)) graphs_.push_back({work_, graph});
    } else {
      if (seen_.size() == most_seen) seen_.erase(seen_.begin());
      seen_.push_back({work_});
    }
  }
  start_section();
}

/// Null where CUDA refuses; there will be no graphs then.
cudaGraphExec_t Queue::captured(const std::vector<std::byte>& work) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  MINIMA_CUDA(cudaStreamBeginCapture(device().stream, cudaStreamCaptureModeThreadLocal));
  bool is_captured = true;
  try {
    enqueue_all(work);
  } catch (const Error&) { is_captured = false; }
  is_captured = cudaStreamEndCapture(device().stream, &graph) == cudaSuccess && is_captured;
  if (is_captured && cudaGraphInstantiate(&executable, graph, 0) != cudaSuccess) executable = nullptr;
  if (graph) cudaGraphDestroy(graph);
  cudaGetLastError();
  use_graphs_ = executable != nullptr;
  return executable;
}

void Queue::use_graphs(bool use) {
  flush();
  std::lock_guard lock(mutex_);
  use_graphs_ = use;
  start_section();
}

}  // namespace minima::core::cuda
