// Tables that are drawn anew for each seed, for labs that ask whether something holds beyond images: the same kind of
// data, other rows. Not here: the clusters with a rare group, which the pilot's warnings use (pilot/warnings.h).
#pragma once

#include <cstdint>

#include "datasets/sources.h"

namespace minima::examples {

/// The seed of the data that a run with this seed is given. The number itself would draw the rows from the same random
/// numbers as the initial weights.
inline uint64_t seed_of_data(uint64_t seed) { return seed + (uint64_t{1} << 32); }

/// 10 columns, evenly distributed in [0, 1], of which 5 count (Friedman, 1991): the label says whether
///   10 sin(pi x0 x1) + 20 (x2 - 0.5)^2 + 10 x3 + 5 x4 + noise
/// is above 14.4, which about half of the rows are. The noise is normal with deviation 1. Columns are standardised.
datasets::Split friedman(int64_t train, int64_t test, uint64_t seed);

}  // namespace minima::examples
