// The queue alone: a parameter and the work that reads it stay together, wherever a section of the queue ends.
#include "core/cuda/queue.cuh"

#include "core/cuda/device.cuh"
#include "core/ops.h"
#include "tests/check.h"
#include "tests/cuda/on_device.h"

using namespace minima;
using namespace minima::test;
using core::cuda::Queue;

namespace {

/// Work that copies a parameter.
struct Copy {
  const float* from;
  float* to;
};
void copy(const void* call) {
  const Copy& c = *static_cast<const Copy*>(call);
  cudaMemcpyAsync(c.to, c.from, sizeof(float), cudaMemcpyDeviceToDevice, core::cuda::device().stream);
}
/// Work that does nothing, and takes much room.
struct Nothing {
  std::byte room[512];
};
void nothing(const void*) {}

void add_copy(Queue& queue, float value, float* to, bool flushes = false) {
  const float* from = queue.parameter(value);
  if (flushes) queue.flush();
  const Copy call{from, to};
  queue.add(copy, &call, sizeof call);
}

}  // namespace

TEST_CASE("a step of more work than is kept has its own parameters, whatever stands where a section ends") {
  // Of 528 bytes: 4.7 MB. Parameters begin shortly before 4 MiB, so that those after it would take their places.
  constexpr int period = 40, works = 9000, with_parameters = 7920;
  const Nothing room{};
  for (int offset = 0; offset < period; ++offset) {
    Queue queue;
    Tensor copied = Tensor::zeros({(works - with_parameters) / period}, DType::float32, Device::cuda);
    for (int step = 1; step <= 4; ++step) {
      std::vector<float> given;
      for (int i = 0; i < works; ++i) {
        if (i < with_parameters || i % period != offset) {
          queue.add(nothing, &room, sizeof room);
          continue;
        }
        given.push_back(static_cast<float>(100 * step + static_cast<int>(given.size())));
        add_copy(queue, given.back(), reinterpret_cast<float*>(copied.raw()) + given.size() - 1);
      }
      queue.end_step();
      CHECK_MESSAGE(copied.to_vector<float>() == given, "offset " << offset << ", step " << step);
    }
  }
}

TEST_CASE("a flush between a parameter and its work does not give the place to another parameter") {
  for (const bool flushes : {false, true}) {
    Queue queue;
    Tensor copied = Tensor::zeros({4}, DType::float32, Device::cuda);
    auto* to = reinterpret_cast<float*>(copied.raw());
    for (int step = 1; step <= 6; ++step) {
      const auto value = static_cast<float>(10 * step);
      add_copy(queue, value, to);
      add_copy(queue, value + 1, to + 1, flushes);  // from the third step on, what comes after it is like a graph
      add_copy(queue, value + 2, to + 2);
      add_copy(queue, value + 3, to + 3);
      queue.end_step();
      CHECK(copied.to_vector<float>() == std::vector<float>{value, value + 1, value + 2, value + 3});
    }
  }
}
