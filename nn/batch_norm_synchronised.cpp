// SPDX-License-Identifier: MIT
// Batch normalisation over the batches of several processes together. It is written in ops, so its gradient follows
// from theirs; the fused kernel of one process is in core.
#include "autograd/record.h"
#include "nn/batch_norm.h"

namespace minima::nn {

namespace {

// The sum of all ranks' x. Each rank's part of the loss depends on every rank's x by it, so the gradient in x is the
// sum of all ranks' gradients: the same op again.
Variable all_reduce_sum(const Variable& x, Communicator& group) {
  Tensor total = x.value().clone();
  group.all_reduce_sum(total);
  return autograd::record("all_reduce_sum", total, {x},
                          [&group](const autograd::Context& c) { return all_reduce_sum(c.grad, group); });
}

}  // namespace

// Two passes, mean first: sums of squares alone would lose the digits of data far from zero.
SynchronisedBatch normalise_over_group(const Variable& x, const Variable& weight, const Variable& bias, double epsilon,
                                       Communicator& group) {
  const int64_t features = weight.numel();
  const Variable rows = reshape(x, {x.numel() / features, features});
  const auto number = [&](double value) { return Variable(Tensor::full({1}, value, x.dtype(), x.device())); };
  const Variable count = number(static_cast<double>(rows.size(0))), is_empty = number(rows.size(0) == 0 ? 1 : 0);
  const Variable sums = all_reduce_sum(concatenate({sum(rows, 0), count, is_empty}, 0), group);
  const double total = sums.value().at(features), empty = sums.value().at(features + 1);
  if (empty > 0)  // on every rank alike, so that none waits for another
    fail("BatchNorm", text("no samples on ", empty, " of ", group.size(), " ranks"), "at least one on each",
         "Use a larger batch, or leave out a last one that is smaller.");
  if (total < 2)
    fail("BatchNorm", text(total, " value per channel in the training batches of all ranks"), "at least 2",
         "Use a larger batch, or call eval() to use the running statistics.");
  const Variable mean = slice(sums, 0, 0, features) / total;
  const Variable centred = rows - mean;
  const Variable variance = all_reduce_sum(sum(square(centred), 0), group) / total;
  const Variable y = centred / sqrt(variance + epsilon) * weight + bias;
  return {reshape(y, x.shape()),
          {mean.value().to(DType::float64), variance.value().to(DType::float64)},
          static_cast<int64_t>(total)};
}

}  // namespace minima::nn
