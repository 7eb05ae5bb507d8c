// SPDX-License-Identifier: MIT
#include "optim/msam.h"

#include "core/backend.h"
#include "core/ops.h"

namespace minima::optim {

// Of ratio, rise and edge.
static constexpr double usual_targets[] = {5, 0.15, 0.3};
static constexpr const char* words[] = {"+ratio", "+rise", "+edge"};

// The name keeps the state of one from being loaded into another.
static std::string name_of(const MsamOptions& options) {
  return text("msam", options.memory ? "+memory" : "", options.fade ? "+fade" : "",
              options.rho.how() ? words[static_cast<int>(options.rho.how()->wanted)] : "");
}

MSAM::MSAM(Wrapped base, const MsamOptions& options)
    : Wrapper(name_of(options), std::move(base), options.rho.schedule(), Range::finite),
      weight_decay_at_perturbed_(options.weight_decay_at_perturbed),
      memory_(options.memory) {
  if (memory_ && !(*memory_ >= 0 && *memory_ < 1)) fail("msam", text("memory = ", *memory_), "a number in [0, 1)");
  if (!memory_ && !has_momentum())
    fail("msam", base_name() + (group(0).has("momentum") ? " with momentum = 0" : ", which keeps no momentum"),
         "a base with momentum",
         "The perturbation follows the momentum buffer: give the base .momentum = 0.9, or MSAM a .memory of its own.");
  if (options.fade && options.rho.how())
    fail("msam", "fade and an automatic rho", "one of them", "Both steer the radius.");
  kept().keep_momentum_norm = !memory_;
  if (weight_decay_at_perturbed_ && !kept().decay_in_gradient)
    fail("msam", text("weight_decay_at_perturbed over ", base_name()),
         "a base whose weight decay is part of the gradient");
  if (memory_) remember("mean", mean_ = kept().flat.layout().zeros());
  if (options.fade) fading_.emplace(*options.fade, kept());
  if (options.rho.how()) automatic_.emplace(*options.rho.how(), usual_targets, kept());
}

Variable MSAM::step(const Closure& closure) {
  begin_step();
  if (memory_ || fading_ || automatic_) return step_with_more(closure);
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

// ---- with a memory of its own, or a radius that fades or is automatic

// The same, with a direction and a radius that each step tells something to.
Variable MSAM::step_with_more(const Closure& closure) {
  if (automatic_) automatic_->begin();
  const Tensor length = memory_ ? norm(mean_) : momentum_norm(kept());
  const Perturbation e = ahead(length);
  measure_ahead(e, closure);
  Displaced weights(kept(), e, e.is_long());
  Variable loss = only_gradient(closure);  // g at w + e
  learn(length);
  if (memory_)
    weights.come_back();
  else
    weights.carry();  // the rule is applied at w: the update takes e off first, in the same pass
  const Tensor gradient = weight_decay_at_perturbed_ ? gradient_with_decay_of(e) : gradients();
  base().update(gradient);
  if (memory_) remember_gradient();  // a step that does not happen leaves no trace
  return loss;
}

Perturbation MSAM::ahead(const Tensor& length) const {
  if (automatic_) return along(direction(), -1, length, automatic_->rho());
  if (fading_) return along(direction(), -1, length, fading_->share());
  return along(direction(), -1, length);
}

void MSAM::learn(const Tensor& length) {
  if (fading_) fading_->learn(kept().flat.dot(direction(), gradients()), length, norm(gradients()));
  if (!automatic_) return;
  if (!automatic_->listens()) return automatic_->follow_updates();
  const Tensor inverse = detail::inverse_of_norm(length, gradients().dtype());
  Tensor slope = Tensor::full({}, 0, DType::float64, inverse.device());  // of the loss along e, at w + e
  core::add_scaled(slope, -1, inverse, kept().flat.dot(direction(), gradients()));
  automatic_->learn(told_by_slope(kept().now.loss, slope, automatic_->rho()));
}

// Of what the loss did not reach, the mean stays, as every buffer does.
void MSAM::remember_gradient() {
  const core::AverageRule towards_gradient{.share = 1 - *memory_};
  for (const FlatParameters::Run& run : kept().flat.runs()) {
    if (!run.reached) continue;
    Tensor mean = mean_.slice(run.begin, run.end);
    core::backend(mean.device())
        .update(core::kernel_of(towards_gradient), mean, gradients().slice(run.begin, run.end), nullptr);
    mean.bump_version();
  }
}

}  // namespace minima::optim
