// SPDX-License-Identifier: MIT
#include "optim/directions/direction.h"

#include "core/ops.h"
#include "core/random.h"

namespace minima::optim {

DirectionContext::DirectionContext(const Optimizer& optimizer, Tensor gradient, Tensor last_gradient)
    : optimizer_(optimizer), gradient_(std::move(gradient)), last_gradient_(std::move(last_gradient)) {}

const Tensor& DirectionContext::gradient() const {
  if (!gradient_.defined())
    fail("direction", "a use of gradient() without notice", ".needs_gradient = true in the Direction",
         "Only then is the gradient at w computed first.");
  return gradient_;
}

const Tensor& DirectionContext::last_gradient() const {
  if (!last_gradient_.defined())
    fail("direction", "a use of last_gradient() without notice", ".needs_last_gradient = true in the Direction",
         "Only then is it kept from step to step.");
  return last_gradient_;
}

double DirectionContext::momentum_share() const {
  const Hyperparameters& group = optimizer_.group(0);
  return group.has("momentum") ? 1 - group.now("momentum") : 1;
}

Tensor DirectionContext::times_lr(const Tensor& flat) const {
  const FlatParameters& parameters = optimizer_.kept().flat;
  Tensor scaled = parameters.layout().zeros();
  for (const FlatParameters::Run& run : parameters.runs()) {
    Tensor part = scaled.slice(run.begin, run.end);
    core::add_scaled(part, lr(run.group), flat.slice(run.begin, run.end));
  }
  return scaled;
}

Tensor DirectionContext::normal(uint64_t seed) const {
  const FlatLayout& layout = optimizer_.kept().flat.layout();
  // A key of its own: with the model's seed the first direction would be the initial weights. No two steps overlap.
  Generator generator{.seed = seed ^ 0xD1EC71095EED0001ull, .offset = static_cast<uint64_t>(step() * layout.numel())};
  return generator.normal({layout.numel()}, 0, 1, layout.dtype(), layout.device());
}

namespace directions {

Direction gradient() {
  return {.name = "gradient", .at = [](const DirectionContext& now) { return now.gradient(); }, .needs_gradient = true};
}

Direction momentum() {
  return {.name = "momentum", .at = [](const DirectionContext& now) { return Heading{now.momentum(), -1}; }};
}

Direction last_gradient() {
  return {.name = "last-gradient",
          .at = [](const DirectionContext& now) { return Heading{now.last_gradient(), -1}; },
          .needs_last_gradient = true};
}

Direction friendly_momentum(double sigma) {
  return {.name = "friendly-momentum",
          .at =
              [sigma](const DirectionContext& now) {
                Tensor d = now.last_gradient().clone();
                core::add_scaled(d, -sigma * now.momentum_share(), now.momentum());
                return d;
              },
          .needs_last_gradient = true};
}

Direction random(uint64_t seed) {
  return {.name = "random", .at = [seed](const DirectionContext& now) { return now.normal(seed); }};
}

Direction lr_momentum() {
  return {.name = "lr-momentum",
          .at = [](const DirectionContext& now) { return Heading{now.times_lr(now.momentum()), -1}; },
          .normalised = false};
}

}  // namespace directions

}  // namespace minima::optim
