#include "optim/wrapper.h"

#include <cmath>

#include "core/ops.h"

namespace minima::optim {

// ------------------------------------------------------------------------------------------------ perturbation

Perturbation::Perturbation(const BaseOptimizer& base, Tensor direction, double scale)
    : base_(&base), direction_(std::move(direction)), scale_(scale) {}

template <class F>
void Perturbation::add_scaled(Tensor& target, F factor_of_group) const {
  for (const FlatParameters::Run& run : base_->flat().runs()) {
    const double factor = factor_of_group(run.group) * scale_ * base_->values(run.group).rho;
    if (factor == 0) continue;
    Tensor part = target.slice(run.begin, run.end);
    core::add_scaled(part, factor, direction_.slice(run.begin, run.end));
  }
}

void Perturbation::add_to(Tensor target, double factor) const {
  add_scaled(target, [factor](int) { return factor; });
}

void Perturbation::add_decay_to(Tensor gradient) const {
  add_scaled(gradient, [this](int group) { return base_->group(group).weight_decay; });
}

double Perturbation::norm() const {
  double sum = 0;
  for (const FlatParameters::Run& run : base_->flat().runs()) {
    const Tensor part = direction_.slice(run.begin, run.end);
    const double factor = scale_ * base_->values(run.group).rho;
    sum += factor * factor * core::dot(part, part);
  }
  return std::sqrt(sum);
}

bool Perturbation::is_zero() const {
  for (const FlatParameters::Run& run : base_->flat().runs())
    if (scale_ * base_->values(run.group).rho != 0) return false;
  return true;
}

Perturbation::Scope::Scope(const Perturbation& perturbation, Undo undo) : perturbation_(perturbation), undo_(undo) {
  if (perturbation_.is_zero()) return;
  if (undo_ == Undo::from_copy) saved_ = perturbation_.base_->flat().weights().clone();
  perturbation_.add_to(perturbation_.base_->flat().weights(), +1);
}

Perturbation::Scope::~Scope() {
  if (perturbation_.is_zero()) return;
  if (undo_ == Undo::from_copy) {
    Tensor weights = perturbation_.base_->flat().weights();
    weights.copy_from(saved_);
  } else {
    perturbation_.add_to(perturbation_.base_->flat().weights(), -1);
  }
}

// ----------------------------------------------------------------------------------------------------- wrapper

Wrapper::Wrapper(std::string name, std::unique_ptr<BaseOptimizer> base, const Schedule& rho, Radius radius)
    : name_(std::move(name)), base_(std::move(base)), radius_(radius) {
  for (int i = 0; i < base_->groups(); ++i) {
    std::optional<Schedule>& own = base_->group(i).rho;
    if (!own) own = rho;
    if (own->is_constant()) check_radius(i, (*own)(0), -1);
  }
}

void Wrapper::check_radius(int group, double rho, int64_t step) const {
  if (!std::isfinite(rho) || (radius_ == Radius::not_negative && rho < 0))
    fail(name_, text("rho = ", rho, " in group ", group, detail::at_step(step)),
         radius_ == Radius::any_sign ? "a finite number" : "a finite number of at least 0");
}

void Wrapper::begin_step() {
  base_->begin_step();
  for (int i = 0; i < base_->groups(); ++i) check_radius(i, base_->values(i).rho, steps());
}

Variable Wrapper::gradient_at_weights(const Closure& closure) {
  random_numbers_ = default_generator();
  Variable loss = base_->gradient(closure);
  base_->observe(loss);
  base_->statistics().loss_clean = base_->statistics().loss;
  return loss;
}

void Wrapper::second_gradient_at(const Perturbation& e, const Closure& closure) {
  StepStatistics& statistics = base_->statistics();
  if (base_->measured() != Measure::nothing) statistics.perturbation_norm = e.norm();
  auto there = e.scope(Undo::from_copy);  // w + e until the function returns or throws; then w, exactly
  BatchStatisticsFrozen frozen;
  default_generator() = random_numbers_;
  statistics.loss_perturbed = base_->gradient(closure).item();
}

Variable Wrapper::only_gradient_at(const Perturbation& e, const Closure& closure) {
  StepStatistics& statistics = base_->statistics();
  if (base_->measured() == Measure::losses) statistics.loss_clean = base_->loss_only(closure);
  if (base_->measured() != Measure::nothing) statistics.perturbation_norm = e.norm();
  Variable loss;
  {
    auto there = e.scope(Undo::subtracting);
    loss = base_->gradient(closure);
  }
  base_->observe(loss);
  statistics.loss_perturbed = statistics.loss;
  return loss;
}

Perturbation Wrapper::along(const Tensor& direction, double sign, double norm) const {
  // 1 / norm must fit the dtype with room for rho; a direction this short is rounding noise anyway. One that is NaN
  // perturbs all weights to NaN, so that the loss tells.
  const double shortest = direction.dtype() == DType::float64 ? 1e-150 : 1e-30;
  return Perturbation(*base_, direction, norm <= shortest ? 0 : sign / norm);
}

}  // namespace minima::optim
