// MSAM from the paper, in its authors' order of operations; the weights between two steps are the perturbed ones.
#include <cmath>
#include <numbers>

#include "examples/labs/textbook.h"

namespace minima::examples {

TextbookMsam::TextbookMsam(std::vector<Variable> parameters, TextbookOptions options)
    : parameters_(std::move(parameters)),
      options_(std::move(options)),
      velocity_(zeros_like(parameters_)),
      factors_(parameters_.size(), 0) {}

void TextbookMsam::step(const optim::Closure& closure) {
  zero_gradients(parameters_);
  closure();
  // BEGIN SOLUTION 6
  const double lr = options_.lr(steps_);
  std::vector<double> undo = factors_;
  if (options_.fault == 4) undo = factors(options_.rho(steps_ + 1));
  for (size_t i = 0; i < parameters_.size(); ++i) {
    Tensor weight = parameters_[i].value(), velocity = velocity_[i], decayed = weight.clone();
    if (options_.fault != 6) core::add_scaled(decayed, undo[i], velocity);
    Tensor g = parameters_[i].grad();
    if (options_.fault != 9) g = g.clone();
    core::add_scaled(g, options_.weight_decay, decayed);
    if (options_.fault != 5) core::add_scaled(weight, undo[i], velocity);
    sgd(weight, velocity, g, lr, options_.momentum);
    if (options_.fault == 5) core::add_scaled(weight, undo[i], velocity);
  }
  ++steps_;
  factors_ = factors(options_.rho(steps_));
  add(factors_, -1);
  // END SOLUTION
}

std::vector<double> TextbookMsam::factors(double rho) const {
  // BEGIN SOLUTION 6
  std::vector<double> factors;
  for (const Tensor& velocity : velocity_) {
    const double length = (options_.fault == 2 ? norm_of({velocity}) : norm_of(velocity_));
    factors.push_back(length > 0 ? (options_.fault == 1 ? -rho : rho) / length : 0);
  }
  return factors;
  // END SOLUTION
}

void TextbookMsam::add(const std::vector<double>& factors, double sign) {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    Tensor weight = parameters_[i].value();
    core::add_scaled(weight, sign * factors[i], velocity_[i]);
  }
}

void TextbookMsam::move_back() {
  // BEGIN SOLUTION 6
  if (options_.fault != 3) add(factors_, +1);
  // END SOLUTION
}

void TextbookMsam::finish() {
  // BEGIN SOLUTION 6
  if (options_.fault != 12) move_back();
  // END SOLUTION
}

TextbookMsam::State TextbookMsam::save() const {
  State state{{}, factors_, steps_};
  for (const Tensor& velocity : velocity_) state.velocity.push_back(velocity.clone());
  return state;
}

void TextbookMsam::load(const State& state) {
  // BEGIN SOLUTION 6
  for (size_t i = 0; i < velocity_.size(); ++i) velocity_[i].copy_from(state.velocity[i]);
  steps_ = state.steps;
  if (options_.fault != 8) factors_ = state.factors;
  // END SOLUTION
}

optim::Schedule rho_schedule(double rho, int64_t steps, int fault) {
  return [=](int64_t step) {
    const int64_t on = steps / 5, falls = 3 * steps / 5;
    if (step < on) return 0.0;
    if (step < falls) return rho;
    const double share = static_cast<double>(step - falls) / static_cast<double>(steps - falls);
    // BEGIN SOLUTION 6
    const double turns = (fault == 13 ? 2 : 0.5);
    return rho / 4 + (rho - rho / 4) * (1 + std::cos(2 * std::numbers::pi * turns * share)) / 2;
    // END SOLUTION
  };
}

}  // namespace minima::examples
