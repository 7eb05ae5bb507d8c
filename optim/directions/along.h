// SPDX-License-Identifier: MIT
// Along: an optimizer whose gradient is taken at a distance rho along any direction (direction.h). With directions of
// one's own this is where experiments on perturbations are made; SAM and MSAM are two of its cases.
//   optim::Along optimizer{optim::SGD{parameters, {.lr = 0.05, .momentum = 0.9}}, optim::directions::random(),
//                          {.rho = 0.5}};
#pragma once

#include "optim/directions/direction.h"
#include "optim/wrapper.h"

namespace minima::optim {

struct AlongOptions {
  Schedule rho = 0.5;  ///< any sign; a length, or a factor where the direction is not normalised
};

/// The gradient is taken at distance rho along a direction d,
///   e = rho * d / |d|  (one norm over all parameters; or e = rho * d, see Direction::normalised),
///   w <- rule(w, gradient at w + e).
/// One gradient a step, or two where the direction needs the one at w; batch-norm statistics and random numbers are
/// then as with SAM, else as with MSAM, and so is what step() returns: the loss at w with two gradients, at w + e with
/// one. Where d = 0 nothing is perturbed; rho = 0 is the base, bit for bit, and takes one gradient.
/// Its name is "along-" and the direction's. Errors: a direction without a name or function; one that gives a tensor of
/// another shape, dtype or device than the weights, in the step that meets it.
class Along : public Wrapper {
 public:
  Along(Wrapped base, Direction direction, const AlongOptions& options = {});

  Variable step(const Closure& closure) override;

 private:
  Perturbation perturbation() const;

  Direction direction_;
  Tensor last_gradient_;  // where the direction needs it
};

}  // namespace minima::optim
