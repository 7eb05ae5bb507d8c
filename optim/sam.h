// SPDX-License-Identifier: MIT
// Sharpness-Aware Minimization: SAM (Foret et al., 2020) and its scale-invariant form ASAM (Kwon et al., 2021).
// Both climb to the worst point nearby, take the gradient there and apply it at the clean weights: two gradients a
// step.
#pragma once

#include "optim/radius.h"
#include "optim/wrapper.h"

namespace minima::optim {

struct SamOptions {
  Radius rho = 0.05;  ///< >= 0; or optim::automatic: found while training, from both losses of each step (radius.h)
};

/// SAM (Foret et al., 2020): the gradient is taken where the loss rises most within a ball of radius rho,
///   e = rho * g / |g|,  w <- rule(w, gradient at w + e),
/// with one norm over all parameters. Weight decay is no part of the ascent. step() returns the loss at w. Where g = 0
/// nothing is perturbed; rho = 0 is the base, bit for bit.
class SAM : public Wrapper {
 public:
  explicit SAM(Wrapped base, const SamOptions& options = {});

  Variable step(const Closure& closure) override;

 private:
  Variable automatic_step(const Closure& closure);

  std::optional<AutomaticRho> automatic_;
};

struct AsamOptions {
  Schedule rho = 0.5;  ///< >= 0; some ten times SAM's, for the radius is relative to the weights
  double eta = 0.01;   ///< >= 0; with 0, weights that are zero (fresh biases) are not perturbed at all
};

/// ASAM (Kwon et al., 2021): SAM with a radius relative to each weight,
///   T = |w| + eta,  e = rho * T^2 g / |T g|   (elementwise).
/// With eta = 0 nothing changes when relu layers are rescaled by factors that cancel; a small eta disturbs that a
/// little.
class ASAM : public Wrapper {
 public:
  explicit ASAM(Wrapped base, const AsamOptions& options = {});

  Variable step(const Closure& closure) override;

 private:
  Perturbation ascent() const;

  double eta_;
};

}  // namespace minima::optim
