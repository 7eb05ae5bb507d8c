// SPDX-License-Identifier: MIT
#include "optim/sam.h"

#include <cmath>

#include "core/ops.h"

namespace minima::optim {

// Of ratio, rise and edge. The name keeps the state of one from being loaded into another.
static constexpr double usual_targets[] = {0.5, 0.1, 0.3};
static constexpr const char* names[] = {"sam+ratio", "sam+rise", "sam+edge"};

SAM::SAM(Wrapped base, const SamOptions& options)
    : Wrapper(options.rho.how() ? names[static_cast<int>(options.rho.how()->wanted)] : "sam", std::move(base),
              options.rho.schedule(), Range::at_least_0) {
  if (options.rho.how()) automatic_.emplace(*options.rho.how(), usual_targets, kept());
}

Variable SAM::step(const Closure& closure) {
  begin_step();
  if (automatic_) return automatic_step(closure);
  Variable loss = gradient_at_weights(closure);         // g at w
  second_gradient_at(along(gradients(), +1), closure);  // g at w + rho * g / |g|; the weights are w again, exactly
  base().update(gradients());                           // the base's rule at w, with that gradient
  return loss;
}

// The same with the radius that was found until now, and what this step tells of it.
Variable SAM::automatic_step(const Closure& closure) {
  automatic_->begin();
  Variable loss = gradient_at_weights(closure);
  const Tensor length = norm(gradients()), rho = automatic_->rho();
  second_gradient_at(along(gradients(), +1, length, rho), closure);
  if (automatic_->listens())
    automatic_->learn(told_by_losses(kept().now.loss_clean, kept().now.loss_perturbed, length, rho));
  else
    automatic_->follow_updates();
  base().update(gradients());
  return loss;
}

ASAM::ASAM(Wrapped base, const AsamOptions& options)
    : Wrapper("asam", std::move(base), options.rho, Range::at_least_0), eta_(options.eta) {
  if (!(eta_ >= 0 && std::isfinite(eta_))) fail("asam", text("eta = ", eta_), "a finite number of at least 0");
}

Variable ASAM::step(const Closure& closure) {
  begin_step();
  Variable loss = gradient_at_weights(closure);
  second_gradient_at(ascent(), closure);
  base().update(gradients());
  return loss;
}

Perturbation ASAM::ascent() const {
  const Tensor size =
      core::unary(core::UnaryOp::affine, core::unary(core::UnaryOp::abs, kept().flat.weights()), 1, eta_);
  const Tensor scaled_gradient = core::binary(core::BinaryOp::multiply, size, gradients());
  return along(core::binary(core::BinaryOp::multiply, size, scaled_gradient), +1, norm(scaled_gradient));
}

}  // namespace minima::optim
