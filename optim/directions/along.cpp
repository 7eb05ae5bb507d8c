// SPDX-License-Identifier: MIT
#include "optim/directions/along.h"

#include <cmath>

namespace minima::optim {

Along::Along(Wrapped base, Direction direction, const AlongOptions& options)
    : Wrapper("along-" + direction.name, std::move(base), options.rho, Range::finite),
      direction_(std::move(direction)) {
  if (direction_.name.empty() || !direction_.at)
    fail("along", direction_.name.empty() ? "a direction without a name" : text(direction_.name, " without a function"),
         "a Direction with .name and .at");
  if (!direction_.needs_last_gradient) return;
  last_gradient_ = kept().flat.layout().zeros();
  remember("last_gradient", last_gradient_);
}

Variable Along::step(const Closure& closure) {
  begin_step();
  Variable loss;
  if (direction_.needs_gradient) {
    loss = gradient_at_weights(closure);
    const Perturbation e = perturbation();
    if (!e.is_zero()) second_gradient_at(e, closure);
  } else {
    loss = only_gradient_at(perturbation(), closure);
  }
  if (direction_.needs_last_gradient) last_gradient_.copy_from(gradients());
  base().update(gradients());
  return loss;
}

Perturbation Along::perturbation() const {
  const Tensor weights = kept().flat.weights();
  Heading d =
      direction_.at(DirectionContext(*this, direction_.needs_gradient ? gradients() : Tensor(), last_gradient_));
  if (!d.flat.defined()) return Perturbation(kept(), weights, 0);
  if (d.flat.shape() != weights.shape() || d.flat.dtype() != weights.dtype() || d.flat.device() != weights.device())
    fail(name(),
         text("a direction of ", name_of(d.flat.dtype()), " ", d.flat.shape(), " on ", name_of(d.flat.device())),
         text(name_of(weights.dtype()), " ", weights.shape(), " on ", name_of(weights.device())),
         "It is flat: one element for each of the parameters, in their order, as in momentum().");
  if (!std::isfinite(d.factor))
    fail(name(), d.factor != d.factor ? "a heading times nan" : "a heading times infinity", "a finite factor");
  // Subtraction on the way back must find the direction as it was; these two change while the gradient is taken.
  const bool changes = d.flat.shares_storage_with(weights) || d.flat.shares_storage_with(gradients());
  if (changes && !direction_.needs_gradient) d.flat = d.flat.clone();
  if (!direction_.normalised) return Perturbation(kept(), d.flat, d.factor);
  return along(d.flat, d.factor > 0 ? +1 : d.factor < 0 ? -1 : 0, d.norm.defined() ? d.norm : norm(d.flat));
}

}  // namespace minima::optim
