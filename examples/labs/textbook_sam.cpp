// SAM from the paper: two gradients a step, the weights clean between steps.
#include <optional>

#include "examples/labs/textbook.h"

namespace minima::examples {

TextbookSam::TextbookSam(std::vector<Variable> parameters, TextbookOptions options)
    : parameters_(std::move(parameters)), options_(std::move(options)), velocity_(zeros_like(parameters_)) {}

void TextbookSam::step(const optim::Closure& closure) {
  zero_gradients(parameters_);
  closure();
  // BEGIN SOLUTION 5
  std::vector<Tensor> uphill, saved;
  for (const Variable& p : parameters_) uphill.push_back(p.grad().clone()), saved.push_back(p.value().clone());
  const double length = norm_of(uphill), rho = options_.rho(steps_);
  const double factor = (options_.fault == 10 ? rho / length : length > 0 ? rho / length : 0);
  for (size_t i = 0; i < parameters_.size(); ++i) {
    Tensor weight = parameters_[i].value();
    core::add_scaled(weight, factor, uphill[i]);
  }
  if (options_.fault != 11) zero_gradients(parameters_);
  std::optional<BatchStatisticsFrozen> frozen;
  if (options_.fault != 7) frozen.emplace();
  closure();
  frozen.reset();
  for (size_t i = 0; i < parameters_.size(); ++i) {
    Tensor weight = parameters_[i].value(), g = parameters_[i].grad().clone();
    weight.copy_from(saved[i]);
    core::add_scaled(g, options_.weight_decay, weight);
    sgd(weight, velocity_[i], g, options_.lr(steps_), options_.momentum);
  }
  ++steps_;
  gradient_evaluations_ += (options_.fault == 14 ? 1 : 2);
  // END SOLUTION
}

}  // namespace minima::examples
