// What the tests of the GPU share. The same sources run on a GPU (cuda_tests) and on the emulated device
// (emulated_tests); a test cannot tell which one it has.
#pragma once

#include <string>
#include <vector>

#include "core/ops.h"
#include "core/random.h"
#include "tests/check.h"

namespace minima::test {

inline constexpr DType floating_types[] = {DType::float32, DType::float64};

/// Sums of some hundred terms, in another order than the CPU's.
inline Tolerance rounding(DType dtype) {
  return dtype == DType::float64 ? Tolerance{1e-12, 1e-13} : Tolerance{2e-5, 2e-5};
}

inline Tensor numbers(const Shape& shape, DType dtype, uint64_t seed = 1) {
  return Generator{seed}.normal(shape, 0, 1, DType::float64).to(dtype);
}

/// Calls f(move), where move(tensor) brings a tensor to the device: once for the CPU and twice for the GPU, the second
/// time right after the first. Empty when all results agree, and the two of the GPU to the bit.
template <class F>
std::string devices_differ(F&& f, Tolerance tolerance) {
  const auto on = [&](Device device) {
    return std::vector<Tensor>(f([device](const Tensor& tensor) { return tensor.to(device); }));
  };
  const std::vector<Tensor> host = on(Device::cpu), first = on(Device::cuda), second = on(Device::cuda);
  for (size_t i = 0; i < host.size(); ++i) {
    if (first[i].device() != Device::cuda) return text("result ", i, " is not on the GPU");
    if (const std::string problem = difference(first[i], host[i], tolerance); !problem.empty())
      return text("result ", i, ": ", problem);
    if (const std::string problem = bit_difference(second[i], first[i]); !problem.empty())
      return text("result ", i, " changes from call to call: ", problem);
  }
  return "";
}

template <class F>
void check_devices(F&& f, Tolerance tolerance) {
  const std::string problem = devices_differ(f, tolerance);
  CHECK_MESSAGE(problem.empty(), problem);
}

}  // namespace minima::test
