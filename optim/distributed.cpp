// SPDX-License-Identifier: MIT
// Where the gradients of several processes become one: the only place in optim that communicates.
#include "core/ops.h"
#include "optim/optimizer.h"

namespace minima::optim {

// One message: the flat gradient, the loss, and a 1 for each parameter that this rank's part of the loss has reached.
// Ranks may differ in the last, as one without samples reaches nothing. The message lies where the gradient does. On a
// GPU the host then waits once, for the sums of the ones: they steer what it does next.
Variable detail::sum_over_group(OptimizerState& state, const Variable& part_of_loss) {
  FlatParameters& flat = state.flat;
  const int64_t numel = flat.layout().numel();
  const std::vector<bool>& reached = flat.reached();
  const auto parameters = static_cast<int64_t>(reached.size());
  const DType dtype = flat.layout().dtype();

  if (!state.message.defined())
    state.message = Tensor::empty({numel + 1 + parameters}, dtype, flat.gradients().device());
  Tensor gradient = state.message.slice(0, numel), loss = state.message.slice(numel, numel + 1),
         ones = state.message.slice(numel + 1, numel + 1 + parameters);
  gradient.copy_from(flat.gradients());
  if (part_of_loss.defined())
    loss.copy_from(part_of_loss.value().reshape({1}));
  else
    loss.fill(0);
  ones.copy_from(Tensor::from(std::vector<double>(reached.begin(), reached.end())));
  state.group->all_reduce_sum(state.message);
  Tensor(flat.gradients()).copy_from(gradient);

  std::vector<bool> anywhere;
  bool any = false;
  for (const double ranks : ones.to_vector<double>()) {
    anywhere.push_back(ranks > 0);
    any = any || ranks > 0;
  }
  if (!any)
    fail(state.rule, "a batch of which no rank has a part", "samples on one rank at least",
         "A rank without samples returns an undefined loss; not all may.");
  flat.reach(anywhere);
  const Tensor sum = loss.clone().reshape({});  // the message is written again in the next step
  return Variable(sum.to(part_of_loss.defined() ? part_of_loss.dtype() : dtype));
}

}  // namespace minima::optim
