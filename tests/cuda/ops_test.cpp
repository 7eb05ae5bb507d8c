// Every row of the op table on the GPU: values and gradients are the CPU's, first and second order.
#include "tests/autograd/op_table.h"
#include "tests/cuda/on_device.h"

using namespace minima;
using namespace minima::test;

namespace {

/// The value of a row, its gradients and the gradients of those, from inputs of these shapes on a device.
std::vector<Tensor> all_of(const Row& row, const std::vector<Shape>& shapes, DType dtype, Device device) {
  const std::vector<Variable> inputs = make_inputs(shapes, row.low, row.high, dtype, device);
  const Variable y = row.f(inputs);
  const auto seed = [](const Variable& of, uint64_t number) {
    return Variable(projection(of.shape(), number).to(of.dtype()).to(of.device()));
  };
  std::vector<Tensor> results{y.value()};
  const std::vector<Variable> first = grad({y}, inputs, {.create_graph = true, .grad_outputs = {seed(y, 3)}});
  Variable total(Tensor::zeros({}, dtype, device));
  for (const Variable& gradient : first) {
    results.push_back(gradient.value());
    total = total + sum(gradient * seed(gradient, 4));
  }
  if (total.requires_grad())
    for (const Variable& gradient : grad({total}, inputs)) results.push_back(gradient.value());
  return results;
}

void check_rows(DType dtype, bool large, Tolerance tolerance) {
  for (const Row& row : op_table()) {
    CAPTURE(row.op);
    const std::vector<Shape>& shapes = large ? row.large : row.shapes;
    const auto host = all_of(row, shapes, dtype, Device::cpu), device = all_of(row, shapes, dtype, Device::cuda);
    REQUIRE(device.size() == host.size());
    for (size_t i = 0; i < host.size(); ++i) {
      CAPTURE(i);
      CHECK(device[i].device() == Device::cuda);
      CHECK_CLOSE(device[i], host[i], tolerance);
    }
  }
}

}  // namespace

TEST_CASE("every op and its derivatives of first and second order are the CPU's in float64") {
  check_rows(DType::float64, false, {1e-10, 1e-11});
}

TEST_CASE("every op and its derivatives of first and second order are the CPU's in float32") {
  check_rows(DType::float32, false, {1e-4, 1e-4});
}

TEST_CASE("every op is the CPU's on tensors of several blocks") { check_rows(DType::float64, true, {1e-8, 1e-8}); }

TEST_CASE("every op takes tensors without elements on the GPU") {
  for (const Row& row : op_table()) {
    if (row.empty.empty()) continue;
    CAPTURE(row.op);
    const auto host = all_of(row, row.empty, DType::float64, Device::cpu);
    const auto device = all_of(row, row.empty, DType::float64, Device::cuda);
    for (size_t i = 0; i < host.size(); ++i) CHECK_CLOSE(device[i], host[i], {0, 0});
  }
}
