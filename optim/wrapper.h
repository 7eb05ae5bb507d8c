// Wrapper: an optimizer that takes the gradient somewhere else than at the weights and leaves the update to the base
// that it wraps; and Perturbation, the way there and back. SAM, ASAM (sam.h), MSAM (msam.h), LookSAM (looksam.h) and
// ESAM (esam.h) are wrappers. Not here: a direction of one's own, which needs no new wrapper (along.h).
#pragma once

#include <concepts>
#include <memory>

#include "core/random.h"
#include "optim/optimizer.h"

namespace minima::optim {

/// What may be wrapped: an optimizer with a rule of its own. A wrapper is none.
template <class T>
concept WrappableOptimizer = std::derived_from<T, BaseOptimizer>;

/// How a scope of a perturbation leaves the weights.
enum class Undo {
  from_copy,   ///< exactly as they were; costs a copy of the weights
  subtracting  ///< by subtracting e, to two roundings of w + e; no memory. The direction must not have changed
               ///< meanwhile
};

/// A displacement e = scale * rho * direction of all trainable weights, rho being each group's own radius.
class Perturbation {
 public:
  Perturbation(const BaseOptimizer& base, Tensor direction, double scale);

  /// The weights are w + e for as long as this lives; a perturbation of zero touches nothing.
  class Scope {
   public:
    Scope(const Perturbation& perturbation, Undo undo);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    const Perturbation& perturbation_;
    const Undo undo_;
    Tensor saved_;
  };
  Scope scope(Undo undo) const& { return Scope(*this, undo); }
  Scope scope(Undo undo) const&& = delete;  // it would outlive the perturbation

  /// target += factor * e, for a flat buffer.
  void add_to(Tensor target, double factor) const;
  /// What weight decay at w + e would add to a flat gradient beyond weight decay at w: weight_decay * e.
  void add_decay_to(Tensor gradient) const;
  /// |e|
  double norm() const;
  bool is_zero() const;

 private:
  template <class F>
  void add_scaled(Tensor& target, F factor_of_group) const;

  const BaseOptimizer* base_;
  Tensor direction_;
  double scale_;
};

class Wrapper : public Optimizer {
 public:
  std::string name() const override { return name_; }
  BaseOptimizer& base() override { return *base_; }
  using Optimizer::base;
  Buffers buffers() const override { return base_->buffers(); }

 protected:
  enum class Radius { not_negative, any_sign };
  /// Groups without a radius of their own inherit rho.
  Wrapper(std::string name, std::unique_ptr<BaseOptimizer> base, const Schedule& rho, Radius radius);

  // ---- the parts of a step. Each gradient is left in gradients(); base().update(gradients()) ends the step.
  void begin_step();
  /// The gradient at w. Returns the loss there.
  Variable gradient_at_weights(const Closure& closure);
  /// After it, the gradient at w + e: a second pass over the same batch, which sees the same random numbers; batch
  /// statistics count the first only. The weights are the same bits afterwards.
  void second_gradient_at(const Perturbation& e, const Closure& closure);
  /// The gradient at w + e and no other. Returns the loss there. The weights are back to two roundings afterwards
  /// (Undo::subtracting).
  Variable only_gradient_at(const Perturbation& e, const Closure& closure);
  const Tensor& gradients() const { return base_->flat().gradients(); }
  double norm(const Tensor& flat) const { return base_->flat().norm(flat); }
  /// e = sign * rho * direction / norm; none where the norm is zero, or so small that rho / norm would overflow.
  Perturbation along(const Tensor& direction, double sign, double norm) const;
  /// The same with the norm of the direction, one over everything.
  Perturbation along(const Tensor& direction, double sign) const { return along(direction, sign, norm(direction)); }

 private:
  void check_radius(int group, double rho, int64_t step) const;

  std::string name_;
  std::unique_ptr<BaseOptimizer> base_;
  Radius radius_;
  Generator random_numbers_;  // of the first pass, for the second
};

}  // namespace minima::optim
