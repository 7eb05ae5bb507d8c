// SPDX-License-Identifier: MIT
#include "autograd/gradient_check.h"

#include "autograd/ops.h"
#include "core/ops.h"
#include "core/random.h"

namespace minima::testing {

namespace {

Tensor projection(const Shape& shape, uint64_t seed, Device device) {
  return Generator{seed}.uniform(shape, 0.5, 1.5, DType::float64).to(device);
}

void check_inputs(const char* where, const std::vector<Variable>& inputs) {
  if (inputs.empty()) fail(where, "no inputs", "one at least");
  for (size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i].dtype() != DType::float64 || !inputs[i].requires_grad() || !inputs[i].is_leaf())
      fail(where,
           text("input ", i, " of ", name_of(inputs[i].dtype()),
                inputs[i].requires_grad() ? "" : " that requires no gradient"),
           "float64 leaves that require one", "Make it with Variable(tensor.to(DType::float64), requires_grad).");
}

/// d <f(inputs), p> / d inputs[k] by the five-point rule.
std::vector<double> numeric_gradient(const Function& f, const std::vector<Variable>& inputs, size_t k, const Tensor& p,
                                     double step) {
  NoGrad no_grad;
  Tensor x = inputs[k].value();
  std::vector<double> gradient;
  for (int64_t i = 0; i < x.numel(); ++i) {
    const double before = x.at(i);
    Tensor element = x.flatten().slice(i, i + 1);
    const auto at = [&](double offset) {
      element.fill(before + offset);
      return core::dot(f(inputs).value(), p).item();
    };
    gradient.push_back((8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step));
    element.fill(before);
  }
  return gradient;
}

}  // namespace

std::string gradcheck(const Function& f, const std::vector<Variable>& inputs, const GradCheck& options) {
  check_inputs("gradcheck", inputs);
  const Variable y = f(inputs);
  const Tensor p = projection(y.shape(), 11, y.device());
  const std::vector<Variable> gradients = grad({y}, inputs, {.grad_outputs = {Variable(p)}});
  for (size_t k = 0; k < inputs.size(); ++k) {
    const std::vector<double> expected = numeric_gradient(f, inputs, k, p, options.step);
    const std::string problem = difference(gradients[k].value().to_vector<double>(), expected, options.tolerance);
    if (!problem.empty()) return text("gradient of input ", k, ", ", problem);
  }
  return "";
}

std::string gradgradcheck(const Function& f, const std::vector<Variable>& inputs, const GradCheck& options) {
  check_inputs("gradgradcheck", inputs);
  const Device device = inputs[0].device();
  const Variable seed(projection(f(inputs).shape(), 12, device), requires_grad);
  const size_t count = inputs.size();
  const auto projected_gradient = [&](const std::vector<Variable>& inputs_and_seed) {
    EnableGrad recording;
    const std::vector<Variable> x(inputs_and_seed.begin(), inputs_and_seed.begin() + static_cast<long>(count));
    const std::vector<Variable> gradients =
        grad({f(x)}, x, {.create_graph = true, .grad_outputs = {inputs_and_seed.back()}});
    Variable total = sum(gradients[0] * Variable(projection(gradients[0].shape(), 13, device)));
    for (size_t k = 1; k < count; ++k)
      total = total + sum(gradients[k] * Variable(projection(gradients[k].shape(), 13 + k, device)));
    return total;
  };
  std::vector<Variable> all = inputs;
  all.push_back(seed);
  const std::string problem = gradcheck(projected_gradient, all, options);
  return problem.empty() ? "" : "second derivative: " + problem;
}

}  // namespace minima::testing
