// A run of a comparison, read from its summary.json, so that it can be done again and its model kept.
#pragma once

#include <string>

#include "examples/kit/run.h"

namespace minima::examples {

struct SummaryRun {
  Problem problem;  ///< with its data
  Setting setting;
  uint64_t seed = 1;
  double test_accuracy = NAN;  ///< as the summary has it
};

/// The run of this optimizer and seed in a summary.json, or in that of a folder of results. A file that is no summary,
/// or has no such run, is an error that says what there is. In a build without nlohmann-json reading is an error
/// (from_summary_off.cpp).
SummaryRun read_summary(const std::string& path, const std::string& optimizer, uint64_t seed);

}  // namespace minima::examples
