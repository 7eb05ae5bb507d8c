// Gradient clipping by global norm, for a closure: after backward(), before returning the loss. Every optimizer also
// has the option max_gradient_norm, which scales the gradient as it enters the rule and leaves the one you can see
// alone; under SAM that concerns the second gradient only, the first being normalised anyway.
#pragma once

#include <vector>

#include "autograd/variable.h"

namespace minima::optim {

/// Scales the gradients by max_norm / norm where norm, the L2 norm of all of them together, exceeds max_norm > 0.
/// Parameters without a gradient are passed over. Returns the norm before.
double clip_gradient_norm(const std::vector<Variable>& parameters, double max_norm);

}  // namespace minima::optim
