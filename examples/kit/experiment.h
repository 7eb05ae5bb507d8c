// One training run of one optimizer with one seed: what comparisons and labs are made of. The same seed gives the same
// initial weights and the same batches whatever the optimizer, so that runs can be compared in pairs.
// Seconds and memory cover training steps alone (batches and both passes of SAM included), not measurements.
// Not here: several runs (compare.cpp), tables (comparison.h), files (metrics.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "examples/kit/metrics.h"
#include "minima.h"

namespace minima::examples {

/// What all runs of an experiment share.
struct Problem {
  std::string data, model;  ///< names, as datasets::load and nn::make_model know them
  datasets::Dataset train, test;
  int64_t batch = 64;
  Device device = Device::cpu;

  int64_t steps_per_epoch() const { return (train.size() + batch - 1) / batch; }
};

struct RunSettings {
  std::string optimizer = "sgd";
  std::string base = "sgd";  ///< what sam, asam and msam wrap; for the others their own name
  uint64_t seed = 1;
  double lr = 0.1, momentum = 0.9, rho = 0, weight_decay = 5e-4;
  int64_t steps = 0;
};

using optim::gradients_per_step;

/// Gradients that a run will take (on average, where that depends on the draw): for budgets and the time left.
int64_t expected_gradients(const RunSettings& settings);

/// Taken at the clean weights, batch norm recalibrated.
struct Measurement {
  double epoch = 0;
  int64_t step = 0, gradient_evaluations = 0;
  double seconds = 0;             ///< of training so far
  int64_t peak_memory_bytes = 0;  ///< most tensor memory in use while training, beyond what was in use before the run
  double train_loss = NAN, train_accuracy = NAN;  ///< on at most 10,000 training samples, evenly spaced
  double test_loss = NAN, test_accuracy = NAN;
  double clean_fit = NAN, corrupted_fit = NAN;  ///< as in Evaluation, of the same training samples
};

/// A finished run, or the part of one up to where its loss stopped being a number.
struct RunResult {
  RunSettings settings;
  int64_t parameters = 0;
  std::vector<Measurement> curve;  ///< one an epoch, the last one at the end
  double lambda_max = NAN, lambda_residual = NAN;
  std::string divergence;  ///< what happened, if it diverged

  bool diverged() const { return !divergence.empty(); }
  const Measurement& last() const;
};

/// A loss that is not finite: the message names optimizer, seed, step and learning rate.
struct Diverged : Error {
  using Error::Error;
};

class Run {
 public:
  /// Makes model and optimizer. lr rises linearly during the first epoch (but at most a quarter of the steps) and
  /// follows half a cosine to 0 after it; momentum and rho are constant.
  Run(const Problem& problem, const RunSettings& settings);

  bool finished() const { return step_ == settings_.steps; }
  /// Whether an epoch has just been completed, or the run.
  bool measurement_due() const;
  /// One optimizer step on the next batch; returns the batch's loss, or throws Diverged.
  double step();
  /// Appends to the curve. A loss that is not finite throws Diverged.
  const Measurement& measure();
  /// Largest eigenvalue of the Hessian of the loss over this many training samples, evenly spaced; batch norm in eval
  /// mode.
  void measure_curvature(int64_t samples);

  void save(const std::string& path);
  /// Continues from what save() wrote; `curve` is what had been measured until then.
  void load(const std::string& path, const std::vector<Measurement>& curve);

  const RunResult& result() const { return result_; }
  int64_t steps_done() const { return step_; }
  int64_t gradient_evaluations() const { return optimizer_->gradient_evaluations(); }
  nn::Module& model() { return *model_; }
  optim::Optimizer& optimizer() { return *optimizer_; }

 private:
  Variable optimizer_step(const Tensor& x, const Tensor& y);
  /// The loss, or Diverged; `step` counts from 1.
  double guard(double loss, const char* what, int64_t step) const;

  const Problem& problem_;
  RunSettings settings_;
  int64_t memory_before_;
  nn::AnyModule model_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  datasets::Loader loader_;
  std::optional<datasets::Epoch> epoch_;
  std::optional<datasets::Epoch::Iterator> next_batch_;
  int64_t step_ = 0;
  double seconds_ = 0;
  RunResult result_;
};

struct Evaluation {
  double loss = 0, accuracy = 0;
  /// Under label noise: the share of samples whose label is the true one, or a corrupted one, that get that label. A
  /// model that gives the corrupted ones theirs has learnt them by heart. NaN where there is no such sample.
  double clean_fit = NAN, corrupted_fit = NAN;
};

/// Mean cross entropy and accuracy of a model over a dataset, in eval mode and without gradients.
Evaluation evaluate(nn::Module& model, const datasets::Dataset& data, Device device = Device::cpu);

/// Gathers batch-norm statistics anew at the present weights, on up to 2048 evenly spaced training samples in batches
/// of the training's size: while training they may have been gathered elsewhere (MSAM). Before every evaluation.
void refresh_batch_norm(nn::Module& model, const datasets::Dataset& train, int64_t batch, Device device = Device::cpu);

/// For a loop of one's own: an error that names optimizer, step (counted from 1) and learning rate, if the loss is not
/// finite.
void check_finite(double loss, const std::string& optimizer, int64_t step, double lr);

/// A label column beside the name of a built-in data set, which knows its labels, is an error.
void check_label(const std::string& data, const std::string& label);

/// At most `count` samples, evenly spaced over the dataset: a fixed sample that does not depend on any seed.
datasets::Dataset evenly_spaced(const datasets::Dataset& data, int64_t count);

/// The share of samples whose label is not the true one.
double label_noise_of(const datasets::Dataset& data);

/// A measurement with its configuration, as one row of metrics.csv. `steps` is what the whole run was to take.
Row metrics_row(const Problem& problem, const RunSettings& settings, const Measurement& measurement);

}  // namespace minima::examples
