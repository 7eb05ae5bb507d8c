// What a run costs: seconds and memory of its steps, measured in a part of its own, in which this program does nothing
// else. Where runs are done side by side (session.h), each meets the others in caches and memory, and its own seconds
// would say how busy the machine was.
// Not here: gradients, which are counted (run.h); labs that time steps on purpose (labs/step_costs.h).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "examples/kit/runs.h"

namespace minima::examples {

struct Cost {
  double gradient_seconds = 0;  ///< of a step, for each of its gradients: some optimizers take a second one at times
  int64_t peak_memory_bytes = 0;
};

/// Does the first steps of this run with all threads: two that are not timed, as memory is fetched in them, and then a
/// twentieth of its steps, from 5 to 200. A run that diverges there is measured until then. `before_step` may throw.
Cost cost_of(const Problem& problem, const Setting& setting, uint64_t seed,
             const std::function<void()>& before_step = {});
/// The memory of the two steps that are not timed.
int64_t memory_of_steps(const Problem& problem, const Setting& setting, uint64_t seed);

/// The measurement with the seconds that its gradients take by themselves, and the memory of either, the larger one:
/// that of the first steps has the scratch memory of all threads, and a run's own what begins later.
Measurement with_cost(Measurement measurement, const Cost& cost);

/// Where seconds and memory of these runs come from, a sentence.
std::string costs_text(const std::vector<Runs>& all);

}  // namespace minima::examples
