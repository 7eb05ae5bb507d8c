// Derivatives on the GPU against differences of values on the GPU.
#include "tests/autograd/op_table.h"
#include "tests/cuda/on_device.h"

using namespace minima;
using namespace minima::test;

TEST_CASE("every op's gradient on the GPU equals central differences") {
  for (const Row& row : op_table()) {
    CAPTURE(row.op);
    const std::string problem =
        gradcheck(row.f, make_inputs(row.shapes, row.low, row.high, DType::float64, Device::cuda));
    CHECK_MESSAGE(problem.empty(), problem);
  }
}

TEST_CASE("every op's second derivative on the GPU equals differences of its gradient") {
  for (const Row& row : op_table()) {
    CAPTURE(row.op);
    const std::string problem = gradgradcheck(
        row.f, make_inputs(row.shapes, row.low, row.high, DType::float64, Device::cuda), {.tolerance = {1e-6, 1e-7}});
    CHECK_MESSAGE(problem.empty(), problem);
  }
}
