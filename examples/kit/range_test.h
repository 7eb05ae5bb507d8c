// The learning-rate range test (Smith, 2017): a training whose learning rate rises by the same factor from step to step
// until the loss runs away. Not here: the program that shows it (find_lr.cpp).
#pragma once

#include <vector>

#include "minima.h"

namespace minima::examples {

struct RangeTestOptions {
  double lowest = 1e-6, highest = 10;
  int64_t steps = 200;
};

/// What each step saw, up to where the test ended.
struct RangeTest {
  std::vector<double> lrs, losses;
  std::vector<double> smoothed;  ///< mean of the losses until then, in which each counts 0.9 of the one after it

  double lowest_loss() const;
  double lr_of_lowest_loss() const;
  /// A tenth of that: at the lowest point the loss is about to rise.
  double suggested() const { return lr_of_lowest_loss() / 10; }
};

/// Ends before the last step where the smoothed loss is above twice its first value or no number. It changes the model
/// and the optimizer. Errors: lowest is not above 0 and below highest, fewer than 10 steps, a first loss
/// that is no number, an interrupt.
RangeTest range_test(nn::Module& model, optim::Optimizer& optimizer, const datasets::Loader& batches,
                     const RangeTestOptions& options);

}  // namespace minima::examples
