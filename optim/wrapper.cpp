// SPDX-License-Identifier: MIT
#include "optim/wrapper.h"

#include <algorithm>
#include <cmath>

#include "core/ops.h"

namespace minima::optim {

Perturbation::Perturbation(const OptimizerState& state, Tensor direction, double sign, Tensor scale)
    : state_(&state), direction_(std::move(direction)), sign_(sign), scale_(std::move(scale)) {}

double Perturbation::factor(int group) const { return sign_ * state_->groups[static_cast<size_t>(group)].now("rho"); }

void Perturbation::move_weights(double factor) const {
  for (const FlatParameters::Run& run : state_->flat.runs()) {
    Tensor weights = state_->flat.weights_of(run);
    core::add_scaled(weights, factor * this->factor(run.group), scale_, direction_.slice(run.begin, run.end));
  }
}

Tensor Perturbation::moved_copy() const {
  const Tensor& weights = state_->flat.memory();
  Tensor moved = weights.empty_like();
  int64_t done = 0;
  const auto copy_until = [&](int64_t end) {  // what no run moves
    if (done < end) moved.slice(done, end).copy_from(weights.slice(done, end));
  };
  for (const FlatParameters::Run& run : state_->flat.runs()) {
    copy_until(run.begin);
    done = run.end;
    const int64_t at = run.weights_begin;
    Tensor out = moved.slice(at, at + run.end - run.begin);
    // Where parameters share memory, it has been copied, and perhaps moved, before.
    const Tensor from = at == run.begin ? weights.slice(at, run.end) : out;
    core::add_scaled(from, factor(run.group), scale_, direction_.slice(run.begin, run.end), out);
  }
  copy_until(weights.numel());
  return moved;
}

void Perturbation::add_decay_to(Tensor gradient) const {
  for (const FlatParameters::Run& run : state_->flat.runs()) {
    const double decay = state_->groups[static_cast<size_t>(run.group)].now("weight_decay");
    Tensor part = gradient.slice(run.begin, run.end);
    core::add_scaled(part, decay * factor(run.group), scale_, direction_.slice(run.begin, run.end));
  }
}

Tensor Perturbation::norm() const {
  Tensor squares = Tensor::zeros({}, DType::float64, direction_.device());
  for (const FlatParameters::Run& run : state_->flat.runs()) {
    const Tensor part = direction_.slice(run.begin, run.end);
    core::add_scaled(squares, factor(run.group) * factor(run.group), core::dot(part, part));
  }
  const Tensor norm = core::unary(core::UnaryOp::sqrt, squares);
  return scale_.defined() ? core::binary(core::BinaryOp::multiply, norm, core::unary(core::UnaryOp::abs, scale_))
                          : norm;
}

bool Perturbation::is_zero() const {
  for (const FlatParameters::Run& run : state_->flat.runs())
    if (factor(run.group) != 0) return false;
  return true;
}

bool Perturbation::is_long() const {
  if (!scale_.defined()) return false;  // the direction is not normalised: nothing is known of its length
  double longest = 0, weights = 0;
  for (const FlatParameters::Run& run : state_->flat.runs()) {
    longest = std::max(longest, std::abs(factor(run.group)));
    weights += static_cast<double>(run.end - run.begin);
  }
  return longest > std::sqrt(weights);
}

Displaced::Displaced(OptimizerState& state, const Perturbation& e, bool in_copy)
    : state_(state), e_(e), is_moved_(!e.is_zero()) {
  if (is_moved_ && in_copy) {
    const Tensor moved = e.moved_copy();
    clean_ = state.flat.memory();
    state.flat.lie_in(moved);
  } else if (is_moved_) {
    e_.move_weights(+1);
  }
}

void Displaced::carry() {
  if (clean_.defined()) return put_back();
  if (is_moved_) state_.carried = e_.along_momentum();
  is_carried_ = is_moved_;
}

void Displaced::put_back() {
  if (clean_.defined())
    state_.flat.lie_in(clean_);
  else if (is_moved_)
    e_.move_weights(-1);
  is_moved_ = false;
}

Displaced::~Displaced() {
  if (is_carried_ && !state_.carried) return;  // the update has taken e off
  state_.carried.reset();
  if (is_moved_) put_back();
}

Wrapper::Wrapper(std::string name, Wrapped base, const Schedule& rho, Range radius)
    : name_(std::move(name)), base_(std::move(base)) {
  for (Hyperparameters& group : kept().groups) {
    group.extend(name_, {"rho", rho, radius});
    group.check_constants();
  }
}

BaseOptimizer& Wrapper::base() const {
  if (!base_) detail::refuse_moved_from("optimizer");
  return *base_;
}

void Wrapper::remember(const char* name, const Tensor& buffer) {
  kept().require_free(name);
  kept().additional.emplace_back(name, buffer);
}

Variable Wrapper::gradient_at_weights(const Closure& closure) {
  random_numbers_ = default_generator();
  Variable loss = gradient(kept(), closure);
  observe(kept(), loss);
  kept().now.loss_clean = kept().now.loss;
  return loss;
}

void Wrapper::second_gradient_at(const Perturbation& e, const Closure& closure) {
  if (kept().measure != Measure::nothing) kept().now.perturbation_norm = e.norm();
  BatchStatisticsFrozen frozen;
  default_generator() = random_numbers_;
  Displaced weights(kept(), e, /*in_copy=*/true);
  kept().now.loss_perturbed = gradient(kept(), closure).value();
}

Variable Wrapper::only_gradient_at(const Perturbation& e, const Closure& closure) {
  measure_ahead(e, closure);
  Displaced weights(kept(), e, e.is_long());
  return only_gradient(closure);
}

void Wrapper::measure_ahead(const Perturbation& e, const Closure& closure) {
  if (kept().measure == Measure::losses) kept().now.loss_clean = loss_only(kept(), closure);
  if (kept().measure != Measure::nothing) kept().now.perturbation_norm = e.norm();
}

Variable Wrapper::only_gradient(const Closure& closure) {
  Variable loss = gradient(kept(), closure);
  observe(kept(), loss);
  kept().now.loss_perturbed = kept().now.loss;
  return loss;
}

Tensor detail::inverse_of_norm(const Tensor& norm, DType dtype) {
  // The inverse must fit the dtype with room for rho; a direction this short is rounding noise anyway. One that is NaN
  // still turns weights to NaN, so that the loss tells.
  return core::unary(core::UnaryOp::reciprocal_above, norm, dtype == DType::float64 ? 1e-150 : 1e-30);
}

Perturbation Wrapper::along(const Tensor& direction, double sign, const Tensor& norm) const {
  return {kept(), direction, sign, detail::inverse_of_norm(norm, direction.dtype())};
}

Perturbation Wrapper::along(const Tensor& direction, double sign, const Tensor& norm, const Tensor& radius) const {
  const Tensor inverse = detail::inverse_of_norm(norm, direction.dtype());
  return {kept(), direction, sign, core::binary(core::BinaryOp::multiply, inverse, radius)};
}

}  // namespace minima::optim
