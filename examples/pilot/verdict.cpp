#include "examples/pilot/verdict.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "examples/kit/metrics.h"
#include "examples/kit/table.h"

namespace minima::examples {

namespace {

constexpr int most_seeds = 1000;
constexpr double wanted_probability = 0.8;

double deviation(const Interval& i) {
  return i.half_width / student_t_975(i.count - 1) * std::sqrt(static_cast<double>(i.count));
}

/// Half of a 95% interval over test rows, of what a row does whatever the seed. A row's mean over n seeds holds 1 / n
/// of the variance of what it does in one seed alone, too, which is in the interval over seeds already: it is taken
/// out.
double rows_half_width(const std::vector<std::vector<double>>& by_row) {
  const size_t seeds = by_row.size(), rows = seeds == 0 ? 0 : by_row[0].size();
  if (rows < 2) return 0;
  std::vector<double> row_means(rows), seed_means(seeds);
  for (size_t s = 0; s < seeds; ++s)
    for (size_t i = 0; i < rows; ++i) {
      row_means[i] += by_row[s][i] / static_cast<double>(seeds);
      seed_means[s] += by_row[s][i] / static_cast<double>(rows);
    }
  const Interval all = interval_95(row_means);
  double squares = 0;
  for (size_t s = 0; s < seeds; ++s)
    for (size_t i = 0; i < rows; ++i) squares += std::pow(by_row[s][i] - row_means[i] - seed_means[s] + all.mean, 2);
  const double one_seed = squares / static_cast<double>(std::max<size_t>(1, seeds - 1) * (rows - 1));
  const double lasting = std::pow(deviation(all), 2) - one_seed / static_cast<double>(seeds);
  return student_t_975(all.count - 1) * std::sqrt(std::max(0.0, lasting) / static_cast<double>(rows));
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

double normal_below(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

/// The probability that the rule decides, where the mean that will be found is normal around `mean`.
double decision_probability(double mean, double deviation_of_mean, double half_width, double margin) {
  const auto between = [&](double low, double high) {
    if (low >= high) return 0.0;
    return normal_below((high - mean) / deviation_of_mean) - normal_below((low - mean) / deviation_of_mean);
  };
  const double enough = std::max(margin, half_width), little = margin - half_width;
  return between(-INFINITY, -enough) + between(-little, little) + between(enough, INFINITY);
}

/// The fewest seeds in all that decide with the wanted probability, from 100 on to 2%; 0 if no number up to most_seeds
/// does.
int seeds_in_all(const Interval& seeds, double rows, double margin) {
  for (int n = seeds.count + 1; n <= most_seeds; n += std::max(1, n / 50)) {
    const double of_mean = deviation(seeds) / std::sqrt(static_cast<double>(n));
    const double half_width = std::hypot(student_t_975(n - 1) * of_mean, rows);
    if (decision_probability(seeds.mean, of_mean, half_width, margin) >= wanted_probability) return n;
  }
  return 0;
}

/// Test rows, as a multiple of those there are, with which so many seeds decide that their own spread does not count.
double times_the_rows(double mean, double rows, double margin) {
  double times = 1;
  for (double left = rows; times < 1e6; times *= 1.01, left = rows / std::sqrt(times))
    if (decision_probability(mean, left / student_t_975(1000), left, margin) >= wanted_probability) break;
  return times;
}

void ask_for_more(PilotVerdict& v, const PilotRule& rule, size_t row_count) {
  if (const int in_all = seeds_in_all(v.seeds, v.rows, rule.margin); in_all > 0) {
    v.more_seeds = in_all - v.seeds.count;
    v.reason += text(" About ", v.more_seeds,
                     " more seeds would decide with a probability of 80%, if this difference is the true one.");
    return;
  }
  v.more_seeds = -1;
  v.reason += text(" Up to ", most_seeds, " seeds would not decide it");
  if (seeds_in_all(v.seeds, 0, rule.margin) == 0) {
    v.reason += ": it is too close to the smallest gain that matters, or too small beside its spread.";
    return;
  }
  const double needed = times_the_rows(v.seeds.mean, v.rows, rule.margin) * static_cast<double>(row_count);
  v.rows_needed = static_cast<int>(std::min(1e9, std::ceil(needed)));
  v.reason += text(". The ", row_count, " test rows are too few for a difference of this size: about ", v.rows_needed,
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

/// Where one of the two diverged in more runs: the other is better if that is clear, else nothing is decided.
void judge_divergence(PilotVerdict& v, const PilotEvidence& e, const PilotRule& rule) {
  const auto [fewer, more] = std::minmax(e.sgd_diverged, e.msam_diverged);
  const double p = divergence_p_value(e.runs, fewer, more);
  v.reason = text("Of ", e.runs, " final runs of each, SGD diverged in ", e.sgd_diverged, " and MSAM in ",
                  e.msam_diverged, ": ");
  if (p < 0.05) {
    v.advice = e.sgd_diverged > e.msam_diverged ? Advice::adopt : Advice::do_not_adopt;
    v.reason += text("more than luck (Fisher's exact test: p = ", fixed(p, 3), ").");
    return;
  }
  v.reason += text("too few to call one of them safer (Fisher's exact test: p = ", fixed(p, 2),
                   "), and the runs that finished are not a fair sample.");
  if (v.seeds.count >= fewest_seeds) v.reason += " " + measured(v, rule) + ".";
}

}  // namespace

std::string advice_text(Advice advice) {
  return advice == Advice::adopt ? "adopt MSAM" : advice == Advice::undecided ? "undecided" : "do not adopt MSAM";
}

PilotVerdict judge(const PilotEvidence& evidence, const PilotRule& rule) {
  PilotVerdict v;
  v.seeds = interval_95(evidence.by_seed);
  v.rows = rows_half_width(evidence.by_row);
  v.half_width = std::hypot(v.seeds.half_width, v.rows);
  if (evidence.sgd_diverged != evidence.msam_diverged) {
    judge_divergence(v, evidence, rule);
    return v;
  }
  if (v.seeds.count < fewest_seeds) {
    v.more_seeds = fewest_seeds - v.seeds.count;
    v.reason = text(v.seeds.count, v.seeds.count == 1 ? " seed" : " seeds", " in which both finished: at least ",
                    fewest_seeds, " are needed to tell a difference from luck. Give it more minutes.");
    return v;
  }
  v.reason = measured(v, rule);
  const bool msam_better = v.low() > 0, sgd_better = v.high() < 0;
  if (v.low() > -rule.margin && v.high() < rule.margin) {
    v.advice = Advice::do_not_adopt;
    v.reason += text(": no difference that matters (", margin_text(rule), "), either way.");
  } else if ((msam_better || sgd_better) && std::abs(v.seeds.mean) >= rule.margin) {
    v.advice = msam_better ? Advice::adopt : Advice::do_not_adopt;
    v.reason += msam_better ? ": MSAM is better." : ": SGD is better.";
  } else {
    if (msam_better || sgd_better)
      v.reason += text(": ", msam_better ? "MSAM" : "SGD", " is better, but not shown to be so by as much as matters (",
                       margin_text(rule), ").");
    else
      v.reason += ": neither a difference nor its absence is established.";
    ask_for_more(v, rule, evidence.by_row.empty() ? 0 : evidence.by_row[0].size());
  }
  return v;
}

std::string rule_text(const PilotRule& rule) {
  return text(
      "The rule, fixed before any result is seen: the difference in test ", rule.by_loss ? "loss" : "accuracy",
      " at the end of training, MSAM against SGD, both tuned with equally many trials, same initial weights and batch "
      "order for each seed, has a 95% interval over seeds and test rows together. If it lies within ",
      margin_text(rule),
      " on both sides of 0, there is no difference that matters: do not adopt. Else, if it lies above 0 and the "
      "difference is at least as large as that, adopt; if it lies below 0 and is as large, do not. Else undecided. If "
      "more runs of one of the two diverge, the other is better where that is more than luck (5%, Fisher's exact "
      "test); else undecided. "
      "Time and memory are reported and take no part.");
}

}  // namespace minima::examples
