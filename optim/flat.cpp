#include "optim/flat.h"

#include <cmath>
#include <unordered_set>

#include "autograd/variable.h"
#include "core/ops.h"

namespace minima::optim {

FlatParameters::FlatParameters(const char* where, const std::vector<std::vector<Variable>>& groups) : where_(where) {
  int64_t numel = 0;
  std::unordered_set<const minima::autograd::Node*> seen;
  for (size_t group = 0; group < groups.size(); ++group) {
    for (const Variable& parameter : groups[group]) {
      const std::string which = text("parameter ", parameters_.size(), " (group ", group, ")");
      if (!parameter.node() || !parameter.is_leaf())
        fail(where_, text(which, " that is a constant or the result of an op"), "a leaf made with requires_grad");
      if (!seen.insert(parameter.node().get()).second)
        fail(where_, text(which, " given before"), "each parameter once", "Is it in two groups?");
      if (!parameters_.empty() &&
          (parameter.dtype() != parameters_[0].dtype() || parameter.device() != parameters_[0].device()))
        fail(where_, text(which, " in ", name_of(parameter.dtype()), " on ", name_of(parameter.device())),
             text(name_of(parameters_[0].dtype()), " on ", name_of(parameters_[0].device()), ", as parameter 0"),
             "Convert the whole model with to().");
      parameters_.push_back(parameter);
      group_of_.push_back(static_cast<int>(group));
      offsets_.push_back(numel);
      numel += parameter.numel();
    }
  }
  if (parameters_.empty()) fail(where_, "no parameters", "at least one", "Does the model have any?");
  weights_ = Tensor::empty({numel}, parameters_[0].dtype(), parameters_[0].device());
  gradients_ = zeros();
  refresh();
}

void FlatParameters::gather(size_t i) {
  Variable& parameter = parameters_[i];
  if (parameter.dtype() != weights_.dtype() || parameter.device() != weights_.device())
    fail(where_, text("parameter ", i, " in ", name_of(parameter.dtype()), " on ", name_of(parameter.device())),
         text(name_of(weights_.dtype()), " on ", name_of(weights_.device()), ", as when this optimizer was made"),
         "Convert the model first, then make the optimizer.");
  const int64_t end = offsets_[i] + parameter.numel();
  Tensor view = weights_.slice(offsets_[i], end).reshape(parameter.shape());
  view.copy_from(parameter.value());
  parameter.set_value(view);
  parameter.bind_grad(gradients_.slice(offsets_[i], end).reshape(parameter.shape()));
}

void FlatParameters::refresh() {
  runs_.clear();
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Variable& parameter = parameters_[i];
    if (!parameter.value().shares_storage_with(weights_)) gather(i);
    if (!parameter.requires_grad()) continue;
    const int64_t begin = offsets_[i], end = begin + parameter.numel();
    if (begin == end) continue;
    if (!runs_.empty() && runs_.back().end == begin && runs_.back().group == group_of_[i])
      runs_.back().end = end;
    else
      runs_.push_back({begin, end, group_of_[i]});
  }
}

void FlatParameters::zero_gradients() {
  for (Variable& parameter : parameters_)
    if (parameter.requires_grad()) parameter.zero_grad();
}

void FlatParameters::complete_gradients() {
  bool reached = false;
  for (const Variable& parameter : parameters_)
    reached = reached || (parameter.requires_grad() && parameter.has_grad());
  if (!reached)
    fail(where_, "a closure that gave no parameter a gradient", "one that computes the loss and calls loss.backward()",
         "Was the loss computed from this optimizer's parameters?");
  for (const Variable& parameter : parameters_)
    if (parameter.requires_grad()) parameter.grad();  // writes zeros where nothing was accumulated
}

double FlatParameters::dot(const Tensor& a, const Tensor& b) const {
  double sum = 0;
  for (const Run& run : runs_) sum += core::dot(a.slice(run.begin, run.end), b.slice(run.begin, run.end));
  return sum;
}

double FlatParameters::norm(const Tensor& a) const { return std::sqrt(dot(a, a)); }

}  // namespace minima::optim
