#include "examples/labs/faults.h"

#include <cmath>
#include <numbers>
#include <optional>

namespace minima::examples {

namespace {

std::vector<Tensor> zeros_like(const std::vector<Variable>& parameters) {
  std::vector<Tensor> zeros;
  for (const Variable& p : parameters) zeros.push_back(Tensor::zeros(p.shape(), p.dtype()));
  return zeros;
}

double norm_of(const std::vector<Tensor>& tensors) {
  double sum = 0;
  for (const Tensor& tensor : tensors) sum += core::dot(tensor, tensor).item();
  return std::sqrt(sum);
}

void zero_gradients(std::vector<Variable>& parameters) {
  for (Variable& p : parameters) p.zero_grad();
}

/// velocity = momentum * velocity + g;  weight -= lr * velocity
void sgd(Tensor weight, Tensor velocity, const Tensor& g, double lr, double momentum) {
  velocity.copy_from(core::unary(core::UnaryOp::affine, velocity, momentum, 0));
  core::add_scaled(velocity, 1, g);
  core::add_scaled(weight, -lr, velocity);
}

}  // namespace

// -------------------------------------------------------------------------------------------------------- MSAM

TextbookMsam::TextbookMsam(std::vector<Variable> parameters, TextbookOptions options)
    : parameters_(std::move(parameters)),
      options_(std::move(options)),
      velocity_(zeros_like(parameters_)),
      factors_(parameters_.size(), 0) {}

void TextbookMsam::step(const optim::Closure& closure) {
  zero_gradients(parameters_);
  closure();  // the gradient at the perturbed point, where the weights are
  const double lr = options_.lr(steps_);
  std::vector<double> undo = factors_;
  if (options_.fault == 4) undo = factors(options_.rho(steps_ + 1));
  for (size_t i = 0; i < parameters_.size(); ++i) {
    Tensor weight = parameters_[i].value(), velocity = velocity_[i], decayed = weight.clone();
    if (options_.fault != 6) core::add_scaled(decayed, undo[i], velocity);
    Tensor g = options_.fault == 9 ? parameters_[i].grad() : parameters_[i].grad().clone();
    core::add_scaled(g, options_.weight_decay, decayed);
    if (options_.fault != 5) core::add_scaled(weight, undo[i], velocity);  // back to the clean weights
    sgd(weight, velocity, g, lr, options_.momentum);
    if (options_.fault == 5) core::add_scaled(weight, undo[i], velocity);
  }
  ++steps_;
  factors_ = factors(options_.rho(steps_));
  add(factors_, -1);  // and on to the next perturbed point
}

/// rho / |v| for each tensor, |v| being the norm over all of them.
std::vector<double> TextbookMsam::factors(double rho) const {
  const double over_all = norm_of(velocity_), sign = options_.fault == 1 ? -1 : 1;
  std::vector<double> factors;
  for (const Tensor& velocity : velocity_) {
    const double norm = options_.fault == 2 ? core::norm(velocity).item() : over_all;
    factors.push_back(norm > 0 ? sign * rho / norm : 0);
  }
  return factors;
}

void TextbookMsam::add(const std::vector<double>& factors, double sign) {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    Tensor weight = parameters_[i].value();
    core::add_scaled(weight, sign * factors[i], velocity_[i]);
  }
}

void TextbookMsam::move_back() {
  if (options_.fault != 3) add(factors_, +1);
}

void TextbookMsam::finish() {
  if (options_.fault != 12) move_back();
}

TextbookMsam::State TextbookMsam::save() const {
  State state{{}, factors_, steps_};
  for (const Tensor& velocity : velocity_) state.velocity.push_back(velocity.clone());
  return state;
}

void TextbookMsam::load(const State& state) {
  for (size_t i = 0; i < velocity_.size(); ++i) velocity_[i].copy_from(state.velocity[i]);
  steps_ = state.steps;
  if (options_.fault != 8) factors_ = state.factors;
}

// --------------------------------------------------------------------------------------------------------- SAM

TextbookSam::TextbookSam(std::vector<Variable> parameters, TextbookOptions options)
    : parameters_(std::move(parameters)), options_(std::move(options)), velocity_(zeros_like(parameters_)) {}

