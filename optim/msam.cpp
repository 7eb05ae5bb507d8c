// SPDX-License-Identifier: MIT
#include "optim/msam.h"

namespace minima::optim {

MSAM::MSAM(Wrapped base, const MsamOptions& options)
    : Wrapper("msam", std::move(base), options.rho, Range::finite),
      weight_decay_at_perturbed_(options.weight_decay_at_perturbed) {
  if (!has_momentum())
    fail("msam", base_name() + (group(0).has("momentum") ? " with momentum = 0" : ", which keeps no momentum"),
         "a base with momentum", "The perturbation follows the momentum buffer: give the base .momentum = 0.9.");
  kept().keep_momentum_norm = true;
  if (weight_decay_at_perturbed_ && !kept().decay_in_gradient)
    fail("msam", text("weight_decay_at_perturbed over ", base_name()),
         "a base whose weight decay is part of the gradient");
}

Variable MSAM::step(const Closure& closure) {
  begin_step();
  // e = -rho * v / |v|, along the coming update; none while v = 0
  const Perturbation ahead = along(momentum(), -1, momentum_norm(kept()));
  measure_ahead(ahead, closure);
  Displaced weights(kept(), ahead, ahead.is_long());
  Variable loss = only_gradient(closure);  // g at w + e
  weights.carry();                         // the rule is applied at w: the update takes e off first, in the same pass
  base().update(weight_decay_at_perturbed_ ? gradient_with_decay_of(ahead) : gradients());
  return loss;
}

// The rule adds weight_decay * w; this adds weight_decay * e.
Tensor MSAM::gradient_with_decay_of(const Perturbation& ahead) const {
  Tensor gradient = gradients().clone();
  ahead.add_decay_to(gradient);
  return gradient;
}

}  // namespace minima::optim
