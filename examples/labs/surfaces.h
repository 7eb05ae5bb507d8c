// The surfaces of lab 1, and the optimizers that labs let walk on them, by name. Not here: the walking
// (walkthrough/surface.h).
#pragma once

#include "examples/walkthrough/surface.h"

namespace minima::examples {

/// ellipse10, ellipse100, rosenbrock, beale, saddle, valley
std::vector<Surface> surfaces();
/// One of them by name; another name is an error.
Surface surface(const std::string& name);

/// "gd", "momentum" (SGD with it) or an optimizer of optim/make.h, around SGD if it is a wrapper; no weight decay. A
/// rho counts for wrappers alone.
MakeOptimizer optimizer_called(const std::string& name, Hyperparameters hyperparameters);

/// The valley's, when each step sees another label: (xy - 1 - n)^2 / 2, n normal with this standard deviation.
StepLoss valley_with_noisy_label(double deviation, uint64_t seed);

}  // namespace minima::examples
