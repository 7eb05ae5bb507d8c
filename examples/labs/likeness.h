// How much MSAM's gradient is like SAM's: both are taken on one batch from the same weights, and what the plain
// gradient already says is removed from both. Not here: the training (probed_runs.h).
#pragma once

#include <vector>

#include "examples/kit/probed_runs.h"

namespace minima::examples {

/// For each radius of MSAM, over `looks` evenly spaced steps of SGD's training. Let P x be the part of x perpendicular
/// to the plain gradient g(w).
struct Likeness {
  std::vector<double> distance;  ///< mean of |P g_msam - P g_sam| / |P g_sam|: 0 if equal, 1 for plain SGD
  std::vector<double> cosine;    ///< mean of the cosine between P g_msam and P g_sam
};

/// One for each of the settings (SGD with momentum, all of the same number of steps), done at once, one a processor.
/// `sam_rho` is SAM's radius. The batches that are looked at come from the training data in an order of their own.
std::vector<Likeness> likeness(Lab& lab, const Problem& problem, const std::vector<RunSettings>& settings,
                               double sam_rho, const std::vector<double>& msam_rhos, int64_t looks);

}  // namespace minima::examples
