// SPDX-License-Identifier: MIT
#include "optim/directions/esam.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "autograd/ops.h"

namespace minima::optim {

namespace {

// The samples' losses, one for each of `rows` (all: undefined).
Variable losses_of(const SampleLosses& losses, const Tensor& rows) {
  if (!losses) fail("esam", "an empty function", "one that returns the loss of each sample");
  Variable each = losses(rows);
  if (!each.defined() || each.shape().rank() != 1 || each.numel() == 0 ||
      (rows.defined() && each.size(0) != rows.size(0)))
    fail("esam", each.defined() ? text("losses of shape ", each.shape()) : "no losses",
         rows.defined() ? text("one for each of ", rows.size(0), " samples")
                        : "one for each sample of the batch, (batch,)",
         "cross_entropies() gives them.");
  return each;
}

Variable backward_of_mean(const Variable& each) {
  Variable loss = mean(each);
  loss.backward();
  return loss;
}

// The rows that rise most from `before` to `after`, in their order; the earlier one where two rise alike.
Tensor most_risen(const Tensor& before, const Tensor& after, double share) {
  const std::vector<double> from = before.to_vector<double>(), to = after.to_vector<double>();
  const auto count = static_cast<size_t>(std::llround(share * static_cast<double>(from.size())));
  std::vector<int64_t> rows(from.size());
  std::iota(rows.begin(), rows.end(), 0);
  std::stable_sort(rows.begin(), rows.end(), [&](int64_t a, int64_t b) { return to[a] - from[a] > to[b] - from[b]; });
  rows.resize(std::min(rows.size(), std::max<size_t>(2, count)));  // batch norm needs two
  std::sort(rows.begin(), rows.end());
  return Tensor::from(rows).to(before.device());
}

}  // namespace

ESAM::ESAM(Wrapped base, const EsamOptions& options)
    : Wrapper("esam", std::move(base), options.rho, Range::at_least_0),
      beta_(options.beta),
      gamma_(options.gamma),
      seed_(options.seed) {
  if (!(beta_ > 0 && beta_ <= 1)) fail("esam", text("beta = ", beta_), "a number in (0, 1]");
  if (!(gamma_ > 0 && gamma_ <= 1)) fail("esam", text("gamma = ", gamma_), "a number in (0, 1]");
}

Variable ESAM::step(const Closure& closure) { return step_with(closure, closure); }

Variable ESAM::step(const SampleLosses& losses) {
  if (kept().group && kept().group->size() > 1)
    fail("esam", text("losses of samples on one of ", kept().group->size(), " ranks"), "a closure",
         "Which samples rise most is only known where all of the batch is: step(Closure) takes them all.");
  Tensor before;
  return step_with(
      [&] {
        const Variable each = losses_of(losses, Tensor());
        before = each.value();
        return backward_of_mean(each);
      },
      [&] {
        if (gamma_ == 1) return backward_of_mean(losses_of(losses, Tensor()));
        NoGrad choosing;
        const Tensor after = losses_of(losses, Tensor()).value();
        EnableGrad training;
        return backward_of_mean(losses_of(losses, most_risen(before, after, gamma_)));
      });
}

Variable ESAM::step_with(const Closure& at_weights, const Closure& perturbed) {
  begin_step();
  Variable loss = gradient_at_weights(at_weights);
  const Perturbation uphill = ascent();
  if (!uphill.is_zero()) second_gradient_at(uphill, perturbed);
  base().update(gradients());
  return loss;
}

Perturbation ESAM::ascent() const {
  Tensor masked = gradients().clone();
  const auto chosen = [&](uint64_t i) {
    return core::philox(seed_, static_cast<uint64_t>(steps()), 1 + i).words[0] < beta_ * 4294967296.0;  // 2^32
  };
  bool any = false;
  int64_t begin = 0;
  for (size_t i = 0; i < parameters().size(); ++i) {
    const int64_t end = begin + parameters()[i].numel();
    if (chosen(i))
      any = any || parameters()[i].requires_grad();
    else
      masked.slice(begin, end).fill(0);
    begin = end;
  }
  return along(masked, any ? 1 / beta_ : 0, norm(gradients()));
}

}  // namespace minima::optim
