// How often compare and pilot err, and how often they find what is there: comparisons and short pilots on small tables
// drawn from real ones, in which it is known what is to be found. The verdicts are those of compare/comparison.h and
// pilot/verdict.h, and the runs of a pilot those of pilot/runs.h.
// Not here: the options, the counting (calibrate.cpp).
#pragma once

#include <string>
#include <vector>

#include "examples/kit/run.h"

namespace minima::examples {

/// What is to be found.
enum class Truth {
  permuted,  ///< nothing: the labels are permuted, and all classes are equally frequent, so that all methods are right
             ///< as often as guessing. (With unequal classes, a method that answers the larger one more often is
             ///< better.)
  same,      ///< nothing: both are SGD, with different seeds
  planted,   ///< a difference: both are SGD, and the second learns from labels of which some are wrong
};

struct Kind {
  bool pilot;  ///< else a comparison
  Truth truth;
  bool splits_anew;  ///< each replicate splits its table anew; else all share one test part
};
std::vector<Kind> kinds();
std::string words(const Kind& kind);

/// The share of wrong labels in the training part of a planted difference.
inline constexpr double planted_noise = 0.5;

/// How long a trial is. The defaults take seconds.
struct TrialOptions {
  int64_t rows = 120;  ///< of a table that is drawn; at most half of those that there are
  int64_t epochs = 10, batch = 8, seeds = 10, studies = 5;
  std::string model = "mlp:8";
};

/// A verdict, and what it says about itself.
struct Verdict {
  int better = 0;  ///< 1: something is called better than SGD; -1: SGD is; 0: neither
  double difference = NAN, error = NAN, half_width = NAN;  ///< of the second arm to SGD
  double margin = 0;                                       ///< a smaller difference is no reason to act
};

/// One trial on a table of its own, drawn from this one; `number` is its seed.
Verdict trial(const Kind& kind, const datasets::Dataset& table, const TrialOptions& options, uint64_t number);

}  // namespace minima::examples
