// SPDX-License-Identifier: MIT
#include "optim/optimizer.h"

#include <algorithm>
#include <cmath>

#include "autograd/ops.h"
#include "core/backend.h"
#include "core/denormals.h"
#include "core/ops.h"
#include "core/random.h"

namespace minima::optim {

// ---- every optimizer

const Hyperparameters& Optimizer::group(int i) const {
  if (i < 0 || i >= groups())
    fail(name(), text("group ", i), text("a number below ", groups(), ", the number of groups"));
  return kept().groups[static_cast<size_t>(i)];
}

Hyperparameters& Optimizer::group(int i) {
  std::as_const(*this).group(i);  // checks i
  return kept().groups[static_cast<size_t>(i)];
}

const Tensor& Optimizer::momentum() const {
  if (!has_momentum())
    fail(name(), text(base_name(), " without momentum, hence without a momentum buffer"), "momentum above 0");
  return kept().buffers[0].second;
}

std::vector<Buffer> Optimizer::buffers() const {
  std::vector<Buffer> all = kept().buffers;
  all.insert(all.end(), kept().additional.begin(), kept().additional.end());
  return all;
}

StepStatistics Optimizer::last_step() const {
  const OptimizerState& kept = this->kept();
  const Hyperparameters& group = kept.groups[0];
  const auto now = [&](const char* h) { return group.has(h) ? group.now(h) : StepStatistics::none; };
  const auto number = [](const Tensor& one) { return one.defined() ? one.item() : StepStatistics::none; };
  const OptimizerState::Measured& m = kept.last;
  StepStatistics s{.step = m.loss.defined() ? kept.steps : 0,
                   .loss = number(m.loss),
                   .lr = now("lr"),
                   .momentum = now("momentum"),
                   .rho = now("rho"),
                   .gradient_norm = number(m.gradient_norm),
                   .velocity_norm = number(m.velocity_norm),
                   .perturbation_norm = number(m.perturbation_norm),
                   .loss_clean = number(m.loss_clean),
                   .loss_perturbed = number(m.loss_perturbed)};
  const double norms = s.velocity_norm * s.gradient_norm;
  if (norms > 0) s.cosine = number(m.velocity_dot_gradient) / norms;
  return s;
}

// ---- optimizers with a rule

namespace {

FlatParameters gathered(const char* optimizer, const std::vector<Group>& groups) {
  std::vector<Variable> all;
  std::vector<int> group_of;
  for (size_t i = 0; i < groups.size(); ++i) {
    all.insert(all.end(), groups[i].parameters.begin(), groups[i].parameters.end());
    group_of.resize(all.size(), static_cast<int>(i));
  }
  return FlatParameters(optimizer, std::move(all), std::move(group_of));
}

}  // namespace

BaseOptimizer::BaseOptimizer(const char* name, const ParameterGroups& groups,
                             const std::vector<Hyperparameter>& hyperparameters,
                             const std::vector<const char*>& buffers, double max_gradient_norm)
    : state_{.rule = name,
             .flat = gathered(name, groups.groups),
             .groups = {},
             .buffers = {},
             .additional = {},
             .max_gradient_norm = max_gradient_norm} {
  if (!(max_gradient_norm > 0)) fail(name, text("max_gradient_norm = ", max_gradient_norm), "a number above 0");
  for (const Group& group : groups.groups) {
    Hyperparameters& all = state_.groups.emplace_back(name, static_cast<int>(state_.groups.size()), hyperparameters);
    for (const auto& [own, schedule] : group.own) all[own] = schedule;
    all.check_constants();
  }
  for (const char* buffer : buffers) {
    state_.require_free(buffer);
    state_.buffers.emplace_back(buffer, state_.flat.layout().zeros());
  }
}

OptimizerState& BaseOptimizer::kept() {
  if (state_.groups.empty()) detail::refuse_moved_from(state_.rule);
  return state_;
}

const OptimizerState& BaseOptimizer::kept() const {
  if (state_.groups.empty()) detail::refuse_moved_from(state_.rule);
  return state_;
}

bool detail::is_used(const ParameterGroups& groups, const std::string& name, const Schedule& inherited) {
  for (const Group& group : groups.groups) {
    const Schedule* schedule = &inherited;
    for (const auto& [own_name, own] : group.own)
      if (own_name == name) schedule = &own;
    if (!schedule->is_constant() || (*schedule)(0) != 0) return true;
  }
  return false;
}

Variable BaseOptimizer::step(const Closure& closure) {
  begin_step(kept());
  Variable loss = gradient(state_, closure);
  observe(state_, loss);
  update(state_.flat.gradients());
  return loss;
}

// ---- the parts of a step

void begin_step(OptimizerState& state) {
  for (Hyperparameters& group : state.groups) group.sample(state.steps);
  state.flat.refresh();
  state.now = {};
}

Variable gradient(OptimizerState& state, const Closure& closure) {
  if (!closure) fail(state.rule, "an empty closure", "a function that runs forward and backward and returns the loss");
  state.flat.zero_gradients();
  EnableGrad recording;
  const core::DenormalsAreZero scope;
  Variable loss = closure();
  const bool has_no_part = state.group && !loss.defined();  // of the batch, in this process
  if (!has_no_part && (!loss.defined() || loss.numel() != 1))
    fail(state.rule,
         loss.defined() ? text("a closure that returns shape ", loss.shape()) : "a closure that returns nothing",
         "the loss, one element");
  state.flat.complete_gradients(has_no_part);
  if (state.group) loss = detail::sum_over_group(state, loss);
  ++state.now.gradient_evaluations;
  return loss;
}

Tensor loss_only(OptimizerState& state, const Closure& closure) {
  const Generator random_numbers = default_generator();
  BatchStatisticsFrozen frozen;
  const Variable loss = gradient(state, closure);
  --state.now.gradient_evaluations;
  default_generator() = random_numbers;
  return loss.value();
}

Tensor momentum_norm(const OptimizerState& state) {
  const Tensor& momentum = state.buffers[0].second;
  const OptimizerState::MomentumSquares& kept = state.momentum_squares;
  const auto same = [](const FlatParameters::Run& a, const FlatParameters::Run& b) {
    return a.begin == b.begin && a.end == b.end;
  };
  const bool is_fresh =
      kept.sum.defined() && kept.version == momentum.version() &&
      std::equal(kept.runs.begin(), kept.runs.end(), state.flat.runs().begin(), state.flat.runs().end(), same);
  return is_fresh ? core::unary(core::UnaryOp::sqrt, kept.sum) : state.flat.norm(momentum);
}

void observe(OptimizerState& state, const Variable& loss) {
  OptimizerState::Measured& m = state.now;
  const FlatParameters& flat = state.flat;
  // A loss that is a weight itself would change with the weight.
  m.loss = loss.value().shares_storage_with(flat.memory()) ? loss.value().clone() : loss.value();
  if (state.measure == Measure::nothing) return;
  const Tensor& g = flat.gradients();
  m.gradient_norm = flat.norm(g);
  if (!state.momentum_is_first_buffer || state.buffers.empty()) return;
  const Tensor& v = state.buffers[0].second;
  m.velocity_norm = flat.norm(v);
  m.velocity_dot_gradient = flat.dot(v, g);
}

// ---- the update

void detail::refuse_moved_from(const char* optimizer) {
  fail(optimizer, "an optimizer that was moved from", "the one that it was moved into");
}

Tensor detail::clipped(const OptimizerState& state, const Tensor& gradient) {
  if (std::isinf(state.max_gradient_norm)) return gradient;
  const Tensor norm = state.flat.norm(gradient);
  const auto number = [&](double value) { return Tensor::full({}, value, DType::float64, gradient.device()); };
  const Tensor share = core::binary(core::BinaryOp::divide, number(state.max_gradient_norm), norm);
  Tensor scaled = state.flat.layout().zeros();
  core::add_scaled(scaled, 1, core::binary(core::BinaryOp::minimum, share, number(1)), gradient);
  return scaled;
}

namespace {

double carried_by(const OptimizerState& state, const FlatParameters::Run& run) {
  return state.carried->sign * state.groups[static_cast<size_t>(run.group)].now("rho");
}

void add_squares(OptimizerState& state, const FlatParameters::Run& run, const Tensor& squares) {
  Tensor& sum = state.momentum_squares.sum;
  sum = &run == &state.flat.runs().front() ? squares : core::binary(core::BinaryOp::add, sum, squares);
}

}  // namespace

// What the weights carry is taken off all the same.
void detail::pass_over(OptimizerState& state, const FlatParameters::Run& run) {
  if (!state.carried && !state.keep_momentum_norm) return;
  const Tensor momentum = state.buffers[0].second.slice(run.begin, run.end);
  Tensor weights = state.flat.weights_of(run);
  if (state.carried) core::add_scaled(weights, -carried_by(state, run), state.carried->scale, momentum);
  if (state.keep_momentum_norm) add_squares(state, run, core::dot(momentum, momentum));
}

void detail::run(OptimizerState& state, const FlatParameters::Run& run, const core::UpdateKernel& rule,
                 const Tensor& gradient) {
  if (rule.states != static_cast<int>(state.buffers.size()))
    fail(state.rule, text("a rule with ", rule.states, " state elements"),
         text(state.buffers.size(), ", one for each buffer that this optimizer keeps"));
  const auto cut = [&](const Tensor& buffer) { return buffer.slice(run.begin, run.end); };
  Tensor weight = state.flat.weights_of(run), states[core::UpdateKernel::most_states];
  for (int i = 0; i < rule.states; ++i) states[i] = cut(state.buffers[static_cast<size_t>(i)].second);
  const core::DenormalsAreZero scope;
  core::AlongWithUpdate also;
  if (state.carried) {
    also.move = -carried_by(state, run);
    also.scale = state.carried->scale;
  }
  if (state.keep_momentum_norm) also.squares = Tensor::empty({}, DType::float64, weight.device());
  core::backend(weight.device()).update(rule, weight, cut(gradient), states, also);
  weight.bump_version();
  for (int i = 0; i < rule.states; ++i) states[i].bump_version();
  if (state.keep_momentum_norm) add_squares(state, run, also.squares);
}

void detail::complete_step(OptimizerState& state) {
  state.carried.reset();
  if (state.keep_momentum_norm) {
    state.momentum_squares.runs = state.flat.runs();
    state.momentum_squares.version = state.buffers[0].second.version();
  }
  state.flat.count_step();
  ++state.steps;
  state.gradient_evaluations += state.now.gradient_evaluations;
  state.last = std::exchange(state.now, {});
  core::backend(state.flat.gradients().device()).end_step();
}

}  // namespace minima::optim
