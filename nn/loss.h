// SPDX-License-Identifier: MIT
// Losses, each a mean over the batch unless it says otherwise, fused so that no logarithm of a vanished probability is
// ever taken; and accuracy. An empty batch is an error, as are shapes that do not match: nothing broadcasts here.
#pragma once

#include "autograd/variable.h"

namespace minima::nn {

struct CrossEntropyOptions {
  /// In [0, 1]: the share of the target spread evenly over all classes (Szegedy et al., 2016).
  double label_smoothing = 0;
};

/// Cross entropy of softmax(logits) against class labels: the mean of cross_entropies() (autograd/ops.h), which has the
/// loss of each sample. logits [batch, classes], labels int32 or int64 [batch].
Variable cross_entropy(const Variable& logits, const Tensor& labels, const CrossEntropyOptions& options = {});

/// Mean of (prediction - target)^2 over all elements; equal shapes.
Variable mse(const Variable& prediction, const Variable& target);

/// Binary cross entropy of sigmoid(logits) against targets in [0, 1], mean over all elements; equal shapes. Targets of
/// another dtype (integer labels) are converted. On the CPU, a target out of range is an error.
Variable binary_cross_entropy(const Variable& logits, const Tensor& targets);

/// The share of rows whose largest logit is at the label, in [0, 1]. A row with NaN has no largest logit: it counts as
/// wrong. logits [batch, classes], labels int [batch].
double accuracy(const Variable& logits, const Tensor& labels);

}  // namespace minima::nn
