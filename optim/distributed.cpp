// SPDX-License-Identifier: MIT
// Where the gradients of several processes become one: the only place in optim that communicates.
#include "core/ops.h"
#include "optim/optimizer.h"

namespace minima::optim {

// One message: the flat gradient, the loss, and a 1 for each parameter that this rank's part of the loss has reached.
// Ranks may differ in the last, as one without samples reaches nothing.
Variable detail::sum_over_group(OptimizerState& state, const Variable& part_of_loss) {
  FlatParameters& flat = state.flat;
  const int64_t numel = flat.layout().numel();
  const std::vector<bool>& reached = flat.reached();
  const auto parameters = static_cast<int64_t>(reached.size());
  std::vector<double> tail(1, part_of_loss.defined() ? part_of_loss.item() : 0);
  tail.insert(tail.end(), reached.begin(), reached.end());

  if (!state.message.defined()) state.message = Tensor::empty({numel + 1 + parameters}, flat.layout().dtype());
  Tensor gradient = state.message.slice(0, numel), rest = state.message.slice(numel, numel + 1 + parameters);
  gradient.copy_from(flat.gradients());
  rest.copy_from(Tensor::from(tail));
  state.group->all_reduce_sum(state.message);
  Tensor(flat.gradients()).copy_from(gradient);

  tail = rest.to_vector<double>();
  std::vector<bool> anywhere;
  bool any = false;
  for (auto ranks = tail.begin() + 1; ranks != tail.end(); ++ranks) {
    anywhere.push_back(*ranks > 0);
    any = any || *ranks > 0;
  }
  if (!any)
    fail(state.rule, "a batch of which no rank has a part", "samples on one rank at least",
         "A rank without samples returns an undefined loss; not all may.");
  flat.reach(anywhere);
  return Variable(Tensor::full({}, tail[0], part_of_loss.defined() ? part_of_loss.dtype() : flat.layout().dtype()));
}

}  // namespace minima::optim
