// SPDX-License-Identifier: MIT
// How far SAM and MSAM go: a radius that is given (a number, a schedule), one that is found while training (automatic),
// and one that fades where its direction tells nothing. What steers a radius stays on the device, as tensors of one
// element: no step waits for it, and none takes a further gradient or a further forward pass.
//   optim::SAM sam{optim::SGD{parameters, {.lr = 0.05, .momentum = 0.9}}, {.rho = optim::automatic}};
// Not here: which way (sam.h, msam.h), the way there and back (wrapper.h).
#pragma once

#include <optional>

#include "optim/optimizer.h"

namespace minima::optim {

/// What an automatic radius is held at: one number, measured while training, that is to be a target.
enum class Wanted : uint8_t {
  ratio,  ///< |e| / mean length of the updates so far. An update's length is lr |v|, so the base must be sgd
  rise,   ///< rise of the loss along e / mean loss so far
  edge    ///< curvature along e * lr / (2 (1 - momentum)); the base must be sgd
};

/// rho = automatic: no radius is given, and none is tried. What is measured needs no further gradient:
///   ratio  lr |v| of each step, v before the new gradient. rho = target * mean of lr |v| over the steps before.
///   rise   SAM: loss(w + e) - loss(w), and loss(w). MSAM knows no loss at w: e.g and the loss, both at w + e. For a
///          convex loss e.g is at least the rise; on a parabola whose minimum is w, it is twice the rise.
///   edge   SAM: 2 (loss(w + e) - loss(w) - e.g) / |e|^2, g at w. MSAM knows no slope at w: e.g / |e|^2, which is the
///          curvature if the slope at w is 0. 2 (1 - momentum) / lr is where the batch sharpness of SGD settles in
///          small batches (arXiv 2604.14108).
/// rise and edge begin with rho = 0.003 |w|, at least 0.001. Each step multiplies rho by (target / measured)^0.2, but
/// by no more than 1.02 and no less than 0.95: a radius that is too long does more harm. (edge: by the inverse power,
/// for a longer rho lowers the curvature, later.) The rise and the curvature are running averages with a memory of 20
/// steps. rho stays between 1e-6 and a root mean square of 1 a weight. In a run of less than some 300 steps it may
/// still be on its way. The usual targets were chosen with other seeds than those of lab 14, and in part on other data.
/// There no rule replaces trials: where a long radius pays, all of them stay too short, and `rise` can be too long
/// where a short one is best.
struct Automatic {
  Wanted wanted = Wanted::rise;
  std::optional<double> target{};  ///< above 0; none: the usual one, of SAM 0.5, 0.1 and 0.3, of MSAM 5, 0.15 and 0.3
};
inline constexpr Automatic automatic{};

/// A length (a number or a schedule; a wrapper says of which sign), or automatic.
class Radius {
 public:
  Radius(double rho) : schedule_(rho) {}                    // NOLINT: implicit, so that .rho = 0.1 reads as it should
  Radius(Schedule rho) : schedule_(std::move(rho)) {}       // NOLINT
  Radius(Automatic how) : schedule_(1), automatic_(how) {}  // NOLINT
  template <class F>
    requires(std::is_invocable_r_v<double, const F&, int64_t> && !std::is_same_v<F, Schedule>)
  Radius(F rho) : schedule_(std::move(rho)) {}  // NOLINT: implicit from any function of the step

  /// The hyperparameter rho: where the radius is automatic it is 1, a factor to what was found.
  const Schedule& schedule() const { return schedule_; }
  const std::optional<Automatic>& how() const { return automatic_; }

 private:
  Schedule schedule_;
  std::optional<Automatic> automatic_{};
};

// ---- for wrappers

/// Two numbers, each added up over the steps in the same way, whose ratio is wanted: that both begin at 0 cancels in
/// it. A part of the saved state.
class RunningRatio {
 public:
  /// The names of both in the state.
  RunningRatio(OptimizerState& state, const char* over, const char* under);
  /// Each becomes keep * itself + (1 - keep) * what is new, or, with keep = 1, itself + what is new: float64 elements.
  void add(const Tensor& over, const Tensor& under, double keep);
  /// over / under; 0 where nothing positive was added to `under`.
  Tensor value() const;

 private:
  Tensor over_, under_;
};

/// The share of the radius that is left where its direction d tells less and less:
///   share = min(|average cos(d, g)| / reference, 1),
/// a pure number. g is the gradient where the step takes it, d the direction before g enters it; the average is d.g
/// over |d| |g|, each with a memory of 100 steps. Where batches say nothing of each other, the cosine is 0 on average,
/// and d is as good as random. Its sign is no part of the rule: at the weights it is above 0 while the loss still falls
/// along the momentum and below 0 after; a perturbation makes it negative by itself, through the curvature that it
/// meets. So the rule cannot see a perturbation that is far too long (lab 11).
class Fading {
 public:
  /// `reference`, above 0 and up to 1, is the cosine from which on nothing is taken off.
  Fading(double reference, OptimizerState& state);
  /// One float64 element; 0 before the first step.
  Tensor share() const;
  /// d.g, |d| and |g|.
  void learn(const Tensor& dot, const Tensor& direction_norm, const Tensor& gradient_norm);

 private:
  double reference_;
  RunningRatio cosine_;
};

/// What one step tells of its perturbation e: float64 elements, on the device.
struct Told {
  Tensor loss;       ///< at w, or at w + e
  Tensor rise;       ///< of the loss from w to w + e; or e.g at w + e
  Tensor curvature;  ///< along e, in units of the loss over a squared length
};
/// From both losses, |g| at w, and rho = |e|, e being along g.
Told told_by_losses(const Tensor& at_weights, const Tensor& perturbed, const Tensor& gradient_norm, const Tensor& rho);
/// From the loss and the slope e.g / |e|, both at w + e.
Told told_by_slope(const Tensor& loss, const Tensor& slope, const Tensor& rho);

/// The radius that is found while training. Groups whose factors rho differ are measured as if they were 1.
class AutomaticRho {
 public:
  /// `usual` are the targets where none is given, in the order of Wanted. Errors: a target that is not above 0; ratio
  /// or edge over another base than sgd.
  AutomaticRho(const Automatic& how, const double (&usual)[3], OptimizerState& state);
  /// At the beginning of a step, at clean weights.
  void begin();
  /// Of this step: one float64 element.
  const Tensor& rho() const { return rho_; }
  /// Whether it learns from what a step tells; else from the updates alone. Either between gradient and update, so that
  /// a step which does not happen leaves no trace.
  bool listens() const { return wanted_ != Wanted::ratio; }
  void learn(const Told& told);
  void follow_updates();

 private:
  OptimizerState* state_;
  Wanted wanted_;
  double target_;
  Tensor rho_;
  RunningRatio recent_, run_;
};

}  // namespace minima::optim
