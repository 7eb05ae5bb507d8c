// A list of runs, done one after another or several at once: progress on the screen, metrics on disk after every epoch,
// and Ctrl-C at any time, after which the same list, resumed, ends with the same numbers as if it had never stopped.
// Not here: a single run (experiment.h), what the results mean (comparison.h).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "examples/kit/experiment.h"
#include "examples/kit/metrics.h"
#include "examples/kit/progress.h"
#include "examples/kit/progress_file.h"

namespace minima::examples {

/// Thrown by Session::run after an interrupt, when everything has been saved.
struct Interrupted {};

class Session {
 public:
  struct Options {
    std::string directory;                             ///< for metrics.csv, metrics.jsonl, and what resuming needs
    std::map<std::string, std::string> configuration;  ///< what must be the same when resumed
    bool resume = false;
    bool resumable = true;             ///< false: an interrupt saves nothing beyond the metrics
    int64_t gradient_evaluations = 0;  ///< of all runs together, for the time left
    Row columns{};                     ///< before the others, in each row of the metrics
  };
  explicit Session(const Options& options);

  struct Measure {
    bool every_epoch = true;  ///< false for tuning: only at the end, on a validation set, not in the metrics files
    int64_t curvature_samples = 0;  ///< 0: no curvature
  };
  /// Does a run, or takes its result from the session that is resumed. A diverged run is a result, not an error.
  RunResult run(const Problem& problem, const RunSettings& settings, const Measure& measure);

  struct Task {
    const Problem* problem;
    RunSettings settings;
    Measure measure{};
  };
  /// Does the runs in num_threads() processes of one thread each, which is faster than one after another in as many
  /// threads. Results and metrics are in the order of the tasks and, but for seconds and memory, the same to the bit as
  /// those of run(); seconds are those of a processor that does something else as well. An interrupt keeps the metrics
  /// of finished runs, but nothing to resume. With one thread, or on a GPU, one after another.
  std::vector<RunResult> run_all(const std::vector<Task>& tasks);

  /// Forgets what resuming would need: all is done.
  void complete();
  /// Takes the progress bar off the screen, before other output.
  void clear_progress() { progress_.clear(); }

 private:
  std::string state_path() const { return directory_ + "/state.json"; }
  std::string checkpoint_path() const { return directory_ + "/checkpoint.safetensors"; }
  void train(const Problem& problem, Run& run, const Measure& measure);
  void save_state();
  void write_row(const Problem& problem, const RunSettings& settings, const Measurement& m);
  void write_rows(const Problem& problem, const RunResult& result, const Measure& measure);
  RunResult finish(RunResult result);
  void tell(const RunResult& result, const Measure& measure);

  std::string directory_;
  bool resumable_;
  ProgressFile state_;    ///< what has been finished by this session, and by the resumed one until its turn comes
  ProgressFile earlier_;  ///< the resumed session
  Row columns_;
  MetricsWriter metrics_;
  Progress progress_;
  int64_t gradients_done_ = 0;
};

}  // namespace minima::examples
