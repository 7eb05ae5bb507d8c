#include "examples/common/pilot_verdict.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "examples/common/metrics.h"
#include "examples/common/table.h"

namespace minima::examples {

namespace {

constexpr int most_seeds = 1000;
constexpr double power_quantile = 0.8416;  // a standard normal variable lies below it with probability 80%

double deviation(const Interval& i) {
  return i.half_width / student_t_975(i.count - 1) * std::sqrt(static_cast<double>(i.count));
}

/// The seeds in all that would decide with a probability of 80%; 0 if no number up to most_seeds would.
int seeds_in_all(const Interval& seeds, double rows, double wanted_half_width) {
  const double left = std::sqrt(std::max(0.0, wanted_half_width * wanted_half_width - rows * rows));
  for (int n = seeds.count + 1; n <= most_seeds; ++n)
    if ((student_t_975(n - 1) + power_quantile) * deviation(seeds) / std::sqrt(static_cast<double>(n)) <= left)
      return n;
  return 0;
}

/// "0.5 points of accuracy", "5% of SGD's test loss"
std::string margin_text(const PilotRule& rule) {
  return number_text(rule.margin) + (rule.by_loss ? "% of SGD's test loss" : " points of accuracy");
}

std::string measured(const PilotVerdict& v, const PilotRule& rule) {
  const Interval both{v.seeds.mean, v.half_width, v.seeds.count};
  return text("Over ", v.seeds.count, " seeds MSAM's advantage over SGD in test ", rule.by_loss ? "loss" : "accuracy",
              " is ", difference_text(both), rule.by_loss ? " percent" : " points");
}

void ask_for_more(PilotVerdict& v, const PilotRule& rule, size_t row_count) {
  const double size = std::abs(v.seeds.mean), wanted = std::max(size, rule.margin - size);
  const int in_all = seeds_in_all(v.seeds, v.rows, wanted);
  if (in_all > 0) {
    v.more_seeds = in_all - v.seeds.count;
    v.reason += text(": neither a difference nor its absence is established. About ", v.more_seeds,
                     " more seeds would decide with a probability of 80%, if this difference is the true one.");
    return;
  }
  v.more_seeds = -1;
  const double z = student_t_975(1000), ratio = (z + power_quantile) / z * v.rows / wanted;
  v.rows_needed = static_cast<int>(std::ceil(ratio * ratio * static_cast<double>(row_count)));
  v.reason += text(": neither a difference nor its absence is established, and up to ", most_seeds,
                   " seeds would not decide it. The ", row_count,
                   " test rows are too few for a difference of this "
                   "size: about ",
                   v.rows_needed, " would be needed.");
}

}  // namespace

std::string advice_text(Advice advice) {
  return advice == Advice::adopt ? "adopt MSAM" : advice == Advice::undecided ? "undecided" : "do not adopt MSAM";
}

PilotVerdict judge(const PilotEvidence& evidence, const PilotRule& rule) {
  PilotVerdict v;
  v.seeds = interval_95(evidence.by_seed);
  const Interval rows = interval_95(evidence.by_row);
  v.rows = std::isfinite(rows.half_width) ? rows.half_width : 0;
  v.half_width = std::hypot(v.seeds.half_width, v.rows);
  if ((evidence.sgd_diverged > 0) != (evidence.msam_diverged > 0)) {
    const bool msam_failed = evidence.msam_diverged > 0;
    v.advice = msam_failed ? Advice::do_not_adopt : Advice::adopt;
    v.reason = text(msam_failed ? evidence.msam_diverged : evidence.sgd_diverged, " of the final runs of ",
                    msam_failed ? "MSAM" : "SGD", " diverged, and none of ", msam_failed ? "SGD's." : "MSAM's.");
    return v;
  }
  if (v.seeds.count < fewest_seeds) {
    v.more_seeds = fewest_seeds - v.seeds.count;
    v.reason = text(v.seeds.count, v.seeds.count == 1 ? " seed" : " seeds", " in which both finished: at least ",
                    fewest_seeds, " are needed to tell a difference from luck. Give it more minutes.");
    return v;
  }
  v.reason = measured(v, rule);
  if (v.low() > -rule.margin && v.high() < rule.margin) {
    v.advice = Advice::do_not_adopt;
    v.reason += text(": no difference that matters (", margin_text(rule), "), either way.");
  } else if (v.low() > 0) {
    v.advice = Advice::adopt;
    v.reason += ": MSAM is better.";
  } else if (v.high() < 0) {
    v.advice = Advice::do_not_adopt;
    v.reason += ": SGD is better.";
  } else {
    ask_for_more(v, rule, evidence.by_row.size());
  }
  return v;
}

std::string rule_text(const PilotRule& rule) {
  return text(
      "The rule, fixed before any result is seen: the difference in test ", rule.by_loss ? "loss" : "accuracy",
      " at the end of training, MSAM against SGD, both tuned with equally many trials, same initial weights and batch "
      "order for each seed, has a 95% interval over seeds and test rows together. If it lies within ",
      margin_text(rule),
      " on both sides of 0, there is no difference that matters: do not adopt. Else, if it lies above 0, adopt; if "
      "below, do not. Else undecided. If runs of only one of the two diverge, the other is better. "
      "Time and memory are reported and take no part.");
}

}  // namespace minima::examples
