#include "optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "autograd/ops.h"
#include "core/backend.h"
#include "core/ops.h"
#include "core/random.h"
#include "optim/hyperparameters.h"

namespace minima::optim {

// ------------------------------------------------------------------------------------------- every optimizer

int Optimizer::groups() const { return static_cast<int>(base().groups_.size()); }

Hyperparameters& Optimizer::group(int i) {
  std::vector<Hyperparameters>& groups = base().groups_;
  if (i < 0 || i >= static_cast<int>(groups.size()))
    fail(name(), text("group ", i), text("a number below ", groups.size(), ", the number of groups"));
  return groups[static_cast<size_t>(i)];
}

const std::vector<Variable>& Optimizer::parameters() const { return base().flat_.parameters(); }

const Tensor& Optimizer::momentum() const {
  if (!base().has_momentum())
    fail(name(), text(base().name(), " without momentum, hence without a momentum buffer"), "momentum above 0");
  return base().states_[0];
}

int64_t Optimizer::steps() const { return base().steps_; }
int64_t Optimizer::gradient_evaluations() const { return base().gradient_evaluations_; }
const StepStatistics& Optimizer::last_step() const { return base().statistics_; }
void Optimizer::measure(Measure what) { base().measure_ = what; }

Variable Optimizer::step(const SampleLosses& losses) { return step(detail::mean_of(name(), losses)); }

namespace detail {
std::vector<Group> single_group(std::vector<Variable> parameters) {
  std::vector<Group> groups(1);
  groups[0].parameters = std::move(parameters);
  return groups;
}

Variable losses_of(const std::string& where, const SampleLosses& losses, const Tensor& rows) {
  Variable each = losses(rows);
  if (!each.defined() || each.shape().rank() != 1 || each.numel() == 0 ||
      (rows.defined() && each.size(0) != rows.size(0)))
    fail(where, each.defined() ? text("losses of shape ", each.shape()) : "no losses",
         rows.defined() ? text("one for each of ", rows.size(0), " samples")
                        : "one for each sample of the batch, (batch,)",
         "nn::cross_entropies gives them.");
  return each;
}

Closure mean_of(const std::string& where, const SampleLosses& losses) {
  return [&losses, where] {
    Variable loss = mean(losses_of(where, losses, Tensor()));
    loss.backward();
    return loss;
  };
}

std::string at_step(int64_t step) { return step < 0 ? "" : text(" at step ", step, " (counted from 0)"); }
}  // namespace detail

// --------------------------------------------------------------------------------------------- construction

namespace {

std::vector<std::vector<Variable>> parameters_of(const std::vector<Group>& groups) {
  std::vector<std::vector<Variable>> parameters;
  parameters.reserve(groups.size());
  for (const Group& group : groups) parameters.push_back(group.parameters);
  return parameters;
}

void require(bool holds, const char* where, const char* what, double got, int group, const char* expected,
             int64_t step) {
  if (!holds) fail(where, text(what, " = ", got, " in group ", group, detail::at_step(step)), expected);
}

}  // namespace

BaseOptimizer::BaseOptimizer(const Setup& setup, const std::vector<Group>& groups, const Hyperparameters& defaults)
    : name_(setup.name),
      options_(setup.options),
      state_names_(setup.states),
      max_gradient_norm_(setup.max_gradient_norm),
      flat_(setup.name, parameters_of(groups)),
      groups_(groups.size(), defaults),
      values_(groups.size()) {
  if (!(max_gradient_norm_ > 0)) fail(name_, text("max_gradient_norm = ", max_gradient_norm_), "a number above 0");
  for (size_t i = 0; i < groups.size(); ++i) {
    for_each_hyperparameter(groups_[i], groups[i].options, [&](const char* option, auto& inherited, const auto& own) {
      if (!own) return;
      if (std::count(options_.begin(), options_.end(), std::string_view(option)) == 0)
        fail(name_, text(option, " in group ", i), text("options of ", name_, ": ", joined(options_)));
      inherited = *own;
    });
    const Schedule& lr = groups_[i].lr;
    if (lr.is_constant()) require(lr(0) > 0, name_, "lr", lr(0), static_cast<int>(i), "a number above 0", when_made);
    if (groups_[i].momentum.is_constant()) values_[i].momentum = groups_[i].momentum(0);
    if (lr.is_constant()) values_[i].lr = lr(0);
    check(static_cast<int>(i), when_made);
  }
  for (size_t i = 0; i < state_names_.size(); ++i) states_.push_back(flat_.zeros());
}

void BaseOptimizer::check(int group, int64_t step) const {
  const auto& [lr, momentum, rho] = values_[static_cast<size_t>(group)];
  const Hyperparameters& h = groups_[static_cast<size_t>(group)];
  const char *at_least_0 = "a finite number of at least 0", *below_1 = "a number in [0, 1)";
  require(lr >= 0 && std::isfinite(lr), name_, "lr", lr, group, at_least_0, step);
  require(momentum >= 0 && momentum < 1, name_, "momentum", momentum, group, below_1, step);
  require(momentum == 0 || has_momentum() || step == when_made, name_, "momentum", momentum, group,
          "0, for this optimizer was made without momentum and has no buffer for it", step);
  require(h.dampening >= 0 && h.dampening < 1, name_, "dampening", h.dampening, group, below_1, step);
  require(h.weight_decay >= 0 && std::isfinite(h.weight_decay), name_, "weight_decay", h.weight_decay, group,
          at_least_0, step);
  require(h.beta1 >= 0 && h.beta1 < 1, name_, "beta1", h.beta1, group, below_1, step);
  require(h.beta2 >= 0 && h.beta2 < 1, name_, "beta2", h.beta2, group, below_1, step);
  require(h.epsilon > 0 && std::isfinite(h.epsilon), name_, "epsilon", h.epsilon, group, "a finite number above 0",
          step);
}

// --------------------------------------------------------------------------------------------------- a step

Variable BaseOptimizer::step(const Closure& closure) {
  for (size_t i = 0; i < groups_.size(); ++i)
    if (groups_[i].rho)
      fail(name_, text("rho in group ", i), "no rho: nothing is perturbed",
           "Wrap this optimizer, in SAM or MSAM for example.");
  begin_step();
  Variable loss = gradient(closure);
  observe(loss);
  update(flat_.gradients());
  return loss;
}

void BaseOptimizer::begin_step() {
  for (size_t i = 0; i < groups_.size(); ++i) {
    const Hyperparameters& h = groups_[i];
    values_[i] = {h.lr(steps_), h.momentum(steps_), h.rho ? (*h.rho)(steps_) : StepStatistics::none};
    check(static_cast<int>(i), steps_);
  }
  flat_.refresh();
  statistics_ = StepStatistics{};
  statistics_.step = steps_ + 1;
  statistics_.lr = values_[0].lr;
  if (std::count(options_.begin(), options_.end(), std::string_view("momentum")))
    statistics_.momentum = values_[0].momentum;
  statistics_.rho = values_[0].rho;
}

Variable BaseOptimizer::gradient(const Closure& closure) {
  flat_.zero_gradients();
  EnableGrad recording;
  Variable loss = closure();
  if (!loss.defined() || loss.numel() != 1)
    fail(name_, loss.defined() ? text("a closure that returns shape ", loss.shape()) : "a closure that returns nothing",
         "the loss, one element");
  flat_.complete_gradients();
  ++gradient_evaluations_;
  return loss;
}

double BaseOptimizer::loss_only(const Closure& closure) {
  const Generator random_numbers = default_generator();
  BatchStatisticsFrozen frozen;
  const Variable loss = gradient(closure);
  --gradient_evaluations_;
  default_generator() = random_numbers;
  return loss.item();
}

void BaseOptimizer::observe(const Variable& loss) {
  statistics_.loss = loss.item();
  if (measure_ == Measure::nothing) return;
  const Tensor& g = flat_.gradients();
  statistics_.gradient_norm = flat_.norm(g);
  if (!has_momentum()) return;
  const Tensor& v = states_[0];
  statistics_.velocity_norm = flat_.norm(v);
  const double norms = statistics_.velocity_norm * statistics_.gradient_norm;
  if (norms > 0) statistics_.cosine = flat_.dot(v, g) / norms;
}

Optimizer::Buffers BaseOptimizer::buffers() const {
  Buffers buffers;
  for (size_t i = 0; i < states_.size(); ++i) buffers.emplace_back(state_names_[i], states_[i]);
  return buffers;
}

void BaseOptimizer::update(const Tensor& gradient) {
  const Tensor g = clipped(gradient);
  Tensor weights = flat_.weights();
  for (const FlatParameters::Run& run : flat_.runs()) {
    const auto cut = [&](const Tensor& buffer) { return buffer.slice(run.begin, run.end); };
    Tensor weight = cut(weights), states[2];
    for (size_t i = 0; i < states_.size(); ++i) states[i] = cut(states_[i]);
    const size_t group = static_cast<size_t>(run.group);
    core::backend(weights.device()).update(rule(groups_[group], values_[group]), weight, cut(g), states);
  }
  weights.bump_version();
  ++steps_;
}

Tensor BaseOptimizer::clipped(const Tensor& gradient) const {
  if (std::isinf(max_gradient_norm_)) return gradient;
  const double norm = flat_.norm(gradient);
  if (!(norm > max_gradient_norm_)) return gradient;
  return core::unary(core::UnaryOp::affine, gradient, max_gradient_norm_ / norm, 0);
}

}  // namespace minima::optim
