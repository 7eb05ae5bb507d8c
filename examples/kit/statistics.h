// The statistics of a comparison: means over seeds, 95% intervals, differences paired by seed, and Holm's correction
// for several comparisons. Not here: the uncertainty of test rows and splits (difference.h).
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace minima::examples {

/// The probability that a Student t variable with this many degrees of freedom lies farther from 0 than t.
double student_t_p(double t, double degrees);
/// The point beyond which such a variable, with at least one degree of freedom, lies with probability 2.5%; of several
/// comparisons, with that share of it (Bonferroni).
double student_t_975(double degrees, int comparisons = 1);

/// The middle of the values; NaN of none.
double median(std::vector<double> values);

/// Whether ratios of times, in rising order, are so far apart that the machine did other work as well.
inline bool too_far_apart(const std::vector<double>& ratios) {
  constexpr double widest = 2;  // the highest to the lowest
  return !ratios.empty() && ratios.back() > widest * ratios.front();
}

/// Holm's adjustment (1979) of the p-values of several comparisons: to call those below 5% separated is wrong about any
/// of them in 5% of all cases at most. NaN, where nothing was compared, stays NaN.
std::vector<double> holm(const std::vector<double>& p);

/// The 95% interval of a probability of which `count` of `trials` cases are a sample (Clopper and Pearson, 1934).
struct Bounds {
  double low, high;
};
Bounds binomial_95(int64_t count, int64_t trials);

/// A mean over seeds with its 95% Student t interval, mean +- half_width.
struct Interval {
  double mean = NAN;
  double half_width = NAN;  ///< NaN with fewer than two samples: one seed says nothing about spread
  int count = 0;

  double low() const { return mean - half_width; }
  double high() const { return mean + half_width; }
  /// Whether the interval leaves out 0. Samples that are all equal (accuracies are multiples of 1/n) give no estimate
  /// of the spread and separate nothing.
  bool separated() const { return half_width > 0 && (low() > 0 || high() < 0); }
};

Interval interval_95(const std::vector<double>& samples);

/// The interval of a[i] - b[i]. Pairing by seed removes what both runs share: initial weights and batch order.
Interval paired_difference(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace minima::examples
