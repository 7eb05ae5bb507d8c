// The difference between two settings, with all of its uncertainty. A replicate is what is done again to see how far
// luck goes: a seed, a split of the data with a seed, or a whole study that tunes on a split of its own.
// - All replicates have the same test rows (a published split): the interval holds the replicates' spread and that of
//   the test rows, for other rows of the same kind would give another difference.
// - Each replicate has a split of its own: the replicates' spread holds the rows already, but training parts overlap,
//   so that replicates resemble each other. Their variance counts (1/n + test/train) times instead of 1/n times: the
//   corrected resampled t-test (Nadeau and Bengio, Machine Learning 52, 2003).
#pragma once

#include "examples/kit/runs.h"

namespace minima::examples {

/// A p-value below this is a difference; so an interval of 95% leaves out 0.
inline constexpr double significant = 0.05;

struct Replicates {
  std::vector<double> differences{};          ///< one of each replicate
  double test_per_train = 0;                  ///< splits of their own: test rows over training rows; else 0
  std::vector<std::vector<double>> by_row{};  ///< test rows in common: [replicate][row]; their means are `differences`.
                                              ///< Of grouped rows: [replicate][group]
};

struct Difference {
  Interval interval;      ///< of the mean over replicates; all of the uncertainty is in its half width
  double median = NAN;    ///< over replicates
  double improved = NAN;  ///< share of the replicates in which the first is better, equal ones counted half
  double p = NAN;         ///< two-sided, of no difference; NaN where replicates are all equal or fewer than two
  double error = NAN, degrees = NAN;  ///< the standard error of the mean, and its degrees of freedom
  double replicates = NAN;            ///< the part of the half width that is the replicates' own
  double rows = 0;  ///< half a 95% interval over test rows that replicates share, of what lasts from replicate
                    ///< to replicate: more replicates do not shrink this part
  bool no_spread() const { return interval.count > 1 && std::isnan(p) && interval.mean != 0; }
  bool separated() const { return p < significant; }
};

Difference difference_of(const Replicates& replicates);

/// The probability that a verdict is reached: that a mean, normal around `mean` with the standard deviation `error`,
/// and its interval of this half width, lie on one side of 0 with the mean `margin` or more away from it, or that the
/// interval lies within `margin` of 0. With no margin: that the interval leaves out 0. Among several comparisons a
/// difference must leave 0 out by more than a half width, `of_several`.
double verdict_probability(double mean, double error, double half_width, double margin, double of_several = 0);

/// The true difference that replicates of this spread separate from 0 in four cases of five, in about.
double detectable(const Difference& spread);

/// What two settings are compared by: the end of training, on the test part.
enum class Judged { accuracy, loss };

/// What Measurement::test_accuracy is called: "accuracy"; of quantities "R2", which counts in percent of the variance.
inline std::string judged_name(bool quantities) { return quantities ? "R2" : "accuracy"; }

/// Names under which `note_rows` notes.
inline constexpr const char *row_correct = "row_correct", *row_loss = "row_loss";
/// Notes for each test row whether it is right (1 or 0) and its cross entropy, in eval mode at the present weights. Of
/// quantities: what it adds to R2, 1 - squared error / variance, and its squared error. Where the test rows are
/// grouped, notes for each group instead, by `by_group`.
void note_rows(Run& run);

/// A number for each group, in place of one for each row: their mean is that of the rows, and where groups are equally
/// large they are the groups' means. It is assumed that groups are independent of each other, and that other ones of
/// the same kind would have such sizes: the mean over rows is then a ratio of two sums over groups, and these numbers
/// have its variance, to first order (Cochran, Sampling Techniques, 1977, chapter 6).
std::vector<double> by_group(const std::vector<double>& rows, const std::vector<int64_t>& groups);

/// The replicate that a run's seed belongs to; the seed itself is the usual case.
using ReplicateOf = std::function<uint64_t(uint64_t seed)>;
inline uint64_t each_seed(uint64_t seed) { return seed; }

/// `runs` minus `reference`, paired by seed where both finished. Rows count where test_per_train is 0 and they were
/// noted.
Replicates replicates_of(const Runs& runs, const Runs& reference, Judged judged, double test_per_train,
                         const ReplicateOf& replicate_of = each_seed);

/// Runs that finished, but far below the others: their test accuracy is farther below the median over `all` settings'
/// runs than three quarters of the way to guessing, that is, always answering the most frequent class. Such a run
/// counts in every mean; it is named as one that diverged is.
int64_t collapsed(const Runs& runs, const std::vector<Runs>& all, double guessing);

/// The share of the most frequent class; 0 of quantities.
double largest_share(const datasets::Dataset& data);

}  // namespace minima::examples
