// SPDX-License-Identifier: MIT
// Averages of the weights that an optimizer walks through, which are often better than the last ones: their exponential
// moving average (EMA; Polyak, 1990) and their plain mean over the end of a training (SWA; Izmailov et al., 2018).
//   optim::WeightAverage average{optimizer, {.decay = 0.999}};
//   ... optimizer.step(closure); average.update(); ...
//   {
//     optim::AveragedWeights scope{average};             // the model computes with the averages until the brace closes
//     nn::recalibrate_batch_norm(model, batches);        // their statistics are not those of any step
//     accuracy = ...
//   }
// Not here: when to begin, and the learning rate, which SWA keeps constant or cyclic (schedule.h).
#pragma once

#include <optional>

#include "optim/optimizer.h"

namespace minima::optim {

struct WeightAverageOptions {
  /// In [0, 1): average = decay * average + (1 - decay) * weights; the first update takes the weights as they are. A
  /// memory of about 1 / (1 - decay) updates. None: the plain mean of the weights of all updates.
  std::optional<double> decay{};
};

/// The averages of all parameters of an optimizer, which must outlive this and stay where it is: a vector of the size
/// of the weights. They are a part of the optimizer's saved state, so a resumed run goes on averaging, bit for bit. An
/// optimizer has one average; a second is an error. As PyTorch's AveragedModel does without `use_buffers`.
class WeightAverage {
 public:
  explicit WeightAverage(Optimizer& optimizer, const WeightAverageOptions& options = {});

  /// Takes in the present weights: one pass over memory, for which nobody waits. After a step, or as often as wanted.
  void update();
  Optimizer& optimizer() const { return *optimizer_; }
  /// How often that was done.
  int64_t updates() const;
  /// Flat, in the order of Optimizer::parameters(). An error before the first update.
  const Tensor& average() const;
  /// The averages become the weights, for good. An error before the first update.
  void adopt();

 private:
  Optimizer* optimizer_;
  std::optional<double> decay_;
  Tensor average_, updates_;
};

/// The weights are the averages from here on, until the brace closes: then they are what they were, bit for bit.
/// Nothing may be trained meanwhile. Batch-norm layers need new statistics (nn/batch_norm.h) before they are evaluated.
class AveragedWeights {
 public:
  /// An error before the first update.
  explicit AveragedWeights(WeightAverage& average);
  AveragedWeights(const AveragedWeights&) = delete;
  AveragedWeights& operator=(const AveragedWeights&) = delete;
  ~AveragedWeights();

 private:
  FlatParameters& flat_;
  Tensor weights_;
};

}  // namespace minima::optim
