// Two warnings to anyone who would adopt MSAM because it won a comparison, each measured on synthetic data where MSAM
// has an advantage at first: distribution shift, and high batch variance. The settings were looked for: they show that
// an advantage can go away, not that it must, and one in which it stays is among them. Clusters are drawn from the same
// random numbers as the initial weights of the run with that seed; with others, the first warning turns out otherwise
// (lab 11). Not here: the user's own data (runs.h).
#pragma once

#include <string>
#include <vector>

#include "examples/kit/session.h"
#include "examples/kit/table.h"

namespace minima::examples {

/// Clusters of points, several to a class, in 40 dimensions. A share of the points of each cluster belongs to a rare
/// group: a little apart from the others, and of another class.
struct ClusterOptions {
  int64_t samples = 600;
  double scatter = 0.8;    ///< standard deviation of a cluster; centres are a standard normal draw
  double rare = 0;         ///< share of the rare group
  double label_noise = 0;  ///< share of wrong labels
  uint64_t seed = 1;       ///< of the centres
  uint64_t draw = 0;       ///< which independent draw from these clusters
};
datasets::Dataset clusters(const ClusterOptions& options);

/// SGD against MSAM in one setting, both tuned there with equally many trials, over seeds each with data of its own.
struct WarningCase {
  std::string setting, short_name;  ///< for text and tables; for below an axis
  Setting sgd, msam;                ///< as tuned
  Interval sgd_accuracy, msam_accuracy;
  std::vector<double> differences;  ///< MSAM minus SGD, one a seed
  Interval difference;              ///< of these
  Interval cosine;                  ///< cos(v, g) under SGD after the first epoch
};

struct Warning {
  std::string heading, setup;
  std::vector<WarningCase> cases;
  std::string reading;  ///< what the intervals say
};

/// How much of it; the default takes about half a minute on one core.
struct WarningOptions {
  int64_t seeds = 8, tuning_seeds = 2, epochs = 20;
};

/// Trains on clusters with a rare group of a tenth, and tests where it is as rare, and where it is common.
Warning shift_warning(const WarningOptions& options, Session& session);
/// Trains on clusters in batches of 50 and of few samples; and once more with wrong labels.
Warning variance_warning(const WarningOptions& options, Session& session);

/// What became of an advantage of MSAM in another setting: whether the differences, seed by seed, are lower there or
/// higher by a change that is separated from 0, and then where they lie.
std::string fate_of_advantage(const std::vector<double>& differences, const std::vector<double>& elsewhere);

Table warning_table(const Warning& warning);

}  // namespace minima::examples
