// How good a model is on a data set, beyond its loss: what it says of every sample, and what follows from that.
// Not here: measurements while training (run.h).
#pragma once

#include <string>
#include <vector>

#include "examples/kit/table.h"
#include "minima.h"

namespace minima::examples {

/// What a model has as outputs for a data set: one for each class, or one quantity.
int64_t outputs_for(const datasets::Dataset& data);
/// Cross entropy against labels, or the squared error against quantities (y of float32), a mean over the batch; and
/// the same for each sample.
Variable loss_of(const Variable& outputs, const Tensor& y);
Variable losses_of(const Variable& outputs, const Tensor& y);

/// The outputs for every sample, in eval mode and without gradients: [size, outputs].
std::vector<float> outputs_of(nn::Module& model, const datasets::Dataset& data, Device device = Device::cpu);

/// What the model's parameters are for: the layer of each, and which are scale and shift of a norm layer, or biases.
optim::Layers layers_of(nn::Module& model);

/// Of one sample's logits: the probabilities of the classes.
std::vector<double> probabilities_of(const float* logits, int64_t classes);

/// A classifier's predictions against the labels.
struct Quality {
  double accuracy = NAN;
  double balanced_accuracy = NAN;  ///< mean over the classes that occur of the share of their samples that is right
  /// Expected calibration error (Guo et al., 2017): the distance of confidence and accuracy, in 15 bins of equal width,
  /// weighted by the samples in a bin.
  double calibration_error = NAN;
  double loss = NAN;
  std::vector<int64_t> confusion;  ///< [label, prediction]
};
/// `labels` are 0 .. classes-1.
Quality quality_of(const std::vector<float>& logits, const std::vector<int64_t>& labels, int64_t classes);

/// Predicted quantities against those of the data, both standardised.
struct Fit {
  double mean_squared_error = NAN;
  double r2 = NAN;  ///< 1 - squared error / squared distance from the mean of the data; NaN without such
};
Fit fit_of(const std::vector<float>& predictions, const std::vector<float>& targets);

/// The counts with the class names: a row a label, a column a prediction.
Table confusion_table(const std::vector<int64_t>& confusion, const std::vector<std::string>& class_names);
/// More classes than this make a table that nobody reads.
inline constexpr size_t most_confusion_classes = 12;

}  // namespace minima::examples
