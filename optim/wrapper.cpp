#include "optim/wrapper.h"

#include <cmath>

#include "core/ops.h"

namespace minima::optim {

// ------------------------------------------------------------------------------------------------ perturbation

Perturbation::Perturbation(const OptimizerState& state, Tensor direction, double sign, Tensor scale)
    : state_(&state), direction_(std::move(direction)), sign_(sign), scale_(std::move(scale)) {}

double Perturbation::factor(int group) const { return sign_ * state_->groups[static_cast<size_t>(group)].now("rho"); }

void Perturbation::move_weights(double factor) const {
  for (const FlatParameters::Run& run : state_->flat.runs()) {
    Tensor weights = state_->flat.weights_of(run);
    core::add_scaled(weights, factor * this->factor(run.group), scale_, direction_.slice(run.begin, run.end));
  }
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

namespace {

/// The weights are w + e until the brace closes; then w, the same bits.
class AtWithCopy {
 public:
  AtWithCopy(const Perturbation& e, const FlatParameters& flat) : weights_(flat.memory()), clean_(weights_.clone()) {
    e.move_weights(+1);
  }
  AtWithCopy(const AtWithCopy&) = delete;
  AtWithCopy& operator=(const AtWithCopy&) = delete;
  ~AtWithCopy() { weights_.copy_from(clean_); }

 private:
  Tensor weights_, clean_;
};

}  // namespace

Displaced::Displaced(OptimizerState& state, const Perturbation& e) : state_(state), e_(e), is_moved_(!e.is_zero()) {
  if (is_moved_) e_.move_weights(+1);
}

void Displaced::carry() {
  is_carried_ = true;
  if (is_moved_) state_.carried = e_.along_momentum();
}

Displaced::~Displaced() {
  const bool is_done = is_carried_ && !state_.carried;
  state_.carried.reset();
  if (is_moved_ && !is_done) e_.move_weights(-1);
}

// ----------------------------------------------------------------------------------------------------- wrapper

Wrapper::Wrapper(std::string name, std::unique_ptr<BaseOptimizer> base, const Schedule& rho, Range radius)
    : name_(std::move(name)), base_(std::move(base)) {
  for (Hyperparameters& group : kept().groups) {
    group.extend(name_, {"rho", rho, radius});
    group.check_constants();
  }
}

Variable Wrapper::gradient_at_weights(const Closure& closure) {
  random_numbers_ = default_generator();
  Variable loss = gradient(kept(), closure);
  observe(kept(), loss);
  kept().measured.loss_clean = kept().measured.loss;
  return loss;
}

void Wrapper::second_gradient_at(const Perturbation& e, const Closure& closure) {
  OptimizerState::Measured& measured = kept().measured;
  if (kept().measure != Measure::nothing) measured.perturbation_norm = e.norm();
  BatchStatisticsFrozen frozen;
  default_generator() = random_numbers_;
  if (e.is_zero()) {
    measured.loss_perturbed = gradient(kept(), closure).value();
    return;
  }
  AtWithCopy perturbed(e, kept().flat);
  measured.loss_perturbed = gradient(kept(), closure).value();
}

Variable Wrapper::only_gradient_at(const Perturbation& e, const Closure& closure) {
  measure_ahead(e, closure);
  Displaced weights(kept(), e);
  return only_gradient(closure);
}

void Wrapper::measure_ahead(const Perturbation& e, const Closure& closure) {
  OptimizerState::Measured& measured = kept().measured;
  if (kept().measure == Measure::losses) measured.loss_clean = loss_only(kept(), closure);
  if (kept().measure != Measure::nothing) measured.perturbation_norm = e.norm();
}

Variable Wrapper::only_gradient(const Closure& closure) {
  Variable loss = gradient(kept(), closure);
  observe(kept(), loss);
  kept().measured.loss_perturbed = kept().measured.loss;
  return loss;
}

Perturbation Wrapper::along(const Tensor& direction, double sign, const Tensor& norm) const {
  // 1 / norm must fit the dtype with room for rho; a direction this short is rounding noise anyway. One that is NaN
  // still turns weights to NaN, so that the loss tells.
  const double shortest = direction.dtype() == DType::float64 ? 1e-150 : 1e-30;
  const Tensor one = Tensor::full({}, 1, DType::float64, direction.device());
  const Tensor beyond = core::unary(core::UnaryOp::affine, norm, 1, -shortest);
  return {kept(), direction, sign,
          core::binary(core::BinaryOp::where_positive, core::binary(core::BinaryOp::divide, one, norm), beyond)};
}

}  // namespace minima::optim
