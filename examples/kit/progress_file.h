// How far a comparison got, kept beside its metrics: what --resume needs to go on as if nothing had happened. The
// interrupted run's weights lie next to it in a checkpoint. Not here: the numbers for readers (metrics.h, summary.h).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "examples/kit/experiment.h"

namespace minima::examples {

struct ProgressFile {
  std::map<std::string, std::string> configuration;  ///< the options that change results, by name
  std::vector<RunResult> finished;                   ///< in the order in which they ran, tuning first
  std::optional<RunResult> interrupted;              ///< with the curve until then; its checkpoint exists
};

/// A result as text that reads back as the same result.
std::string run_text(const RunResult& run);
RunResult run_from_text(const std::string& text);

/// Written beside and renamed.
void save_progress(const ProgressFile& progress, const std::string& path);
/// A file that is missing, damaged or of another schema is an error.
ProgressFile load_progress(const std::string& path);

/// An error that names the first option in which the two differ.
void check_same_configuration(const ProgressFile& saved, const std::map<std::string, std::string>& configuration,
                              const std::string& path);

}  // namespace minima::examples
