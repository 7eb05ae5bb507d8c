// SPDX-License-Identifier: MIT
#include "optim/radius.h"

#include <cmath>

#include "core/ops.h"

namespace minima::optim {

namespace {

constexpr double memory_of_cosine = 0.99, memory = 0.95;  // per step
constexpr double first_share = 3e-3, first_least = 1e-3, up = 1.02, down = 0.95,
                 shortest = 1e-6;  // of an automatic rho, see Automatic

using core::BinaryOp, core::UnaryOp, core::binary, core::unary;

Tensor times(const Tensor& a, const Tensor& b) { return binary(BinaryOp::multiply, a, b); }
Tensor inverse(const Tensor& x) { return unary(UnaryOp::reciprocal_above, x, 1e-150); }  // 0 where x is 0 or below
Tensor number(double value, const Tensor& like) { return Tensor::full({}, value, DType::float64, like.device()); }
Tensor clamped(const Tensor& x, double low, double high) {
  return binary(BinaryOp::minimum, binary(BinaryOp::maximum, x, number(low, x)), number(high, x));
}
/// factor * x, for a factor that changes from step to step: on a GPU that needs no new graph.
Tensor scaled(double factor, const Tensor& x) {
  Tensor y = number(0, x);
  core::add_scaled(y, factor, x);
  return y;
}
Tensor as_number(const Tensor& loss) { return loss.to(DType::float64).reshape({}); }

/// A root mean square of 1 a weight: no longer, so that Perturbation::is_long() is right for e.
double longest(const OptimizerState& state) {
  int64_t weights = 0;
  for (const FlatParameters::Run& run : state.flat.runs()) weights += run.end - run.begin;
  return std::sqrt(static_cast<double>(weights));
}

Tensor remembered(OptimizerState& state, const char* name) {
  state.require_free(name);
  return state.additional.emplace_back(name, Tensor::zeros({}, DType::float64, state.flat.gradients().device())).second;
}

}  // namespace

RunningRatio::RunningRatio(OptimizerState& state, const char* over, const char* under)
    : over_(remembered(state, over)), under_(remembered(state, under)) {}

void RunningRatio::add(const Tensor& over, const Tensor& under, double keep) {
  const double share = keep == 1 ? 1 : 1 - keep;
  core::blend(over_, keep, share, over);
  core::blend(under_, keep, share, under);
}

Tensor RunningRatio::value() const { return times(over_, inverse(under_)); }

Fading::Fading(double reference, OptimizerState& state)
    : reference_(reference), cosine_(state, "fading_dot", "fading_norms") {
  if (!(reference > 0 && reference <= 1)) fail("fade", text(reference), "a cosine above 0 and up to 1");
}

Tensor Fading::share() const {
  return clamped(unary(UnaryOp::affine, unary(UnaryOp::abs, cosine_.value()), 1 / reference_), 0, 1);
}

void Fading::learn(const Tensor& dot, const Tensor& direction_norm, const Tensor& gradient_norm) {
  cosine_.add(dot, times(direction_norm, gradient_norm), memory_of_cosine);
}

Told told_by_losses(const Tensor& at_weights, const Tensor& perturbed, const Tensor& gradient_norm, const Tensor& rho) {
  const Tensor loss = as_number(at_weights), rise = binary(BinaryOp::subtract, as_number(perturbed), loss);
  Tensor bend = rise.clone();  // half the curvature times rho^2
  core::add_scaled(bend, -1, gradient_norm, rho);
  return {loss, rise, times(unary(UnaryOp::affine, bend, 2), inverse(times(rho, rho)))};
}

Told told_by_slope(const Tensor& loss, const Tensor& slope, const Tensor& rho) {
  return {as_number(loss), times(slope, rho), times(slope, inverse(rho))};
}

AutomaticRho::AutomaticRho(const Automatic& how, const double (&usual)[3], OptimizerState& state)
    : state_(&state),
      wanted_(how.wanted),
      target_(how.target.value_or(usual[static_cast<int>(how.wanted)])),
      rho_(remembered(state, "automatic_rho")),
      recent_(state, "automatic_recent", "automatic_recent_count"),
      run_(state, "automatic_run", "automatic_run_count") {
  if (!(target_ > 0 && std::isfinite(target_))) fail("automatic", text("target = ", target_), "a number above 0");
  if (wanted_ != Wanted::rise && std::string(state.rule) != "sgd")
    fail("automatic", text(wanted_ == Wanted::ratio ? "Wanted::ratio" : "Wanted::edge", " over ", state.rule), "sgd",
         "Only its updates are lr * momentum. Wanted::rise fits every base.");
  if (wanted_ == Wanted::ratio && state.buffers.empty())
    fail("automatic", "Wanted::ratio over sgd with momentum = 0", "momentum above 0");
  if (wanted_ == Wanted::ratio) state.keep_momentum_norm = true;
}

void AutomaticRho::begin() {
  for (const char* of_all : {"lr", "momentum"})
    for (const Hyperparameters& group : state_->groups)
      if (wanted_ != Wanted::rise && group.now(of_all) != state_->groups[0].now(of_all))
        fail("automatic",
             text("groups with ", of_all, " = ", state_->groups[0].now(of_all), " and ", group.now(of_all)),
             text("one ", of_all), "Wanted::rise fits groups that differ.");
  if (state_->steps == 0 && listens())
    rho_.copy_from(clamped(unary(UnaryOp::affine, state_->flat.norm(state_->flat.weights()), first_share), first_least,
                           longest(*state_)));
}

// |e| = target * the mean length of the updates so far: so a learning rate that falls does not take rho with it.
void AutomaticRho::follow_updates() {
  const Tensor update = scaled(state_->groups[0].now("lr"), momentum_norm(*state_));
  run_.add(update, number(1, update), 1);
  rho_.copy_from(clamped(unary(UnaryOp::affine, run_.value(), target_), 0, longest(*state_)));
}

void AutomaticRho::learn(const Told& told) {
  const Tensor one = number(1, rho_);
  Tensor is, wanted;  // rho is too short while `is` is below what is wanted
  if (wanted_ == Wanted::rise) {
    // One loss that overflows must not stay in the average for ever.
    const Tensor most = unary(UnaryOp::affine, unary(UnaryOp::abs, told.loss), 1e3);
    recent_.add(binary(BinaryOp::minimum, told.rise, most), one, memory);
    run_.add(told.loss, one, 1);
    is = recent_.value(), wanted = unary(UnaryOp::affine, run_.value(), target_);
  } else {
    const Hyperparameters& group = state_->groups[0];
    recent_.add(scaled(group.now("lr") / (2 * (1 - group.now("momentum"))), told.curvature), one, memory);
    is = unary(UnaryOp::affine, one, target_), wanted = recent_.value();
  }
  // (wanted / is)^0.2, of which what is 0 or below is far too little, and no power can be taken
  const Tensor least = unary(UnaryOp::affine, unary(UnaryOp::abs, wanted), 1e-3);
  const Tensor ratio = times(unary(UnaryOp::relu, wanted), inverse(binary(BinaryOp::maximum, is, least)));
  const Tensor factor = clamped(unary(UnaryOp::power, ratio, 0.2), down, up);
  rho_.copy_from(clamped(times(rho_, factor), shortest, longest(*state_)));
}

}  // namespace minima::optim
