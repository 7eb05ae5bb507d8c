// Whether to adopt MSAM: a rule that is written down before any result is seen, treats SGD and MSAM alike, and says
// what it would take to decide where it does not decide.
// Not here: the runs that it judges (runs.h), how it is shown (report.h).
#pragma once

#include <string>
#include <vector>

#include "examples/kit/statistics.h"
#include "examples/kit/tuning.h"

namespace minima::examples {

/// What counts as better, and how much of it matters.
struct PilotRule {
  bool by_loss = false;  ///< judged by test loss instead of test accuracy
  double margin = 0.5;   ///< the smallest gain that matters: points of accuracy, or percent of SGD's test loss

  /// What chooses among trials: the same measure, on the validation split.
  JudgedBy tuned_by() const { return by_loss ? JudgedBy::loss : JudgedBy::accuracy; }
};

/// What the rule is applied to. A difference is MSAM's advantage over SGD: positive means that MSAM is better.
struct PilotEvidence {
  std::vector<double> by_seed;              ///< in points of accuracy, or percent of SGD's mean test loss; one a seed
  std::vector<std::vector<double>> by_row;  ///< by_row[s][i]: the same for row i of the test part, after seed s
  int runs = 0;                             ///< final runs of each, diverged ones included
  int sgd_diverged = 0, msam_diverged = 0;  ///< of these: runs whose loss did not stay finite
};

/// Seeds without which there is no verdict.
inline constexpr int fewest_seeds = 3;

enum class Advice { adopt, do_not_adopt, undecided };
std::string advice_text(Advice advice);

struct PilotVerdict {
  Advice advice = Advice::undecided;
  Interval seeds;  ///< of the difference, over seeds: initial weights and batch order
  /// Half of a 95% interval over test rows, of what remains with any number of seeds: with other rows of the same kind
  /// the difference would be another.
  double rows = 0;
  double half_width = NAN;  ///< both together: sqrt(seeds.half_width^2 + rows^2)
  int more_seeds = 0;       ///< where undecided: seeds to add; -1: no number of seeds would decide
  int rows_needed = 0;      ///< where no number of seeds would, for want of test rows: rows in all
  std::string reason;       ///< a sentence with the numbers

  double low() const { return seeds.mean - half_width; }
  double high() const { return seeds.mean + half_width; }
};

/// In this order, with the interval of the difference over seeds and test rows together, and margin m:
///   more runs of one of the two diverged           the other is better if Fisher's exact test gives p < 5%; else
///                                                  undecided
///   fewer than three seeds in which both finished  undecided
///   the interval lies within (-m, m)               no difference that matters
///   it lies above 0, and its mean is at least m    MSAM is better; likewise SGD
///   else                                           undecided
/// Adopt if MSAM is better; do not adopt if SGD is, or if there is no difference that matters.
/// The number of seeds to add is the smallest with which, if the true difference and spread are those seen, the rule
/// decides with a probability of about 80%.
PilotVerdict judge(const PilotEvidence& evidence, const PilotRule& rule);

/// The rule in words, for --help and the report.
std::string rule_text(const PilotRule& rule);

}  // namespace minima::examples
