#include "examples/pilot/verdict.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "examples/kit/metrics.h"
#include "examples/kit/table.h"

namespace minima::examples {

namespace {

constexpr int most_studies = 1000;
constexpr double wanted_probability = 0.8;

/// "0.5 points of accuracy", "5% of SGD's test loss"
std::string margin_text(const PilotRule& rule) {
  return number_text(rule.margin) + (rule.by_loss ? "% of SGD's test loss" : " " + rule.unit());
}

/// The difference, as test rows too, and what its interval holds.
std::string measured(const PilotVerdict& v, const PilotEvidence& e, const PilotRule& rule) {
  const double rows = std::abs(v.difference.interval.mean) / 100 * static_cast<double>(e.test_rows);
  return text("Over ", v.difference.interval.count, " studies ", e.name, "'s advantage over SGD in test ",
              rule.by_loss ? "loss" : judged_name(rule.quantities), " is ", difference_text(v.difference.interval),
              rule.by_loss      ? " percent"
              : rule.quantities ? " points (percent of the variance)"
                                : text(" points (", fixed(rows, 1), " of ", e.test_rows, " test rows)"),
              ", an interval that holds the luck of tuning, seeds and ",
              e.replicates.test_per_train > 0 ? "splits" : "test rows");
}

/// The spread of the evidence: what stays with n studies.
struct Spread {
  double mean, deviation, test_per_train, rows;  ///< rows: a half width
  int comparisons;

  /// The standard deviation of the mean of n studies, and half its 95% interval with the rows that all share.
  double of_mean(double n) const { return deviation * std::sqrt(1 / n + test_per_train); }
  bool decides(int n, double margin) const {
    constexpr double many = 1e6;  // degrees of freedom, of test rows
    const double error = of_mean(n), wider = student_t_975(many, comparisons) / student_t_975(many);
    const double half_width = std::hypot(student_t_975(n - 1) * error, rows);
    const double of_several = std::hypot(student_t_975(n - 1, comparisons) * error, wider * rows);
    return verdict_probability(mean, error, half_width, margin, of_several) >= wanted_probability;
  }
  /// The same data with `times` as many rows.
  Spread with_rows(double times) const {
    Spread more = *this;
    more.rows /= std::sqrt(times);
    if (test_per_train > 0) more.deviation /= std::sqrt(times);
    return more;
  }
};

Spread spread_of(const Replicates& replicates, const Difference& d, int comparisons) {
  const double n = d.interval.count;
  return {d.interval.mean, d.replicates / student_t_975(n - 1) / std::sqrt(1 / n + replicates.test_per_train),
          replicates.test_per_train, d.rows, comparisons};
}

/// The fewest studies in all that decide with the wanted probability, from 100 on to 2%; 0 if no number up to
/// most_studies does.
int studies_in_all(const Spread& spread, int now, double margin) {
  for (int n = now + 1; n <= most_studies; n += std::max(1, n / 50))
    if (spread.decides(n, margin)) return n;
  return 0;
}

void ask_for_more(PilotVerdict& v, const PilotEvidence& e, const PilotRule& rule, int comparisons) {
  if (!std::isfinite(v.difference.replicates)) return;
  const Spread spread = spread_of(e.replicates, v.difference, comparisons);
  if (const int in_all = studies_in_all(spread, v.difference.interval.count, rule.margin); in_all > 0) {
    v.more_studies = in_all - v.difference.interval.count;
    v.reason += text(" About ", v.more_studies, v.more_studies == 1 ? " more study" : " more studies",
                     " would decide with a probability of 80%, if this difference is the true one.");
    return;
  }
  v.more_studies = -1;
  v.reason += text(" Up to ", most_studies, " studies would not decide it");
  if (studies_in_all(spread.with_rows(1e6), v.difference.interval.count, rule.margin) == 0) {
    v.reason += ": it is too close to the smallest gain that matters, or too small beside its spread.";
    return;
  }
  double times = 1;
  while (times < 1e6 && !spread.with_rows(times).decides(most_studies, rule.margin)) times *= 1.01;
  v.rows_needed = static_cast<int64_t>(std::min(1e9, std::ceil(times * static_cast<double>(e.test_rows))));
  v.reason += text(". The ", e.test_rows, " test rows are too few for a difference of this size: about ", v.rows_needed,
                   " would be needed.");
}

/// Fisher's exact test, two-sided: the probability that as many diverged runs are divided between two optimizers of
/// `runs` runs each at least this unequally, if both are equally safe.
double divergence_p_value(int runs, int fewer, int more) {
  const auto log_choose = [](int n, int k) { return std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1); };
  const int failed = fewer + more;
  double tail = 0;
  for (int k = more; k <= std::min(runs, failed); ++k)
    tail += std::exp(log_choose(runs, k) + log_choose(runs, failed - k) - log_choose(2 * runs, failed));
  return std::min(1.0, 2 * tail);
}

/// The p-value of what decides: of who diverged where that differs, else of the difference.
double p_value(const PilotEvidence& e) {
  const auto [fewer, more] = std::minmax(e.sgd_diverged, e.msam_diverged);
  return fewer < more ? divergence_p_value(e.studies, fewer, more) : difference_of(e.replicates).p;
}

/// Where one of the two diverged in more studies: the other is better if that is clear, else nothing is decided.
void judge_divergence(PilotVerdict& v, const PilotEvidence& e, const PilotRule& rule, double p, int comparisons) {
  const std::string test = text("Fisher's exact test", comparisons > 1 ? ", Holm" : "", ": p = ");
  v.reason = text("Of ", e.studies, " studies, SGD diverged in ", e.sgd_diverged, " and ", e.name, " in ",
                  e.msam_diverged, ": ");
  if (p < 0.05) {
    v.better = e.sgd_diverged > e.msam_diverged ? 1 : -1;
    v.advice = v.better > 0 ? Advice::adopt : Advice::do_not_adopt;
    v.reason += text("more than luck (", test, fixed(p, 3), ").");
    return;
  }
  v.reason += text("too few to call one of them safer (", test, fixed(p, 2),
                   "), and the runs that finished are not a fair sample.");
  if (v.difference.interval.count >= fewest_replicates) v.reason += " " + measured(v, e, rule) + ".";
}

/// "In 3 of 12 studies a run of SGD, and in 1 a run of MSAM, ended far below the others (collapsed)."
std::string collapse_text(const PilotEvidence& e) {
  if (e.sgd_collapsed + e.msam_collapsed == 0) return "";
  return text(" Runs that ended far below the others (collapsed): SGD in ", e.sgd_collapsed, " and ", e.name, " in ",
              e.msam_collapsed, " of ", e.studies, " studies; they count in the means.");
}

}  // namespace