void TextbookSam::step(const optim::Closure& closure) {
  zero_gradients(parameters_);
  closure();  // the gradient at w
  std::vector<Tensor> uphill, saved;
  for (const Variable& p : parameters_) uphill.push_back(p.grad().clone()), saved.push_back(p.value().clone());
  const double norm = norm_of(uphill), rho = options_.rho(steps_);
  const double factor = norm > 0 || options_.fault == 10 ? rho / norm : 0;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    Tensor weight = parameters_[i].value();
    core::add_scaled(weight, factor, uphill[i]);
  }
  if (options_.fault != 11) zero_gradients(parameters_);
  {
    std::optional<BatchStatisticsFrozen> frozen;
    if (options_.fault != 7) frozen.emplace();
    closure();  // the gradient at w + rho * g / |g|
  }
  for (size_t i = 0; i < parameters_.size(); ++i) {
    Tensor weight = parameters_[i].value(), g = parameters_[i].grad().clone();
    weight.copy_from(saved[i]);
    core::add_scaled(g, options_.weight_decay, weight);
    sgd(weight, velocity_[i], g, options_.lr(steps_), options_.momentum);
  }
  ++steps_;
  gradient_evaluations_ += options_.fault == 14 ? 1 : 2;
}

// --------------------------------------------------------------------------------------------------- schedules

optim::Schedule rho_schedule(double rho, int64_t steps, int fault) {
  return [=](int64_t step) {
    const int64_t on = steps / 5, falls = 3 * steps / 5;
    if (step < on) return 0.0;
    if (step < falls) return rho;
    const double periods = fault == 13 ? 2 : 0.5;
    const double share = static_cast<double>(step - falls) / static_cast<double>(steps - falls);
    return rho / 4 + (rho - rho / 4) * (1 + std::cos(2 * std::numbers::pi * periods * share)) / 2;
  };
}

const Fault& fault(int number) {
  static const std::vector<Fault> faults{
      {"The perturbation goes along +v, back to where the weights came from, instead of -v.",
       "Panel 3: the cosine of e and -v is -1. The length is right, and so is all bookkeeping; only the test loss may "
       "hint at it."},
      {"The momentum is normalised tensor by tensor instead of once over all parameters.",
       "Panel 2: |e| is rho times the square root of the number of tensors, 2.4 times too long whatever rho is; panel "
       "3: "
       "e no longer has the direction of v."},
      {"The weights are evaluated, and saved, at the perturbed point.",
       "Panel 2: no distance at all between what is evaluated and where the gradient is taken. Panel 4: each step "
       "leads "
       "elsewhere than -lr * v."},
      {"The perturbation is undone with the rho that is due now, though another one had been applied.",
       "Panel 4: a step goes astray exactly where rho changes: a kick of length rho when it is switched on, and small "
       "ones while it falls; none while it is constant. Weight decay, taken where the undoing ends, shows the same in "
       "panel 5."},
      {"The perturbation is undone after the momentum was updated, with the new momentum.",
       "Panel 4: every step goes astray while rho is not 0, though (panel 2) the perturbation has its right length."},
      {"Weight decay is taken at the perturbed weights.",
       "Panel 5 and no other: the new velocity is not momentum * v + g + weight_decay * w, by weight_decay * rho."},
      {"Batch norm counts SAM's second pass in its running statistics.",
       "Panel 9: two batches are counted in each step."},
      {"The checkpoint holds the perturbed weights and the momentum, but not the factor between them.",
       "Panel 4: one step goes astray, the one after resuming, by exactly rho: the perturbation is never undone."},
      {"Weight decay is added to the gradient in place.",
       "Panel 6: the gradient that is left after the step is not the one that was computed. Training is not affected; "
       "logged norms and accumulated gradients are."},
      {"SAM divides by the norm of the gradient without asking whether it is 0.",
       "Panel 12: from an exact minimum, where there is nowhere to go, not one weight is left finite. Never seen in "
       "the other panels, nor in most training."},
      {"The gradients are not zeroed between SAM's two passes.",
       "Panel 11: with rho = 0 SAM must be SGD to the bit, and is not. It applies the sum of two gradients, which "
       "looks "
       "like a learning rate twice as large."},
      {"The perturbation is not undone after the last step.",
       "Panel 4: all steps are right but the last, which ends at distance rho from where it should. As the learning "
       "rate "
       "has gone to 0, this is by far the largest error of the run."},
      {"The cosine of rho runs through two periods instead of half a one.",
       "Panel 2: rho comes back to its full value twice while it should only fall."},
      {"SAM counts one gradient a step.",
       "Panel 10: it reports half of the gradients it takes. All trajectories are right; a comparison at equal numbers "
       "of gradients gives it twice the budget."},
  };
  return faults.at(static_cast<size_t>(number - 1));
}

}  // namespace minima::examples
