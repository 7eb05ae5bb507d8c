#include "examples/labs/rankwise.h"

#include <cmath>

#include "core/ops.h"

namespace minima::examples {

Rankwise::Rankwise(optim::SGD base, Point point, double rho, int ranks, Communicator& group)
    : base_(std::move(base)), point_(point), rho_(rho), group_(&group) {
  for (int i = 0; i < ranks; ++i) own_.push_back(base_.kept().flat.layout().zeros());
}

/// The gradient of a part where the weights are, of this rank alone.
Tensor Rankwise::gradient_of(const optim::Closure& part) {
  const Variable loss = optim::gradient(base_.kept(), part);
  loss_ = loss.item();
  return base_.kept().flat.gradients().clone();
}

void Rankwise::sum_over_group(Tensor& sum) { group_->all_reduce_sum(sum); }

double Rankwise::step(const std::vector<optim::Closure>& parts) {
  if (parts.size() != own_.size())
    fail("rankwise", text(parts.size(), " parts"), text(own_.size(), ", one for each rank of this process"));
  optim::OptimizerState& state = base_.kept();
  optim::begin_step(state);
  const double mu = state.groups[0].now("momentum"), decay = state.groups[0].now("weight_decay");
  const double all = static_cast<double>(parts.size()) * group_->size();
  Tensor weights = state.flat.memory();
  const Tensor clean = weights.clone();
  const auto add_to = [](Tensor& sum, const Tensor& one) {
    if (sum.defined())
      core::add_scaled(sum, 1, one);
    else
      sum = one.clone();
  };

  std::vector<Tensor> at_weights;
  Tensor joined;
  const bool takes_two = point_ == Point::joined_gradient || point_ == Point::own_gradient;
  if (takes_two) {
    for (const optim::Closure& part : parts) at_weights.push_back(gradient_of(part)), add_to(joined, at_weights.back());
    ++gradients_;
  }
  if (point_ == Point::joined_gradient) sum_over_group(joined);
  if (point_ == Point::joined_momentum) joined = base_.momentum();

  std::vector<Tensor> ahead;
  Tensor sum;
  double loss = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    const bool is_own = point_ == Point::own_momentum || point_ == Point::own_gradient;
    const Tensor direction = !is_own ? joined : takes_two ? at_weights[i] : own_[i];
    const double norm = point_ == Point::weights ? 0 : core::norm(direction).item();
    if (norm > 0) core::add_scaled(weights, (takes_two ? rho_ : -rho_) / norm, direction);
    try {
      ahead.push_back(gradient_of(parts[i]));
    } catch (...) {
      weights.copy_from(clean);
      throw;
    }
    loss += loss_;
    weights.copy_from(clean);
    add_to(sum, ahead[i]);
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    Tensor& v = own_[i];  // v_r = mu v_r + g_r, and this rank's share of the decay
    const Tensor before = v.clone();
    v.copy_from(ahead[i]);
    core::add_scaled(v, mu, before);
    core::add_scaled(v, decay / all, clean);
  }
  ++gradients_;
  sum_over_group(sum);
  base_.update(sum);
  return loss;
}

}  // namespace minima::examples
