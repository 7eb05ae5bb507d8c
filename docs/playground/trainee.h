// A small network in training, step by step, beside others that start from the same weights and see the same batches;
// the data that it learns; and what is measured of it.
// Not here: what the page can call (exports.cpp).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "datasets/dataset.h"
#include "nn/containers.h"
#include "optim/optimizer.h"

namespace minima::playground {

/// Data from datasets/sources.h; what a problem has no use for is ignored.
struct DataChoice {
  std::string name;        ///< moons, spirals, blobs or digits
  int64_t samples = 200;   ///< for training; of the digits the first ones
  double noise = 0.15;     ///< of the points of moons, spirals and blobs
  double label_noise = 0;  ///< the share of training labels that are replaced by wrong ones
  uint64_t seed = 1;
};
datasets::Split split_of(const DataChoice& choice);

/// A table of one's own, split and standardised as datasets::csv does: a fifth of each class is for testing, and the
/// training part's mean and deviation count. values [samples, features], labels 0 .. classes - 1.
datasets::Split split_of_table(const std::vector<double>& values, const std::vector<int32_t>& labels, int64_t features,
                               int64_t classes, double label_noise, uint64_t seed);

struct TrainingSettings {
  double lr = 0.1, momentum = 0.9, rho = 0.05, weight_decay = 0;
};

struct Evaluation {
  double loss = 0, accuracy = 0;
};

class Trainee {
 public:
  /// A fully connected network with ReLU and these hidden layers; `optimizer` is gd, momentum or a name that
  /// optim/make.h knows. The initial weights and the order of the batches depend on the seed alone.
  Trainee(const std::string& optimizer, const datasets::Dataset& train, const std::vector<int64_t>& hidden,
          int64_t batch, const TrainingSettings& settings, uint64_t seed);

  void change(const TrainingSettings& settings);
  /// One step on the next batch; returns that batch's loss.
  double step();
  int64_t gradients() const { return optimizer_->gradient_evaluations(); }

  Evaluation evaluate(const datasets::Batch& batch);
  /// The largest eigenvalue of the Hessian of the loss over these samples, to about a percent.
  double largest_eigenvalue(const datasets::Batch& batch);
  /// The probability of each class, [points, classes], row by row. x is [points, features].
  std::vector<float> probabilities(const Tensor& x);

 private:
  std::string name_;
  datasets::Dataset train_;
  std::vector<int64_t> order_;  ///< of the present epoch
  nn::Sequential model_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  int64_t batch_, epoch_ = -1;
  size_t next_ = 0;
  uint64_t seed_;
};

/// At most `count` samples, evenly spaced.
datasets::Batch some_of(const datasets::Dataset& data, int64_t count);

}  // namespace minima::playground
