// SPDX-License-Identifier: MIT
#include "optim/flat.h"

#include <unordered_set>

#include "core/ops.h"

namespace minima::optim {

FlatLayout::FlatLayout(const char* where, std::vector<Variable> parameters) : parameters_(std::move(parameters)) {
  if (parameters_.empty()) fail(where, "no parameters", "at least one", "Does the model have any?");
  std::unordered_set<const minima::autograd::Node*> seen;
  for (const Variable& parameter : parameters_) {
    const std::string which = text("parameter ", offsets_.size());
    if (!parameter.node() || !parameter.is_leaf())
      fail(where, text(which, " that is a constant or the result of an op"), "a leaf made with requires_grad");
    if (!seen.insert(parameter.node().get()).second)
      fail(where, text(which, " given before"), "each parameter once", "Is it in two groups?");
    if (parameter.dtype() != dtype() || parameter.device() != device())
      fail(where, text(which, " in ", name_of(parameter.dtype()), " on ", name_of(parameter.device())),
           text(name_of(dtype()), " on ", name_of(device()), ", as parameter 0"), "Convert the whole model with to().");
    offsets_.push_back(numel_);
    numel_ += parameter.numel();
  }
}

Tensor FlatLayout::part(const Tensor& flat, size_t i) const {
  return flat.slice(offsets_[i], offsets_[i] + parameters_[i].numel()).reshape(parameters_[i].shape());
}

namespace {

int64_t bytes_of(const Tensor& tensor) { return tensor.numel() * static_cast<int64_t>(size_of(tensor.dtype())); }

bool same_memory(const Tensor& a, const Tensor& b) {
  return a.shares_storage_with(b) && a.raw() == b.raw() && bytes_of(a) == bytes_of(b);
}

bool overlap(const Tensor& a, const Tensor& b) {
  return a.shares_storage_with(b) && a.raw() < b.raw() + bytes_of(b) && b.raw() < a.raw() + bytes_of(a);
}

}  // namespace

FlatParameters::FlatParameters(const char* where, std::vector<Variable> all, std::vector<int> group_of)
    : where_(where),
      layout_(where, std::move(all)),
      group_of_(std::move(group_of)),
      steps_(parameters().size(), 0),
      trainable_(parameters().size()),
      reached_(parameters().size()),
      gradient_is_zero_(parameters().size(), true),
      weights_at_(parameters().size()),
      gradients_(layout_.zeros()) {
  if (group_of_.size() != parameters().size())
    fail(where, text("groups of ", group_of_.size(), " parameters"), text(parameters().size(), ", one of each"));
  gather();
  refresh();
}

// Whether each parameter's value and gradient are where the last gather() put them.
bool FlatParameters::in_place() const {
  const auto size = static_cast<int64_t>(size_of(weights_.dtype()));
  const auto is_at = [&](const Tensor& tensor, const Tensor& flat, int64_t offset) {
    return tensor.shares_storage_with(flat) && tensor.raw() == flat.raw() + offset * size;
  };
  for (size_t i = 0; i < parameters().size(); ++i) {
    const auto& leaf = static_cast<const autograd::Leaf&>(*parameters()[i].node());
    if (!is_at(leaf.value, weights_, weights_at_[i]) || !is_at(leaf.grad, gradients_, layout_.offset(i))) return false;
  }
  return true;
}

// Copies all values into new memory, so that nothing is overwritten that another parameter still needs. A value in the
// same memory as an earlier parameter's stays in the same memory as that one's.
void FlatParameters::gather() {
  std::vector<Tensor> values;
  for (const Variable& parameter : parameters()) {
    values.push_back(parameter.value());
    if (values.back().dtype() != gradients_.dtype() || values.back().device() != gradients_.device())
      fail(where_,
           text("parameter ", values.size() - 1, " in ", name_of(parameter.dtype()), " on ",
                name_of(parameter.device())),
           text(name_of(gradients_.dtype()), " on ", name_of(gradients_.device()), ", as when this optimizer was made"),
           "Convert the model first, then make the optimizer.");
  }
  weights_ = gradients_.empty_like();
  for (size_t i = 0; i < values.size(); ++i) {
    size_t first = i;
    for (size_t j = 0; j < i && first == i && values[i].numel() > 0; ++j) {
      if (same_memory(values[i], values[j]))
        first = j;
      else if (overlap(values[i], values[j]))
        fail(where_, text("parameters ", j, " and ", i, ", which share a part of their memory"),
             "parameters that share all of it (tied weights) or nothing");
    }
    weights_at_[i] = first == i ? layout_.offset(i) : weights_at_[first];
    Tensor view = weights_.slice(weights_at_[i], weights_at_[i] + values[i].numel()).reshape(values[i].shape());
    if (first == i) view.copy_from(values[i]);
    Variable parameter = parameters()[i];
    parameter.set_value(view);
    parameter.bind_grad(layout_.part(gradients_, i));
  }
}

void FlatParameters::lie_in(const Tensor& memory) {
  for (size_t i = 0; i < parameters().size(); ++i) {
    Variable parameter = parameters()[i];
    if (!parameter.value().shares_storage_with(weights_)) continue;
    parameter.set_value(memory.slice(weights_at_[i], weights_at_[i] + parameter.numel()).reshape(parameter.shape()));
  }
  weights_ = memory;
}

void FlatParameters::refresh() {
  if (!in_place()) gather();
  for (size_t i = 0; i < parameters().size(); ++i) reached_[i] = trainable_[i] = parameters()[i].requires_grad();
  find_runs();
}

void FlatParameters::find_runs() {
  // On the CPU, two large parameters are not joined: so a thread mostly updates the weights whose gradient it
  // has computed. It finds them in its own cache: the update of `mlp_big` takes a fifth less.
  constexpr int64_t large = 100000;
  const auto is_large = [&](const Run& run) { return layout_.device() == Device::cpu && run.end - run.begin >= large; };
  runs_.clear();
  for (size_t i = 0; i < parameters().size(); ++i) {
    const int64_t numel = parameters()[i].numel(), begin = layout_.offset(i);
    if (!trainable_[i] || numel == 0) continue;
    const Run run{begin, begin + numel, weights_at_[i], group_of_[i], steps_[i], reached_[i]};
    if (!runs_.empty()) {
      Run& last = runs_.back();
      if (last.end == run.begin && last.weights_begin + (last.end - last.begin) == run.weights_begin &&
          last.group == run.group && last.steps == run.steps && last.reached == run.reached &&
          !(is_large(last) && is_large(run))) {
        last.end = run.end;
        continue;
      }
    }
    runs_.push_back(run);
  }
}

void FlatParameters::count_step() {
  for (size_t i = 0; i < steps_.size(); ++i) steps_[i] += reached_[i];
}

Tensor FlatParameters::weights() const {
  bool shared = false;
  for (size_t i = 0; i < weights_at_.size(); ++i) shared = shared || weights_at_[i] != layout_.offset(i);
  if (!shared) return weights_;
  const Tensor flat = weights_.empty_like();
  for (size_t i = 0; i < parameters().size(); ++i) layout_.part(flat, i).copy_from(parameters()[i].value());
  return flat;
}

Tensor FlatParameters::weights_of(const Run& run) const {
  return weights_.slice(run.weights_begin, run.weights_begin + run.end - run.begin);
}

void FlatParameters::zero_gradients() {
  for (Variable parameter : parameters())
    if (parameter.requires_grad()) parameter.zero_grad();
}

void FlatParameters::complete_gradients(bool none_is_right) {
  if (!in_place())
    fail(where_, "a closure that gave a parameter another tensor for its value or its gradient",
         "one that leaves them where they are", "Call set_value() and bind_grad() between steps.");
  bool any = false, changed = false;
  for (size_t i = 0; i < parameters().size(); ++i) {
    const bool reached = trainable_[i] && parameters()[i].has_grad();
    any = any || reached;
    changed = changed || reached != reached_[i];
    reached_[i] = reached;
    if (reached || (!trainable_[i] && gradient_is_zero_[i] && !parameters()[i].has_grad())) continue;
    layout_.part(gradients_, i).fill(0);
    Variable(parameters()[i]).zero_grad();
  }
  for (size_t i = 0; i < parameters().size(); ++i) gradient_is_zero_[i] = !reached_[i];
  if (changed) find_runs();
  if (!any && !none_is_right)
    fail(where_, "a closure that gave no parameter a gradient", "one that computes the loss and calls loss.backward()",
         "Was the loss computed from this optimizer's parameters?");
}

void FlatParameters::reach(const std::vector<bool>& reached) {
  bool changed = false;
  for (size_t i = 0; i < parameters().size(); ++i) {
    if (reached[i] == reached_[i]) continue;
    changed = reached_[i] = true;
    gradient_is_zero_[i] = false;
    Variable(parameters()[i]).backward(layout_.part(gradients_, i).clone());  // it has a gradient: what lies there
  }
  if (changed) find_runs();
}

Tensor FlatParameters::dot(const Tensor& a, const Tensor& b) const {
  Tensor sum;
  for (const Run& run : runs_) {
    const Tensor part = core::dot(a.slice(run.begin, run.end), b.slice(run.begin, run.end));
    sum = sum.defined() ? core::binary(core::BinaryOp::add, sum, part) : part;
  }
  return sum.defined() ? sum : Tensor::zeros({}, DType::float64, a.device());
}

Tensor FlatParameters::norm(const Tensor& a) const { return core::unary(core::UnaryOp::sqrt, dot(a, a)); }

}  // namespace minima::optim
