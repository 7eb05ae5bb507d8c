// How much MSAM's gradient is like SAM's: both are taken on one batch from the same weights, and what the plain
// gradient already says is removed from both. Not here: the training (session.h).
#pragma once

#include <vector>

#include "examples/kit/run.h"

namespace minima::examples {

/// Looks at `looks` evenly spaced steps of a training of SGD with momentum, and notes at its end, for each radius of
/// MSAM in turn, two means over the looks. Let P x be the part of x perpendicular to the plain gradient g(w).
///   distance  |P g_msam - P g_sam| / |P g_sam|: 0 if equal, 1 for plain SGD
///   cosine    the cosine between P g_msam and P g_sam
/// `sam_rho` is SAM's radius. The batches that are looked at come from the training data in an order of their own.
Observe likeness(double sam_rho, const std::vector<double>& msam_rhos, int64_t looks);

}  // namespace minima::examples