std::string PilotRule::unit() const {
  return by_loss ? "percent of SGD's test loss" : "points of " + judged_name(quantities);
}

std::string advice_text(Advice advice, const std::string& name) {
  return advice == Advice::undecided ? "undecided" : (advice == Advice::adopt ? "adopt " : "do not adopt ") + name;
}

namespace {

/// `p` is the p-value, adjusted for so many comparisons.
PilotVerdict judge_one(const PilotEvidence& evidence, const PilotRule& rule, double p, int comparisons) {
  PilotVerdict v;
  v.difference = difference_of(evidence.replicates);
  v.p = p;
  if (evidence.sgd_diverged != evidence.msam_diverged) {
    judge_divergence(v, evidence, rule, p, comparisons);
    return v;
  }
  v.difference.p = p;
  const Interval& d = v.difference.interval;
  if (d.count < fewest_replicates) {
    v.more_studies = fewest_replicates - d.count;
    v.reason = text(d.count, d.count == 1 ? " study" : " studies", " in which both finished: at least ",
                    fewest_replicates, " are needed to tell a difference from luck. Give it more minutes.");
    return v;
  }
  v.reason = measured(v, evidence, rule);
  const bool msam_better = v.difference.separated() && d.mean > 0, sgd_better = v.difference.separated() && d.mean < 0;
  if (d.half_width == 0) {
    v.reason += text(": the same in all studies, so nothing tells how far it would vary on other rows.");
  } else if (d.low() > -rule.margin && d.high() < rule.margin) {
    v.advice = Advice::do_not_adopt;
    v.reason += text(": no difference that matters (", margin_text(rule), "), either way.");
  } else if ((msam_better || sgd_better) && std::abs(d.mean) >= rule.margin) {
    v.better = msam_better ? 1 : -1;
    v.advice = msam_better ? Advice::adopt : Advice::do_not_adopt;
    v.reason += ": " + (msam_better ? evidence.name : "SGD") + " is better.";
  } else {
    if (msam_better || sgd_better)
      v.reason += text(": ", msam_better ? evidence.name : "SGD",
                       " is better, but not shown to be so by as much as matters (", margin_text(rule), ").");
    else if (d.separated() && comparisons > 1)
      v.reason += text(": alone it would be a difference, but not as one of ", comparisons,
                       " comparisons (Holm: p = ", fixed(p, 3), ").");
    else
      v.reason += ": neither a difference nor its absence is established.";
    ask_for_more(v, evidence, rule, comparisons);
  }
  v.reason += collapse_text(evidence);
  return v;
}

}  // namespace

std::vector<PilotVerdict> judge_each(const std::vector<PilotEvidence>& evidence, const PilotRule& rule) {
  std::vector<double> p;
  for (const PilotEvidence& one : evidence) p.push_back(p_value(one));
  p = holm(p);
  std::vector<PilotVerdict> verdicts;
  for (size_t i = 0; i < p.size(); ++i)
    verdicts.push_back(judge_one(evidence[i], rule, p[i], static_cast<int>(std::ssize(evidence))));
  return verdicts;
}

PilotVerdict judge(const PilotEvidence& evidence, const PilotRule& rule) { return judge_each({evidence}, rule)[0]; }

std::string rule_text(const PilotRule& rule, const std::vector<std::string>& further) {
  const std::string several =
      further.empty() ? ""
                      : text(" ", joined(further, " and "), further.size() == 1 ? " is" : " are",
                             " judged as MSAM is. As there are ", further.size() + 1,
                             " comparisons, to call a method or SGD better takes a p-value below 5%, too, adjusted for "
                             "all of them (Holm).");
  return text(
      "The rule, fixed before any result is seen: a study tunes SGD and MSAM alike, on validation splits of its "
      "training "
      "part, and tests what was chosen with new seeds, the same initial weights and batch order for both. Studies are "
      "repeated; data without a test part of their own are split anew in each. The difference in test ",
      rule.by_loss ? "loss" : judged_name(rule.quantities),
      " at the end of training, MSAM against SGD, has a 95% interval that holds the luck of tuning, seeds, splits and "
      "test rows. If it lies within ",
      margin_text(rule),
      " on both sides of 0, there is no difference that matters: do not adopt. Else, if it lies above 0 and the "
      "difference is at least as large as that, adopt; if it lies below 0 and is as large, do not. Else undecided. If "
      "runs of one of the two diverge in more studies, the other is better where that is more than luck (5%, Fisher's "
      "exact test); else undecided. Time and memory are reported and take no part.",
      several);
}

}  // namespace minima::examples
