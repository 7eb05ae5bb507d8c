// What a comparison says, as tables, as a verdict in two sentences, as figures, and as summary.json: per-optimizer
// means with 95% intervals over seeds, and differences to a reference optimizer paired by seed. For compare and pilot.
// Not here: doing the runs (session.h).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "examples/kit/difference.h"
#include "examples/kit/tuning.h"

namespace minima::examples {

struct Comparison {
  std::string data, model, machine;
  int64_t batch = 0, threads = 0, train_samples = 0, test_samples = 0, curvature_samples = 0;
  int64_t test_groups = 0;    ///< of rows that belong together (--group); 0: each row counts by itself
  std::vector<Runs> runs;     ///< one setting for each optimizer, in the order of the tables
  Tuning tuning;              ///< without trials: no tuning
  std::string compared_with;  ///< the reference, whatever becomes of it; empty: reference() chooses
  std::map<std::string, std::string> options{};  ///< what else it takes to repeat a run
  double test_per_train = 0;  ///< where each seed splits the data anew: test rows over training rows; else 0
  bool one_split = false;     ///< where the data were split once for all seeds, as they are tuned
  double guessing = 0;        ///< the share of the most frequent class in the test part: what guessing reaches
  bool quantities = false;    ///< of a regression: what is called accuracy in names and files is R2

  std::vector<std::string> optimizers() const;
  /// What the others are to be compared with: what compared_with says, else sgd, or else the first.
  std::string intended_reference() const;
  /// The intended reference, unless it diverged and another may be chosen: then the first optimizer that did not.
  const Runs& reference() const;
  const Runs& of(const std::string& optimizer) const { return named(runs, optimizer); }
  int64_t seeds() const { return runs.empty() ? 0 : static_cast<int64_t>(runs.front().results.size()); }
  int64_t parameters() const { return runs.front().results.front().parameters; }
  /// What happened, for each run that diverged.
  std::vector<std::string> divergences() const;
};

/// A comparison of this problem, before its runs.
Comparison comparison_of(const Problem& problem, int64_t curvature_samples);

/// Test rows over training rows.
double test_per_train(const Problem& problem);

/// Seconds of training relative to the reference's of the same seed (what disturbs a machine disturbs both), in rising
/// order.
std::vector<double> cost_ratios(const Runs& runs, const Runs& reference);

/// A setting against the reference, with all of its uncertainty. `p` is adjusted for the other settings that are judged
/// by the same measure (Holm).
Difference difference_to_reference(const Comparison& comparison, const Runs& runs, Judged judged);

Table result_table(const Comparison& comparison);
Table difference_table(const Comparison& comparison);

/// Two sentences: test accuracy against the reference, then test loss and cost. "Separated" where the p-value of the
/// paired difference, adjusted for the number of comparisons, is below 5%.
std::string verdict(const Comparison& comparison);
/// What the intervals of the differences hold, how many test rows a point is, and what would change the verdict.
std::string uncertainty_text(const Comparison& comparison);

/// What was done, in words: how many trials, on how much of the data, and what lies at the edge.
std::string tuning_text(const Tuning& tuning);

/// {"schema": 2, "data", "model", "parameters", "batch", "threads", "machine",
/// "options": {"--data", "--label", ...}, "runs": [{"optimizer", "base", "seed", "split_seed",
/// "lr", "momentum", "rho", "weight_decay", "epochs", "steps", "gradient_evaluations", "seconds", "peak_memory_bytes",
/// "train_loss", "train_accuracy", "test_loss", "test_accuracy", "lambda_max", "lambda_residual"}]}
/// Accuracies are in [0, 1] (R2 of quantities at most 1); what a diverged run never reached is null.
std::string summary_json(const Comparison& comparison);

struct Figure {
  std::string file;  ///< within the directory: "per_epoch.svg"
  std::string caption;
};
/// The figures of a comparison, in the order of the report: loss and accuracy per epoch, per gradient evaluation and
/// per second of training.
std::vector<Figure> figures_of(const Comparison& comparison);
/// Writes their scripts into the directory and runs gnuplot. Returns an empty text, or why there are no svg files and
/// how to get them.
std::string write_figures(const Comparison& comparison, const std::string& directory);

}  // namespace minima::examples
