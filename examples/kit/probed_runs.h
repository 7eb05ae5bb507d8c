// Training runs looked at from inside: every so many steps, what the optimizer tells of that step, and how far the step
// before it went; at the end, how well the run did on training, validation and test data. All are done at once, one a
// processor, and a run that diverges is a result like any other.
// Not here: curves over epochs (session.h), what the probes mean (the labs).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "examples/kit/lab.h"

namespace minima::examples {

struct ProbeTask {
  RunSettings settings;
  std::string kind{};                   ///< tells settings apart that look the same; in metrics and progress
  std::function<void(Run&)> prepare{};  ///< changes the run before its first step: a schedule for rho, say
};

/// One step that was looked at.
struct Probe {
  optim::StepStatistics of;   ///< loss_clean and loss_perturbed included
  double last_step_norm = 0;  ///< |w - w of the step before|
};

struct ProbedRun {
  RunResult run;  ///< its curve is one measurement, the last; none where it diverged
  std::string kind;
  Evaluation validation{NAN, NAN};
  std::vector<Probe> probes;
};

/// A number read off a run; NaN where the run diverged.
using Reading = std::function<double(const ProbedRun&)>;
namespace readings {
double train_loss(const ProbedRun& run);
double test_loss(const ProbedRun& run);
double test_accuracy(const ProbedRun& run);
double validation_loss(const ProbedRun& run);
}  // namespace readings
/// The mean over a run's probes of f(probe). NaN values are left out; NaN if there is no other.
Reading mean_of_probes(const std::function<double(const Probe&)>& f);

/// The runs of one setting, one a seed, in the order of the seeds.
struct Rung {
  RunSettings settings;  ///< its seed means nothing
  std::string kind;
  std::vector<ProbedRun> runs;

  bool diverged() const;  ///< one of them at least
  std::vector<double> values(const Reading& reading) const;
  Interval mean(const Reading& reading) const { return interval_95(values(reading)); }
  /// this - other, paired by seed
  Interval minus(const Rung& other, const Reading& reading) const;
};

/// Does the runs in num_threads() processes, looking at steps every, 2 every, 3 every ... (every at least 2; the first
/// step is 1), and gathers those that differ in nothing but the seed, in the order of first appearance. A look costs a
/// forward and backward pass more where loss_clean is not known otherwise, which is not counted as a gradient
/// evaluation. `validation` is never trained on. Each run is a row of runs.csv. Ctrl-C leaves through Interrupted.
std::vector<Rung> run_probed(Lab& lab, const Problem& problem, const datasets::Dataset& validation,
                             const std::vector<ProbeTask>& tasks, int64_t every = 10);

}  // namespace minima::examples
