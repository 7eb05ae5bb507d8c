// SPDX-License-Identifier: MIT
// LookSAM (Liu et al., 2022): SAM's second gradient every few steps only, and between them the part of it that points
// to flatter ground, from memory.
#pragma once

#include "optim/wrapper.h"

namespace minima::optim {

struct LookSamOptions {
  Schedule rho = 0.05;  ///< >= 0
  int period = 5;       ///< >= 1; 1 is SAM
  double alpha = 0.2;   ///< >= 0: length of what is added from memory, relative to the gradient
};

/// LookSAM: in steps 0, period, 2 period ... SAM's step with e = rho * g / |g|, which also remembers the unit vector u
/// of the part of the second gradient that is orthogonal to the first,
///   g2 = gradient at w + e,  p = g2 - (g2.g / g.g) * g,  u = p / |p|,  w <- rule(w, g2);
/// in the steps between, where nothing is perturbed,
///   w <- rule(w, g + alpha * |g| * u).
/// 1 + 1 / period gradients a step on average; memory for u and a copy of g. u is saved with the state. Products and
/// norms are over all parameters. Where p is nothing but rounding (g2 parallel to g, as with rho = 0), u = 0: published
/// code divides by |p| there and gets NaN. The paper's scaling by layers is not included. step() returns the loss at w;
/// rho = 0 is the base, bit for bit.
class LookSAM : public Wrapper {
 public:
  explicit LookSAM(Wrapped base, const LookSamOptions& options = {});

  Variable step(const Closure& closure) override;

 private:
  void remember_orthogonal_part(const Tensor& g, const Tensor& g2);

  int period_;
  double alpha_;
  Tensor u_;
};

}  // namespace minima::optim
