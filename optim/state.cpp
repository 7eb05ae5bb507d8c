// Saving and restoring what an optimizer remembers. Numbers are stored as tensors, hence exactly.
#include <cmath>

#include "optim/hyperparameters.h"
#include "optim/optimizer.h"

namespace minima::optim {

namespace {

// A hyperparameter as a number; NaN where it is a schedule, or not set.
double number(double value) { return value; }
double number(const Schedule& schedule) { return schedule.is_constant() ? schedule(0) : StepStatistics::none; }
double number(const std::optional<Schedule>& schedule) { return schedule ? number(*schedule) : StepStatistics::none; }

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

Archive Optimizer::state() const {
  const BaseOptimizer& base = this->base();
  Archive archive;
  archive.metadata["optimizer"] = name();
  archive.metadata["base"] = base.name();
  archive.tensors["steps"] = Tensor::from(std::vector<int64_t>{base.steps_});
  archive.tensors["gradient_evaluations"] = Tensor::from(std::vector<int64_t>{base.gradient_evaluations_});
  archive.tensors["parameter_sizes"] = sizes_of(parameters());
  for (const auto& [name, buffer] : buffers()) archive.tensors[name] = buffer.clone();
  std::map<std::string, std::vector<double>> values;  // one per group
  for (const Hyperparameters& group : base.groups_)
    for_each_hyperparameter(group, group, [&](const std::string& name, const auto& field, const auto&) {
      values[name].push_back(number(field));
    });
  for (const auto& [name, numbers] : values) archive.tensors["groups." + name] = Tensor::from(numbers);
  return archive;
}

void Optimizer::load_state(const Archive& archive) {
  BaseOptimizer& base = this->base();
  const auto kind = [](const std::string& optimizer, const std::string& base) {
    return optimizer == base ? "the state of " + base : "the state of " + optimizer + " over " + base;
  };
  const std::string saved = kind(archive.entry("optimizer"), archive.entry("base"));
  if (saved != kind(name(), base.name())) fail("load_state", saved, kind(name(), base.name()));

  // First everything that may fail, then the changes.
  const Tensor sizes = sizes_of(parameters());
  const std::vector<int64_t> here = sizes.to_vector<int64_t>();
  const std::vector<int64_t> there = archive.tensor("parameter_sizes").to_vector<int64_t>();
  if (there.size() != here.size())
    fail("load_state", text(there.size(), " parameters"), text(here.size()), "Is this the state of another model?");
  for (size_t i = 0; i < here.size(); ++i)
    if (there[i] != here[i])
      fail("load_state", text("parameter ", i, " of ", there[i], " elements"), text(here[i]),
           "Is this the state of another model?");
  const int64_t steps = counter(archive, "steps");
  const int64_t gradient_evaluations = counter(archive, "gradient_evaluations");
  const Buffers buffers = this->buffers();
  for (const auto& [name, buffer] : buffers) matching(archive, name, buffer.shape(), buffer.dtype());
  std::vector<Hyperparameters> hyperparameters = base.groups_;
  const Shape one_each{groups()};
  for (size_t i = 0; i < hyperparameters.size(); ++i)
    for_each_hyperparameter(hyperparameters[i], hyperparameters[i], [&](const std::string& name, auto& field, auto&) {
      const double value = matching(archive, "groups." + name, one_each, DType::float64).at(static_cast<int64_t>(i));
      if (!std::isnan(value) && !std::isnan(number(field))) field = value;
    });

  base.steps_ = steps;
  base.gradient_evaluations_ = gradient_evaluations;
  base.groups_ = std::move(hyperparameters);
  for (const auto& [name, buffer] : buffers) Tensor(buffer).copy_from(archive.tensor(name));
}

}  // namespace minima::optim
