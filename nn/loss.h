// SPDX-License-Identifier: MIT
// Losses, each a mean over the batch unless it says otherwise, fused so that no logarithm of a vanished probability is
// ever taken; and accuracy. An empty batch is an error, as are shapes that do not match: nothing broadcasts here.
#pragma once

#include "autograd/variable.h"

#pragma GCC visibility push(default)

namespace minima::nn {

struct CrossEntropyOptions {
  double label_smoothing =
      0;  ///< in [0, 1]: the share of the target spread evenly over all classes (Szegedy et al., 2016)
};

/// Cross entropy of softmax(logits) against class labels. logits [batch, classes], labels int32 or int64 [batch]. A
/// class that a sample cannot have is masked by the logit -infinity: it takes no part in that sample's loss and
/// gradient. With the mask at the label, or with label smoothing, the loss is infinite.
Variable cross_entropy(const Variable& logits, const Tensor& labels, const CrossEntropyOptions& options = {});

/// The same for each sample of the batch instead of their mean: [batch].
Variable cross_entropies(const Variable& logits, const Tensor& labels, const CrossEntropyOptions& options = {});

/// Mean of (prediction - target)^2 over all elements; equal shapes.
Variable mse(const Variable& prediction, const Variable& target);

/// Binary cross entropy of sigmoid(logits) against targets in [0, 1], mean over all elements; equal shapes. Targets of
/// another dtype (integer labels) are converted. On the CPU, a target out of range is an error.
Variable binary_cross_entropy(const Variable& logits, const Tensor& targets);

/// The share of rows whose largest logit is at the label, in [0, 1]. A row with NaN has no largest logit: it counts as
/// wrong. logits [batch, classes], labels int [batch].
double accuracy(const Variable& logits, const Tensor& labels);

}  // namespace minima::nn

#pragma GCC visibility pop
