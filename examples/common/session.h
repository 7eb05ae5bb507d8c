// A list of runs, done one after another: progress on the screen, metrics on disk after every epoch, and Ctrl-C at any
// time, after which the same list, resumed, ends with the same numbers as if it had never stopped.
// Not here: a single run (experiment.h), what the results mean (comparison.h).
#pragma once

#include <map>
#include <string>

#include "examples/common/experiment.h"
#include "examples/common/metrics.h"
#include "examples/common/progress.h"
#include "examples/common/progress_file.h"

namespace minima::examples {

/// Thrown by Session::run after an interrupt, when everything has been saved.
struct Interrupted {};

class Session {
 public:
  struct Options {
    std::string directory;                             ///< for metrics.csv, metrics.jsonl, and what resuming needs
    std::map<std::string, std::string> configuration;  ///< what must be the same when resumed
    bool resume = false;
    int64_t gradient_evaluations = 0;  ///< of all runs together, for the time left
  };
  explicit Session(const Options& options);

  struct Measure {
    bool every_epoch = true;  ///< false for tuning: only at the end, on a validation set, not in the metrics files
    int64_t curvature_samples = 0;  ///< 0: no curvature
  };
  /// Does a run, or takes its result from the session that is resumed. A diverged run is a result, not an error.
  RunResult run(const Problem& problem, const RunSettings& settings, const Measure& measure);

  /// Forgets what resuming would need: all is done.
  void complete();

 private:
  std::string state_path() const { return directory_ + "/state.json"; }
  std::string checkpoint_path() const { return directory_ + "/checkpoint.safetensors"; }
  void train(const Problem& problem, Run& run, const Measure& measure);
  void write_rows(const Problem& problem, const RunResult& result, const Measure& measure);
  RunResult finish(RunResult result);

  std::string directory_;
  ProgressFile state_;    ///< what has been finished by this session, and by the resumed one until its turn comes
  ProgressFile earlier_;  ///< the resumed session
  MetricsWriter metrics_;
  Progress progress_;
  int64_t gradients_done_ = 0;
};

}  // namespace minima::examples
