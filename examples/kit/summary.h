// summary.json: the final numbers of every run of a comparison, for other programs to read.
#pragma once

#include <string>

#include "examples/kit/comparison.h"

namespace minima::examples {

/// {"schema": 2, "data", "model", "parameters", "batch", "threads", "machine", "runs": [{"optimizer", "base", "seed",
/// "lr", "momentum", "rho", "weight_decay", "epochs", "steps", "gradient_evaluations", "seconds", "peak_memory_bytes",
/// "train_loss", "train_accuracy", "test_loss", "test_accuracy", "lambda_max", "lambda_residual"}]}
/// Accuracies are in [0, 1]; what a diverged run never reached is null.
std::string summary_json(const Comparison& comparison);

}  // namespace minima::examples
