// SPDX-License-Identifier: MIT
// Batch normalisation (Ioffe & Szegedy, 2015) and the recalculation of its running statistics, which is needed when
// they were gathered at other weights than those that are evaluated: SAM's and MSAM's perturbed point.
#pragma once

#include <vector>

#include "autograd/ops.h"
#include "core/communicator.h"
#include "nn/module.h"

namespace minima::nn {

struct BatchNormOptions {
  double epsilon = 1e-5;
  double momentum = 0.1;  ///< running = (1 - momentum) * running + momentum * batch
};

/// What BatchNorm1d and BatchNorm2d share: y = (x - mean) / sqrt(variance + epsilon) * weight + bias for each channel
/// (the last axis), over everything else. While training, mean and biased variance are the batch's own, and
/// running_mean, running_var (unbiased) and num_batches_tracked follow them unless BatchStatisticsFrozen is active; in
/// eval mode the running ones are used. A training batch with one value per channel has no variance and is an error.
struct BatchNorm : Module {
  Variable weight, bias;             ///< [features], starting at 1 and 0
  Tensor running_mean, running_var;  ///< [features], starting at 0 and 1
  Tensor num_batches_tracked;        ///< int64 scalar
  double epsilon, momentum;
  Communicator* group = nullptr;  ///< whose batches are normalised together while training; null: each on its own

  Variable forward(const Variable& x) final { return (*this)(x, Epilogue{}); }
  Variable forward_then(const Variable& x, Activation activation) final {
    return (*this)(x, Epilogue{.activation = activation});
  }
  /// activation(y + residual) in one pass: bn(x, {.residual = shortcut, .activation = Activation::relu})
  Variable operator()(const Variable& x, const Epilogue& epilogue);
  using Module::operator();
  void visit(Visitor& visitor) override;
  std::string describe() const override;
  /// Back to mean 0, variance 1 and no batches seen.
  void reset_running_statistics();

 protected:
  BatchNorm(const char* name, int min_rank, int max_rank, int64_t features, const BatchNormOptions& options);

 private:
  void check(const Variable& x) const;
  void track(const core::Moments& moments, int64_t count);

  const char* name_;
  int min_rank_, max_rank_;
};

/// x [batch, features], or [batch, length, features] whose features are normalised over batch and length together.
/// (PyTorch's BatchNorm1d takes the latter as [batch, features, length].)
struct BatchNorm1d : BatchNorm {
  explicit BatchNorm1d(int64_t features, const BatchNormOptions& options = {})
      : BatchNorm("BatchNorm1d", 2, 3, features, options) {}
};

/// x [batch, height, width, features]
struct BatchNorm2d : BatchNorm {
  explicit BatchNorm2d(int64_t features, const BatchNormOptions& options = {})
      : BatchNorm("BatchNorm2d", 4, 4, features, options) {}
};

/// Batch norm of all layers, while training, over the batches of all ranks together, as if they were one: so y and
/// every gradient are those of the joined batch, if each rank's loss is its part of the loss (Optimizer::distribute).
/// Forward and backward, each layer takes two small all-reduces more, and computes y in several passes instead of one.
/// Every rank must call the model equally often, with at least one sample: a rank that has none would miss the sums of
/// the others. In a group of one nothing changes. The group must outlive the model.
void synchronise_batch_norm(Module& model, Communicator& group);

/// Whether any layer of the model keeps running statistics.
bool has_batch_norm(Module& model);

/// Replaces all running statistics by their plain averages over these batches (inputs of the model), gathered at the
/// present weights in training mode without gradients. Weights, modes, and the random stream are as before afterwards;
/// after an error, in the model or here, so are the statistics.
/// Each process does it for itself, also where layers are synchronised.
/// Nothing to do without batch norm. No batches, or a BatchStatisticsFrozen scope around, is an error.
void recalibrate_batch_norm(Module& model, const std::vector<Tensor>& batches);

/// What a synchronised layer computes: y, and the moments of `count` values of each channel, those of all ranks.
struct SynchronisedBatch {
  Variable y;
  core::Moments moments;
  int64_t count;
};
SynchronisedBatch normalise_over_group(const Variable& x, const Variable& weight, const Variable& bias, double epsilon,
                                       Communicator& group);

}  // namespace minima::nn
