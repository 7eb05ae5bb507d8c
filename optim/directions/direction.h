// SPDX-License-Identifier: MIT
// Directions: which way a perturbation goes from the weights, as a value. Along (along.h) takes the gradient there. A
// direction of one's own is a name and a function:
//   const auto outward = [](const optim::DirectionContext& now) { return now.weights(); };
//   optim::Along optimizer{optim::SGD{parameters}, {.name = "outward", .at = outward}, {.rho = 0.5}};
// Not here: how far (the radius rho, of either sign), the way there and back (wrapper.h).
#pragma once

#include <functional>
#include <string>

#include "optim/optimizer.h"

namespace minima::optim {

/// What a direction may be made of: the state at the beginning of a step. Tensors are flat, one element for each of the
/// parameters in the order of Optimizer::parameters(), and must not be changed.
class DirectionContext {
 public:
  /// `gradient` and `last_gradient` are undefined where the direction did not ask for them.
  DirectionContext(const Optimizer& optimizer, Tensor gradient, Tensor last_gradient);

  Tensor weights() const { return optimizer_.kept().flat.weights(); }
  /// g of this batch at w. An error unless needs_gradient.
  const Tensor& gradient() const;
  /// The gradient that the last step applied; zero before the first. An error unless needs_last_gradient.
  const Tensor& last_gradient() const;
  /// v before the new gradient enters. An error where the base has none.
  const Tensor& momentum() const { return optimizer_.momentum(); }
  /// 0 for the first
  int64_t step() const { return optimizer_.steps(); }
  double lr(int group = 0) const { return optimizer_.group(group).now("lr"); }
  double rho(int group = 0) const { return optimizer_.group(group).now("rho"); }
  const FlatLayout& layout() const { return optimizer_.kept().flat.layout(); }
  /// Over all trainable elements: one float64 element, on the device.
  Tensor norm(const Tensor& flat) const { return optimizer_.kept().flat.norm(flat); }
  /// What the momentum of a base is a multiple of: 1 - momentum where it is a sum of gradients (SGD), 1 where it is
  /// their mean (Adam). So share * v is a mean.
  double momentum_share() const;
  /// A flat tensor times the learning rate of each group.
  Tensor times_lr(const Tensor& flat) const;
  /// Standard normal numbers, a function of the seed and the step alone: the same again in a resumed run.
  Tensor normal(uint64_t seed) const;

 private:
  const Optimizer& optimizer_;
  Tensor gradient_, last_gradient_;
};

/// d = factor * flat, so that turning or scaling a buffer costs no copy of it. A tensor alone is one.
struct Heading {
  Tensor flat;
  double factor;
  Tensor norm{};  ///< what d is divided by where it is normalised: one float64 element; undefined: |d|

  Heading(Tensor flat, double factor = 1) : flat(std::move(flat)), factor(factor) {}  // NOLINT: implicit from a tensor
};

struct Direction {
  std::string name{};  ///< "gradient" for the optimizer "along-gradient"
  /// d, of the shape, dtype and device of the weights. Where it is zero, or an undefined tensor, nothing is perturbed.
  std::function<Heading(const DirectionContext&)> at{};
  bool normalised = true;            ///< e = rho * d / |d|, with one norm over all parameters; else e = rho * d
  bool needs_gradient = false;       ///< of this batch at w: a step then takes two gradients, as SAM's
  bool needs_last_gradient = false;  ///< of the step before: costs one buffer, which is saved with the state
};

namespace directions {
/// d = g, uphill: rho > 0 is SAM, rho < 0 goes downhill. Two gradients a step.
Direction gradient();
/// d = -v, along the coming update: rho > 0 is MSAM, rho < 0 goes the other way, along +v.
Direction momentum();
/// d = -(the gradient that the last step applied): MSAM without the memory. rho < 0 goes uphill on the last batch.
Direction last_gradient();
/// d = g - sigma * m, g being the last gradient and m the mean of gradients that the momentum is: uphill on what the
/// last batch has of its own (F-SAM, Li et al., 2024, takes the fresh gradient, which costs a second one). sigma = 0
/// goes uphill on the last batch.
Direction friendly_momentum(double sigma = 1);
/// d is a direction drawn anew in each step, uniformly over the sphere: the control that any other must beat. Drawing
/// it is a pass of random numbers over all weights, which in a small network costs more than the gradient.
Direction random(uint64_t seed = 0);
/// d = -lr * v, not normalised: rho = momentum is Nesterov's original method, rho = 0 heavy ball. MSAM with a radius
/// that shrinks with the steps.
Direction lr_momentum();
}  // namespace directions

}  // namespace minima::optim
