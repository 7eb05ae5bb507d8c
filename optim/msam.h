// SPDX-License-Identifier: MIT
// Momentum-SAM (Becker, Altrock & Risse, 2024): the perturbation follows the momentum that is already there, so the
// second gradient of SAM is not needed.
#pragma once

#include "optim/wrapper.h"

namespace minima::optim {

struct MsamOptions {
  Schedule rho = 0.5;  ///< any sign; about 0.5 for a small fully connected network, about 3 for a wide ResNet
  /// The authors' code decays SGD's weights at w + e, not w. On, this reproduces it, for a copy of the gradient.
  bool weight_decay_at_perturbed = false;
};

/// MSAM: the gradient is taken ahead, along the coming update,
///   e = -rho * v / |v|,  w <- rule(w, gradient at w + e),
/// v being the base's momentum buffer before the new gradient enters (Adam: the raw first moment) and |v| one norm over
/// all parameters. The loss rises there because the last step has already overshot on the new batch. A negative rho
/// goes the other way, along +v. While v = 0, as in the first step, nothing is perturbed.
/// Needs a base with momentum. One gradient a step; no memory beyond the base's: e is recomputed from v, which has not
/// changed, and subtracted, so the clean weights are back to two roundings of w + e (exactly where rho or v is 0:
/// rho = 0 is the base, bit for bit).
/// step() returns the loss at w + e, and batch-norm layers collect their statistics there: recalibrate them
/// (nn/batch_norm.h) before evaluating.
class MSAM : public Wrapper {
 public:
  explicit MSAM(Wrapped base, const MsamOptions& options = {});

  Variable step(const Closure& closure) override;

 private:
  Tensor gradient_with_decay_of(const Perturbation& ahead) const;

  bool weight_decay_at_perturbed_;
};

}  // namespace minima::optim
