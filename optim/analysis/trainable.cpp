// SPDX-License-Identifier: MIT
#include "optim/analysis/trainable.h"

#include <cmath>

#include "core/ops.h"

namespace minima::optim::detail {

Trainable::Trainable(const char* where, const std::vector<Variable>& parameters)
    : FlatLayout(where, parameters), where_(where) {
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!parameters[i].requires_grad()) continue;
    trainable_.push_back(parameters[i]);
    positions_.push_back(i);
    dimension_ += parameters[i].numel();
  }
  if (trainable_.empty()) fail(where_, "no trainable parameter", "at least one that requires a gradient");
}

std::vector<Tensor> Trainable::split(const Tensor& flat) const {
  std::vector<Tensor> parts;
  for (const size_t i : positions_) parts.push_back(part(flat, i));
  return parts;
}

Tensor Trainable::join(const std::vector<Tensor>& parts) const {
  const Tensor flat = zeros();
  for (size_t i = 0; i < positions_.size(); ++i) part(flat, positions_[i]).copy_from(parts[i]);
  return flat;
}

void Trainable::check(const Tensor& flat) const {
  const Shape expected{numel()};
  if (flat.shape() != expected || flat.dtype() != dtype())
    fail(where_, text("a vector of ", name_of(flat.dtype()), " ", flat.shape()),
         text(name_of(dtype()), " ", expected, ", one element for each of the parameters'"));
}

Tensor Trainable::direction(const Tensor& flat) const {
  check(flat);
  Tensor moving = without_frozen(flat);
  const double norm = core::norm(moving).item();
  if (!(norm > 0 && std::isfinite(norm)))
    fail(where_, text("a direction of norm ", norm), "a finite one above 0",
         "A momentum buffer is zero before the first step, and a frozen parameter does not move.");
  return moving;
}

Variable finite_loss(const char* where, const std::function<Variable()>& loss, const std::string& place,
                     const char* hint) {
  if (!loss) fail(where, "an empty function", "one that returns the loss");
  Variable value = loss();
  if (!value.defined() || value.numel() != 1)
    fail(where, value.defined() ? text("a loss of shape ", value.shape()) : "no loss", "one element",
         "Reduce it with sum() or mean().");
  if (const double number = value.item(); !std::isfinite(number))
    fail(where, text("a loss of ", std::isnan(number) ? NAN : number, " at ", place), "a finite number", hint);
  return value;
}

Tensor scaled(const Tensor& x, double factor) { return core::unary(core::UnaryOp::affine, x, factor, 0); }

}  // namespace minima::optim::detail
