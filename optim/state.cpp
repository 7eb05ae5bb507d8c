// SPDX-License-Identifier: MIT
// Saving and restoring what an optimizer remembers. Numbers are stored as tensors, hence exactly.
#include <algorithm>
#include <cmath>
#include <map>

#include "optim/optimizer.h"

namespace minima::optim {

namespace {

// A hyperparameter as a number; NaN where it is a schedule.
double number(const Schedule& schedule) { return schedule.is_constant() ? schedule(0) : StepStatistics::none; }

Tensor sizes_of(const std::vector<Variable>& parameters) {
  std::vector<int64_t> sizes;
  for (const Variable& parameter : parameters) sizes.push_back(parameter.numel());
  return Tensor::from(sizes);
}

// An entry that must have the shape and dtype of what is there.
const Tensor& matching(const Archive& archive, const std::string& name, const Shape& shape, DType dtype) {
  const Tensor& tensor = archive.tensor(name);
  if (tensor.shape() != shape || tensor.dtype() != dtype)
    fail("load_state", text(name, " of ", name_of(tensor.dtype()), " ", tensor.shape()),
         text(name_of(dtype), " ", shape), "Is this the state of another model?");
  return tensor;
}

int64_t counter(const Archive& archive, const std::string& name) {
  const int64_t count = matching(archive, name, {1}, DType::int64).to_vector<int64_t>()[0];
  if (count < 0) fail("load_state", text(name, " = ", count), "at least 0");
  return count;
}

}  // namespace

void OptimizerState::require_free(const std::string& buffer) const {
  static const std::vector<std::string> others{"steps", "gradient_evaluations", "parameter_sizes", "parameter_steps"};
  const auto has = [&](const std::vector<Buffer>& all) {
    return std::any_of(all.begin(), all.end(), [&](const Buffer& one) { return one.first == buffer; });
  };
  if (has(buffers) || has(additional) || std::find(others.begin(), others.end(), buffer) != others.end() ||
      buffer.rfind("groups.", 0) == 0)
    fail(rule, "a second entry \"" + buffer + "\" of the saved state", "another name for this buffer");
}

Archive Optimizer::state() const {
  const OptimizerState& kept = this->kept();
  Archive archive;
  archive.metadata["optimizer"] = name();
  archive.metadata["base"] = base_name();
  archive.tensors["steps"] = Tensor::from(std::vector<int64_t>{kept.steps});
  archive.tensors["gradient_evaluations"] = Tensor::from(std::vector<int64_t>{kept.gradient_evaluations});
  archive.tensors["parameter_sizes"] = sizes_of(parameters());
  archive.tensors["parameter_steps"] = Tensor::from(kept.flat.steps());
  for (const auto& [name, buffer] : buffers()) archive.tensors[name] = buffer.clone();
  std::map<std::string, std::vector<double>> values;  // one per group
  for (const Hyperparameters& group : kept.groups)
    for (const Hyperparameter& h : group.all()) values[h.name].push_back(number(h.schedule));
  for (const auto& [name, numbers] : values) archive.tensors["groups." + name] = Tensor::from(numbers);
  return archive;
}

void Optimizer::load_state(const Archive& archive) {
  const auto kind = [](const std::string& optimizer, const std::string& base) {
    return optimizer == base ? "the state of " + base : "the state of " + optimizer + " over " + base;
  };
  const std::string saved = kind(archive.entry("optimizer"), archive.entry("base"));
  if (saved != kind(name(), base_name())) fail("load_state", saved, kind(name(), base_name()));

  // First everything that may fail, then the changes.
  const std::vector<int64_t> here = sizes_of(parameters()).to_vector<int64_t>();
  const std::vector<int64_t> there = archive.tensor("parameter_sizes").to_vector<int64_t>();
  if (there.size() != here.size())
    fail("load_state", text(there.size(), " parameters"), text(here.size()), "Is this the state of another model?");
  for (size_t i = 0; i < here.size(); ++i)
    if (there[i] != here[i])
      fail("load_state", text("parameter ", i, " of ", there[i], " elements"), text(here[i]),
           "Is this the state of another model?");
  const int64_t steps = counter(archive, "steps");
  const int64_t gradient_evaluations = counter(archive, "gradient_evaluations");
  const auto parameters = static_cast<int64_t>(here.size());
  const std::vector<int64_t> parameter_steps =
      matching(archive, "parameter_steps", {parameters}, DType::int64).to_vector<int64_t>();
  for (const int64_t each : parameter_steps)
    if (each < 0 || each > steps)
      fail("load_state", text("parameter_steps that hold ", each), text("0 to ", steps, ", the steps"));
  const std::vector<Buffer> buffers = this->buffers();
  for (const auto& [name, buffer] : buffers) matching(archive, name, buffer.shape(), buffer.dtype());
  std::vector<Hyperparameters> hyperparameters = kept().groups;
  for (int i = 0; i < groups(); ++i) {
    Hyperparameters& group = hyperparameters[static_cast<size_t>(i)];
    for (const Hyperparameter& h : group.all()) {
      const double value = matching(archive, text("groups.", h.name), {groups()}, DType::float64).at(i);
      if (!std::isnan(value) && h.schedule.is_constant()) group[h.name] = value;
    }
  }

  kept().steps = steps;
  kept().gradient_evaluations = gradient_evaluations;
  kept().flat.steps() = parameter_steps;
  kept().groups = std::move(hyperparameters);
  for (const auto& [name, buffer] : buffers) Tensor(buffer).copy_from(archive.tensor(name));
}

}  // namespace minima::optim
