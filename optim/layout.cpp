#include "optim/layout.h"

#include <cmath>

#include "core/ops.h"

namespace minima::optim::detail {

Layout::Layout(const char* where, const std::vector<Variable>& parameters) : where_(where) {
  if (parameters.empty()) fail(where_, "no parameters", "at least one");
  for (const Variable& parameter : parameters) {
    if (parameter.dtype() != parameters[0].dtype() || parameter.device() != parameters[0].device())
      fail(where_, "parameters of several dtypes or devices", "one of each");
    if (parameter.requires_grad()) {
      trainable_.push_back(parameter);
      dimension_ += parameter.numel();
      offsets_.push_back(numel_);
    }
    numel_ += parameter.numel();
  }
  if (trainable_.empty()) fail(where_, "no trainable parameter", "at least one that requires a gradient");
}

Tensor Layout::part(const Tensor& flat, size_t i) const {
  return flat.slice(offsets_[i], offsets_[i] + trainable_[i].numel()).reshape(trainable_[i].shape());
}

std::vector<Tensor> Layout::split(const Tensor& flat) const {
  std::vector<Tensor> parts;
  parts.reserve(trainable_.size());
  for (size_t i = 0; i < trainable_.size(); ++i) parts.push_back(part(flat, i));
  return parts;
}

Tensor Layout::join(const std::vector<Tensor>& parts) const {
  Tensor flat = zeros();
  for (size_t i = 0; i < trainable_.size(); ++i) part(flat, i).copy_from(parts[i]);
  return flat;
}

void Layout::check(const Tensor& flat) const {
  if (flat.shape() != Shape{numel_} || flat.dtype() != dtype())
    fail(where_, text("a vector of ", name_of(flat.dtype()), " ", flat.shape()),
         text(name_of(dtype()), " ", Shape{numel_}, ", one element for each of the parameters'"));
}

Tensor Layout::direction(const Tensor& flat) const {
  check(flat);
  Tensor moving = without_frozen(flat);
  const double norm = core::norm(moving);
  if (!(norm > 0 && std::isfinite(norm)))
    fail(where_, text("a direction of norm ", norm), "a finite one above 0",
         "A momentum buffer is zero before the first step, and a frozen parameter does not move.");
  return moving;
}

double finite_loss(const char* where, const Variable& loss, const std::string& place, const char* hint) {
  const double value = loss.item();
  if (!std::isfinite(value))
    fail(where, text("a loss of ", std::isnan(value) ? NAN : value, " at ", place), "a finite number", hint);
  return value;
}

Tensor scaled(const Tensor& x, double factor) { return core::unary(core::UnaryOp::affine, x, factor, 0); }

}  // namespace minima::optim::detail
