// What a step of each optimizer costs: gradients, which are counted, and seconds and memory, which are measured by
// short runs in turn, so that whatever else the machine does meets all optimizers alike.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "examples/labs/lab.h"

namespace minima::examples {

struct StepCost {
  double seconds = NAN, median_seconds = NAN;  ///< of the fastest repeat, and of the middle one
  double gradients = NAN, mebibytes = NAN;
};

/// Runs of so many steps in one thread, `repeats` times each, nothing beside them. Shows the table, with costs relative
/// to sgd, which must be among the settings, and writes costs.csv.
std::map<std::string, StepCost> show_step_costs(Lab& lab, const Problem& problem, const std::vector<Setting>& settings,
                                                int64_t repeats);

}  // namespace minima::examples
