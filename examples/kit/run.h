// One training: a setting with a seed on a problem, step by step or to its end, and what is measured of it. The same
// seed gives the same initial weights and the same batches whatever the setting, so that runs can be compared in pairs.
// Seconds and memory cover training steps alone (batches and both passes of SAM included), not measurements.
// Not here: several runs (session.h), means over seeds (runs.h).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "examples/kit/augmentation.h"
#include "examples/kit/checkpoint.h"
#include "examples/kit/metrics.h"
#include "examples/kit/setting.h"
#include "minima.h"

namespace minima::examples {

/// What all runs of an experiment share.
struct Problem {
  std::string data, model;  ///< names, as datasets::load and nn::make_model know them
  datasets::Dataset train, test;
  int64_t batch = 64;
  Device device = Device::cpu;
  uint64_t split_seed = 1;                           ///< drew the test part, where it is drawn
  Augmentation augmentation{};                       ///< of what a step trains on; measurements see `train` as it is
  std::shared_ptr<const datasets::Loaded> loaded{};  ///< how the data came about, where a program reports it

  int64_t steps_per_epoch() const { return (train.size() + batch - 1) / batch; }
};

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
  uint64_t seed = 1;
  int64_t parameters = 0;
  Hyperparameters hyperparameters{};  ///< of its setting
  uint64_t split_seed = 1;            ///< of its problem
  std::vector<Measurement> curve{};   ///< one an epoch, or the last one alone
  bool costs_apart = false;           ///< seconds and memory are those of a part of their own (cost.h)
  double lambda_max = NAN, lambda_residual = NAN;
  std::map<std::string, std::vector<double>> seen{};  ///< what an observer noted, by name, in the order of the notes
  std::string divergence{};                           ///< what happened, if it diverged

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
  /// follows half a cosine to 0 after it; the other hyperparameters are constant, unless setting.prepare changes them.
  /// Where the setting has an average, all measurements are of averaged weights, and the model ends with them.
  Run(const Problem& problem, const Setting& setting, uint64_t seed);

  bool finished() const { return step_ == setting_.steps; }
  /// Whether an epoch has just been completed, or the run.
  bool measurement_due() const;
  /// One optimizer step on the next batch; returns the batch's loss, or throws Diverged.
  double step();
  /// Appends to the curve. A loss that is not finite throws Diverged.
  const Measurement& measure();
  /// Largest eigenvalue of the Hessian of the loss over this many training samples, evenly spaced; batch norm in eval
  /// mode.
  void measure_curvature(int64_t samples);
  /// Appends to result().seen[name].
  void note(const std::string& name, double value) { result_.seen[name].push_back(value); }

  /// All that load() needs but the result until now; `notes` are for whoever saves.
  void save(const std::string& path, Notes notes = {});
  /// Continues from what save() wrote; `before` is the result until then.
  void load(const std::string& path, const RunResult& before);

  const Setting& setting() const { return setting_; }
  const Problem& problem() const { return problem_; }
  uint64_t seed() const { return result_.seed; }
  const RunResult& result() const { return result_; }
  int64_t steps_done() const { return step_; }
  double last_loss() const { return last_loss_; }  ///< of the last step's batch
  double seconds() const { return seconds_; }      ///< of the steps
  /// The most tensor memory in use in the steps of this epoch, beyond what was in use before the run.
  int64_t peak_memory_bytes() const;
  int64_t gradient_evaluations() const { return optimizer_->gradient_evaluations(); }
  nn::Module& model() { return *model_; }
  optim::Optimizer& optimizer() { return *optimizer_; }

 private:
  Notes identity() const { return {{"optimizer", setting_.optimizer}, {"seed", std::to_string(seed())}}; }
  Variable optimizer_step(const datasets::MixedBatch& batch);
  /// The loss, or Diverged; `step` counts from 1.
  double guard(double loss, const char* what, int64_t step) const;

  Problem problem_;
  Setting setting_;
  int64_t memory_before_;
  nn::AnyModule model_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  std::optional<optim::WeightAverage> average_;
  datasets::Loader loader_;
  std::optional<datasets::Epoch> epoch_;
  std::optional<datasets::Epoch::Iterator> next_batch_;
  int64_t step_ = 0;
  double seconds_ = 0, last_loss_ = NAN;
  RunResult result_;
};

/// What looks at a run while it trains: functions that are called with it, each where there is one. Notes that they
/// take (Run::note) are part of the result.
struct Observer {
  std::function<void(Run&)> before_step{}, after_step{}, after_measurement{}, at_end{};
};
/// Makes the observer of a run, before the first step: it may hold what belongs to this run alone.
using Observe = std::function<Observer(Run&)>;

struct Measures {
  bool every_epoch = true;        ///< false: at the end alone
  int64_t curvature_samples = 0;  ///< for the largest eigenvalue at the end; 0: none
  bool costs = false;  ///< where runs are done side by side: seconds and memory in a part of their own (cost.h)
};

/// The loop of all programs but `train`, which shows one to copy. A run that diverges ends there, and the result says
/// so.
RunResult train_to_end(Run& run, const Observer& observer = {}, const Measures& measures = {});

struct Evaluation {
  double loss = NAN, accuracy = NAN;  ///< of quantities: mean squared error (standardised), and R2
  /// Under label noise: the share of samples whose label is the true one, or a corrupted one, that get that label. A
  /// model that gives the corrupted ones theirs has learnt them by heart. NaN where there is no such sample.
  double clean_fit = NAN, corrupted_fit = NAN;
};

/// Loss and accuracy of a model over a dataset, in eval mode and without gradients.
Evaluation evaluate(nn::Module& model, const datasets::Dataset& data, Device device = Device::cpu);

/// Gathers batch-norm statistics anew at the present weights, on up to 2048 evenly spaced training samples in batches
/// of the training's size: while training they may have been gathered elsewhere (MSAM). Before every evaluation.
void refresh_batch_norm(nn::Module& model, const datasets::Dataset& train, int64_t batch, Device device = Device::cpu);

/// A label column beside the name of a built-in data set, which knows its labels, is an error.
void check_label(const std::string& data, const std::string& label);

/// At most `count` samples, evenly spaced over the dataset: a fixed sample that does not depend on any seed.
datasets::Dataset evenly_spaced(const datasets::Dataset& data, int64_t count);

/// The share of samples whose label is not the true one.
double label_noise_of(const datasets::Dataset& data);

/// How lr changes in runs of these settings, in words.
std::string schedule_text(const Problem& problem, const std::vector<Setting>& settings);

/// A measurement with its configuration, as one row of metrics.csv. A hyperparameter beyond hyperparameter_options() is
/// a column after them.
Row metrics_row(const Problem& problem, const Setting& setting, uint64_t seed, const Measurement& measurement);

}  // namespace minima::examples
