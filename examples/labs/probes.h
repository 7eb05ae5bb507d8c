// Trainings looked at from inside, for labs 5 and 8: every so many steps, what the optimizer tells of that step and how
// far the step before it went; at the end, how well the network does on validation data.
// Not here: doing the runs (session.h), what the numbers mean (the labs).
#pragma once

#include <vector>

#include "examples/labs/lab.h"

namespace minima::examples {

/// Looks at steps every, 2 every, 3 every ... (every at least 2; the first step is 1) and notes of each
///   step
///   cosine             cos(v, g), as optim::StepStatistics
///   perturbation_norm  |e|
///   rise               loss(w + e) - loss(w) on the batch
///   rises              whether that is above 0: 1 or 0, NaN where nothing was perturbed
///   against            whether the cosine is below 0: 1 or 0, NaN where there is no cosine
///   steps_ahead        |e| / |w - w of the step before|
/// and at the end validation_loss and validation_accuracy. A look costs a forward and backward pass more where the
/// clean loss is not known otherwise, which is not counted as a gradient evaluation. `validation` is never trained on.
Observe probing(int64_t every, const datasets::Dataset& validation);

double validation_loss_of(const RunResult& run);
double validation_accuracy_of(const RunResult& run);

/// Trains each setting with each seed and probes it. Each run is a row of runs.csv, in which `kind` is the label.
std::vector<Runs> run_probed(Lab& lab, const Problem& problem, const datasets::Dataset& validation,
                             const std::vector<Setting>& settings, const std::vector<uint64_t>& seeds,
                             int64_t every = 10);

}  // namespace minima::examples
