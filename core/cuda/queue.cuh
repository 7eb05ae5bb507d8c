// SPDX-License-Identifier: MIT
// The work of the device, on its way there. A training step asks for the same kernels with the same arguments as the
// one before it; to start them one by one takes longer than a small network's arithmetic. So a step that has come twice
// is kept as a CUDA graph. From then on its kernels are not started but compared with the graph, and the end of the
// step starts the graph: once, for all of them. Where something differs, what was held back is started one by one, and
// nothing else has happened. MINIMA_GRAPHS=0 in the environment switches this off. Numbers that change from step to
// step (learning rate, radius, step count) lie in device memory: parameter().
#pragma once

#include <cuda_runtime.h>

#include <cstring>
#include <mutex>
#include <type_traits>
#include <vector>

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::core::cuda {

class Queue {
 public:
  Queue();

  /// Work as bytes: `call` is copied, and enqueue(call) puts it into the stream, now or later, perhaps more than once.
  /// Its bytes say all that there is to it: equal bytes are equal work.
  void add(void (*enqueue)(const void* call), const void* call, size_t bytes);
  /// Where the device will find this value when it comes to the work that is added next.
  template <class T>
  const T* parameter(T value) {
    static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= slot_bytes);
    __builtin_clear_padding(&value);
    return static_cast<const T*>(store(&value, sizeof value));
  }
  /// Puts everything into the stream that was added. Before the host waits, copies or frees.
  void flush();
  /// The same, at the end of a training step, which may come again.
  void end_step();
  void use_graphs(bool use);

 private:
  static constexpr size_t slot_bytes = 16, parameter_bytes = 3968;  // what one kernel can be given as arguments
  struct Step {
    std::vector<std::byte> work;
    cudaGraphExec_t graph = nullptr;
  };

  const void* store(const void* value, size_t bytes);
  void send_parameters(size_t begin, size_t end);
  void enqueue_held();
  const Step* graph_like(size_t bytes) const;
  cudaGraphExec_t captured(const std::vector<std::byte>& work);
  void append(void (*enqueue)(const void* call), const void* call, size_t bytes);
  void start_section();

  std::mutex mutex_;
  bool use_graphs_;
  std::vector<std::byte> work_;        ///< since the last flush or step, in the stream already or held back
  bool holds_ = false;                 ///< whether it is held back
  bool has_unused_parameter_ = false;  ///< whose work is added next
  /// The section began between a parameter and its work, as when memory ran out there: nothing of it is held back, or
  /// another parameter could take that one's place.
  bool is_torn_ = false;
  const Step* like_ = nullptr;  ///< the graph that begins as `work_`, while it is held back
  std::vector<std::byte> parameters_;
  std::byte* parameters_on_device_ = nullptr;
  std::vector<Step> graphs_, seen_;  ///< steps that have come twice, and lately once
};

/// Of the one stream.
Queue& queue();

}  // namespace minima::core::cuda
#pragma GCC visibility pop
