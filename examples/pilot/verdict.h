// Whether to adopt MSAM: a rule that is written down before any result is seen, treats SGD and MSAM alike, and says
// what it would take to decide where it does not decide.
// Not here: the runs that it judges (runs.h), how it is shown (report.h).
#pragma once

#include <string>
#include <vector>

#include "examples/kit/difference.h"
#include "examples/kit/tuning.h"

namespace minima::examples {

/// What counts as better, and how much of it matters.
struct PilotRule {
  bool by_loss = false;     ///< judged by test loss instead of test accuracy
  double margin = 0.5;      ///< the smallest gain that matters: points of accuracy, or percent of SGD's test loss
  bool quantities = false;  ///< of a regression: what is called accuracy is R2

  /// What chooses among trials: the same measure, on the validation split. R2 and loss say the same of quantities.
  JudgedBy tuned_by() const { return by_loss || quantities ? JudgedBy::loss : JudgedBy::accuracy; }
  /// "points of accuracy", "points of R2", "percent of SGD's test loss"
  std::string unit() const;
};

/// What the rule is applied to. A difference is MSAM's advantage over SGD: positive means that MSAM is better; in
/// points of accuracy, or percent of SGD's mean test loss. A replicate is a study.
struct PilotEvidence {
  Replicates replicates{};
  int64_t test_rows = 0;
  int studies = 0;                            ///< all of them, those with diverged runs included
  int sgd_diverged = 0, msam_diverged = 0;    ///< studies in which a run did not stay finite
  int sgd_collapsed = 0, msam_collapsed = 0;  ///< studies with a run that ended far below the others (collapsed())
  std::string name = "MSAM";  ///< of what stands in MSAM's place: all that is said of MSAM is meant of it
};

/// Studies without which there is no verdict.
inline constexpr int fewest_replicates = 3;

enum class Advice { adopt, do_not_adopt, undecided };
std::string advice_text(Advice advice, const std::string& name = "MSAM");

struct PilotVerdict {
  Advice advice = Advice::undecided;
  int better = 0;  ///< 1: MSAM is better; -1: SGD is; 0: neither is shown to be by as much as matters
  Difference difference;
  double p = NAN;           ///< of what decides: of who diverged where that differs, else of the difference; adjusted
  int more_studies = 0;     ///< where undecided: studies to add; -1: no number of studies would decide
  int64_t rows_needed = 0;  ///< where no number of studies would, for want of rows: test rows in all
  std::string reason;       ///< a sentence with the numbers
};

/// In this order, with the interval of the difference (difference.h), and margin m:
///   more studies with diverged runs of one of them  the other is better if Fisher's exact test gives p < 5%; else
///                                                   undecided
///   fewer than three studies in which both finished undecided
///   the interval lies within (-m, m)                no difference that matters
///   it lies above 0, and its mean is at least m     MSAM is better; likewise SGD
///   else                                            undecided
/// Adopt if MSAM is better; do not adopt if SGD is, or if there is no difference that matters.
/// The number of studies to add is the smallest with which, if the true difference and spread are those seen, the rule
/// decides with a probability of about 80%.
PilotVerdict judge(const PilotEvidence& evidence, const PilotRule& rule);

/// Several methods, each against SGD. To call a method or SGD better takes a p-value below 5%, too, after Holm's
/// correction for all of them: one that is not better is called so in one of 20 pilots at most, not of 20 verdicts.
/// The p-values of the verdicts are adjusted, the intervals are not.
std::vector<PilotVerdict> judge_each(const std::vector<PilotEvidence>& evidence, const PilotRule& rule);

/// The rule in words, for --help and the report, and how the optimizers are judged that were compared on request.
std::string rule_text(const PilotRule& rule, const std::vector<std::string>& further = {});

}  // namespace minima::examples
