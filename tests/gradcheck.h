// The public gradient checks (testing.h) under the names that minima's own tests use.
#pragma once

#include "autograd/ops.h"
#include "core/ops.h"
#include "core/random.h"
#include "testing.h"
#include "tests/check.h"

namespace minima::test {

using testing::Function, testing::GradCheck, testing::gradcheck, testing::gradgradcheck;

/// Fixed random numbers of this shape, none of them small: a seed for backward().
inline Tensor projection(const Shape& shape, uint64_t seed, Device device = Device::cpu) {
  return Generator{seed}.uniform(shape, 0.5, 1.5, DType::float64).to(device);
}

}  // namespace minima::test
