// What a comparison says: per-optimizer means with 95% intervals over seeds, differences to a reference optimizer
// paired by seed, and a verdict in two sentences. Not here: running anything (experiment.h), files and figures.
#pragma once

#include <string>
#include <vector>

#include "examples/kit/experiment.h"
#include "examples/kit/statistics.h"
#include "examples/kit/table.h"
#include "examples/kit/tuning.h"

namespace minima::examples {

struct Comparison {
  std::string data, model, machine;
  int64_t parameters = 0, batch = 0, threads = 0, train_samples = 0, test_samples = 0, curvature_samples = 0;
  std::vector<std::string> optimizers;  ///< in the order of the table
  std::vector<RunResult> runs;
  std::vector<Trial> trials;  ///< empty without tuning
  std::string compared_with;  ///< the reference, whatever becomes of it; empty: reference() chooses

  /// What the others are to be compared with: what compared_with says, else sgd, or else the first.
  std::string intended_reference() const;
  /// The intended reference, unless it diverged and another may be chosen: then the first optimizer that did not.
  std::string reference() const;
  /// The runs of one optimizer, by seed.
  std::vector<const RunResult*> runs_of(const std::string& optimizer) const;
  /// The seeds of the comparison.
  int64_t seeds() const;
};

/// One optimizer over its seeds; runs that diverged count in `diverged` and nowhere else.
struct Method {
  RunSettings settings;
  int runs = 0, diverged = 0;
  Interval test_accuracy, test_loss, train_loss, lambda_max, gradient_evaluations, seconds, peak_memory_bytes;
  /// Seconds relative to the reference, paired by seed (what disturbs a machine disturbs both): the median, and the
  /// range.
  double cost = NAN, lowest_cost = NAN, highest_cost = NAN;
};
Method method(const Comparison& comparison, const std::string& optimizer);

/// Optimizer minus reference, paired by seed, over the seeds in which both finished.
struct Difference {
  Interval test_accuracy, test_loss;
};
Difference difference(const Comparison& comparison, const std::string& optimizer);

Table result_table(const Comparison& comparison);
Table difference_table(const Comparison& comparison);
Table trial_table(const std::vector<Trial>& trials);

/// Optimizers whose chosen trial lies at the edge of what was tried.
std::vector<std::string> at_edge(const Comparison& comparison);

/// Two sentences: test accuracy against the reference, then test loss and cost. "Not separated" where the interval of
/// the paired difference includes 0.
std::string verdict(const Comparison& comparison);

}  // namespace minima::examples
