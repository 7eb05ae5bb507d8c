// SPDX-License-Identifier: MIT
// Wrapper: an optimizer that takes the gradient somewhere else than at the weights and leaves the update to the base
// that it wraps; and Perturbation, the way there and back. SAM, ASAM (sam.h), MSAM (msam.h), LookSAM and ESAM
// (directions/) are wrappers. Not here: a direction of one's own, which needs no new wrapper (directions/along.h).
#pragma once

#include <concepts>
#include <memory>

#include "core/random.h"
#include "optim/optimizer.h"

namespace minima::optim {

/// What a wrapper wraps: an optimizer with a rule of its own, by value or by pointer. A wrapper is none, and a null
/// pointer is an error.
class Wrapped {
 public:
  template <std::derived_from<BaseOptimizer> Base>
  Wrapped(Base base) : Wrapped(std::make_unique<Base>(std::move(base))) {}  // NOLINT: implicit
  template <std::derived_from<BaseOptimizer> Base>
  Wrapped(std::unique_ptr<Base> base) : optimizer_(std::move(base)) {  // NOLINT: implicit
    if (!optimizer_) fail("optimizer", "a null pointer to wrap", "an optimizer such as SGD");
  }
  BaseOptimizer* operator->() const { return optimizer_.get(); }
  BaseOptimizer& operator*() const { return *optimizer_; }
  /// False after it was moved from.
  explicit operator bool() const { return optimizer_ != nullptr; }

 private:
  std::unique_ptr<BaseOptimizer> optimizer_;
};

/// A displacement e = sign * rho * scale * direction of all trainable weights, rho being each group's own radius and
/// `scale` one float64 element on the device (undefined: 1).
class Perturbation {
 public:
  Perturbation(const OptimizerState& state, Tensor direction, double sign, Tensor scale = {});

  /// Weights += factor * e.
  void move_weights(double factor) const;
  /// A copy of the memory of all weights, with e added.
  Tensor moved_copy() const;
  /// e without its direction, which is the momentum.
  OptimizerState::Carried along_momentum() const { return {sign_, scale_}; }
  /// target += weight_decay * e, for a flat gradient: what weight decay at w + e adds beyond weight decay at w.
  void add_decay_to(Tensor gradient) const;
  /// |e|, one element.
  Tensor norm() const;
  /// Whether e is known to be zero without looking at the direction: the radius is 0 everywhere.
  bool is_zero() const;
  /// Whether e is known to be longer than 1 a weight (root mean square), which few weights are. It is a question of the
  /// radius alone, so that no step waits for the device and a resumed one answers it alike.
  bool is_long() const;

 private:
  double factor(int group) const;

  const OptimizerState* state_;
  Tensor direction_;
  double sign_;
  Tensor scale_;
};

namespace detail {
/// 1 / norm, one element on the device; 0 where the norm is zero, or so small that rho / norm would not fit the dtype.
Tensor inverse_of_norm(const Tensor& norm, DType dtype);
}  // namespace detail

/// The weights are w + e from here on, until the brace closes: then they are w again. Either w + e is a copy, in which
/// the parameters have their values meanwhile, or e is added and subtracted in place, which needs no memory and costs
/// two roundings. After carry() the base's next update subtracts e, in the pass that it makes anyway.
class Displaced {
 public:
  /// e must outlive this.
  Displaced(OptimizerState& state, const Perturbation& e, bool in_copy);
  Displaced(const Displaced&) = delete;
  Displaced& operator=(const Displaced&) = delete;
  ~Displaced();
  /// Only for an e along the momentum. The parameters leave a copy here.
  void carry();
  /// The weights are w again now.
  void come_back() { put_back(); }

 private:
  void put_back();

  OptimizerState& state_;
  const Perturbation& e_;
  Tensor clean_;  ///< the memory of the weights while w + e is a copy; else undefined
  bool is_moved_, is_carried_ = false;
};

class Wrapper : public Optimizer {
 public:
  std::string name() const override { return name_; }
  OptimizerState& kept() override { return base().kept(); }
  const OptimizerState& kept() const override { return base().kept(); }

 protected:
  /// Every group gets the hyperparameter rho.
  Wrapper(std::string name, Wrapped base, const Schedule& rho, Range radius);
  BaseOptimizer& base() const;

  // ---- the parts of a step. Each gradient is left in gradients(); base().update(gradients()) ends the step.
  void begin_step() { optim::begin_step(kept()); }
  /// The gradient at w. Returns the loss there.
  Variable gradient_at_weights(const Closure& closure);
  /// After it, the gradient at w + e: a second pass over the same batch, which sees the same random numbers; batch
  /// statistics count the first only. The weights themselves never move: w + e is a copy, which the parameters have for
  /// their values meanwhile.
  void second_gradient_at(const Perturbation& e, const Closure& closure);
  /// The gradient at w + e and no other. Returns the loss there. Afterwards e has been subtracted, which needs no copy
  /// of the weights and brings them back to two roundings of w + e; e's direction must not change meanwhile. A long e
  /// would take the digits of w with it: then w + e is a copy, and the weights never move.
  Variable only_gradient_at(const Perturbation& e, const Closure& closure);
  /// Its parts: what last_step() tells of e, at clean weights; the gradient where the weights are.
  void measure_ahead(const Perturbation& e, const Closure& closure);
  Variable only_gradient(const Closure& closure);
  /// `buffer` is a part of the saved state from now on.
  void remember(const char* name, const Tensor& buffer);
  const Tensor& gradients() const { return kept().flat.gradients(); }
  Tensor norm(const Tensor& flat) const { return kept().flat.norm(flat); }
  /// e = sign * rho * direction / norm; none where the norm is zero, or so small that rho / norm would overflow.
  Perturbation along(const Tensor& direction, double sign, const Tensor& norm) const;
  /// e = sign * rho * radius * direction / norm, for a radius that was found on the device: one float64 element.
  Perturbation along(const Tensor& direction, double sign, const Tensor& norm, const Tensor& radius) const;
  /// With the norm of the direction, one over everything.
  Perturbation along(const Tensor& direction, double sign) const { return along(direction, sign, norm(direction)); }

 private:
  std::string name_;
  Wrapped base_;
  Generator random_numbers_;  // of the first pass, for the second
};

}  // namespace minima::optim
