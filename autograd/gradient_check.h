// SPDX-License-Identifier: MIT
// Gradient checks: the derivatives that a rule gives, against central differences, in float64.
//   using namespace minima::testing;
//   const Variable x(Tensor::from(std::vector<double>{0.3, -1.2}), requires_grad);
//   std::string problem = gradcheck([](const auto& in) { return tanh(in[0]); }, {x});   // "" if it is right
// A check returns "" or a message with the worst element and both values; it knows no test framework.
// Not here: what is tested (tests/).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "autograd/variable.h"
#include "core/difference.h"

namespace minima::testing {

/// A function of some variables. It must be the same function at every call: no new random numbers, no state.
using Function = std::function<Variable(const std::vector<Variable>&)>;

struct GradCheck {
  double step = 1e-4;               ///< of the five-point rule, whose error is of the order step^4
  Tolerance tolerance{1e-7, 1e-8};  ///< between the two derivatives
};

/// The first derivative of f in each input. f may return any shape: a fixed random projection makes it a number. Points
/// must lie farther than two steps from a kink. Inputs are changed in place and put back.
/// Errors: an input that is not a float64 leaf which requires a gradient.
std::string gradcheck(const Function& f, const std::vector<Variable>& inputs, const GradCheck& options = {});

/// The second derivative: the first derivative of the gradient that grad(..., {.create_graph = true}) returns, in each
/// input and in the gradient's own seed.
std::string gradgradcheck(const Function& f, const std::vector<Variable>& inputs, const GradCheck& options = {});

}  // namespace minima::testing
