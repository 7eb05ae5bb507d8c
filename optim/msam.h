// SPDX-License-Identifier: MIT
// Momentum-SAM (Becker, Altrock & Risse, 2024): the perturbation follows the momentum that is already there, so the
// second gradient of SAM is not needed.
#pragma once

#include "optim/radius.h"
#include "optim/wrapper.h"

namespace minima::optim {

/// Of these the state of an optimizer keeps rho, and what was found or remembered; the others are as it was made.
struct MsamOptions {
  /// Any sign; about 0.5 for a small fully connected network, about 3 for a wide ResNet. Or optim::automatic: found
  /// while training, from the loss and the slope along e of each step (radius.h).
  Radius rho = 0.5;
  /// The authors' code decays SGD's weights at w + e, not w. On, this reproduces it, for a copy of the gradient.
  bool weight_decay_at_perturbed = false;
  /// In [0, 1), such as 0.98: the direction is a mean of gradients with a memory of its own, about 1 / (1 - memory)
  /// steps, and not the base's momentum. None: the base's momentum.
  std::optional<double> memory{};
  /// A cosine above 0 and up to 1, such as 0.03: rho fades where the average cosine of direction and gradient is nearer
  /// to 0 (Fading in radius.h). None: rho does not fade.
  std::optional<double> fade{};
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
///
/// With a memory of its own, v is replaced by
///   m <- m + (1 - memory) * (g - m),  g the gradient that the step has taken, without weight decay.
/// Then the base needs no momentum. It costs a vector of the size of the weights, which is saved with the state, and
/// three passes over it. A bias correction would multiply all of m by one number, which |m| takes out again: e is that
/// of the corrected mean.
/// Fading and an automatic radius cost a pass over v and g, and fading one more over g. Neither waits for the device.
class MSAM : public Wrapper {
 public:
  explicit MSAM(Wrapped base, const MsamOptions& options = {});

  Variable step(const Closure& closure) override;

 private:
  const Tensor& direction() const { return memory_ ? mean_ : momentum(); }
  /// e; the length is |v|, or |m|.
  Perturbation ahead(const Tensor& length) const;
  void learn(const Tensor& length);
  void remember_gradient();
  Variable step_with_more(const Closure& closure);
  Tensor gradient_with_decay_of(const Perturbation& ahead) const;

  bool weight_decay_at_perturbed_;
  std::optional<double> memory_;
  Tensor mean_;  // where there is a memory
  std::optional<Fading> fading_;
  std::optional<AutomaticRho> automatic_;
};

}  // namespace minima::optim
