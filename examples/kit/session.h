// Experiments: every setting with every seed, one after another or several side by side. Progress on the screen,
// metrics on disk after every epoch, and Ctrl-C at any time, after which the same experiments, resumed, end with the
// same numbers as if they had never stopped. Not here: one run (run.h), the processes (workers.h), what the results say
// (runs.h, comparison.h).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "examples/kit/checkpoint.h"
#include "examples/kit/json.h"
#include "examples/kit/progress.h"
#include "examples/kit/runs.h"

namespace minima::examples {

/// Thrown by Session::run after an interrupt, when everything has been saved.
struct Interrupted {};

/// The same problem for every seed, or one for each, where seeds differ in their data.
struct Problems {
  std::function<Problem(uint64_t seed)> of_seed;

  Problems(const Problem& problem) : of_seed([problem](uint64_t) { return problem; }) {}
  Problems(std::function<Problem(uint64_t seed)> of_seed) : of_seed(std::move(of_seed)) {}
};

struct Experiment {
  Problems problems;
  std::vector<Setting> settings;
  std::vector<uint64_t> seeds;
  Measures measures{};             ///< not every epoch: the runs are not in the metrics files
  Observe observe{};               ///< what looks at each run besides
  bool one_after_another = false;  ///< where the seconds of the runs themselves count
  /// Called in this process with each result, in the order of the runs.
  std::function<void(const Setting& setting, const RunResult& result)> finished{};
};

/// Loads with a split of this number. One that cannot be used, as it leaves a class out of a part, gives way to
/// another, which is chosen without a look at any result. After 20 of them the last error is that of the caller.
Problem with_usable_split(uint64_t split, const std::function<Problem(uint64_t split)>& load);

/// first, first + 1, ...: `count` seeds.
std::vector<uint64_t> seeds_from(uint64_t first, int64_t count);
/// The same for an option --first-seed of runs that are compared. Seeds that tuning may have used are an error: from
/// first_tuning_seed on, a thousand.
std::vector<uint64_t> compared_seeds(uint64_t first, int64_t count);
/// Of all runs of an experiment.
int64_t expected_gradients(const Experiment& experiment);

class Session {
 public:
  struct Options {
    std::string directory;  ///< for metrics.csv, metrics.jsonl, and what resuming needs; empty: nothing is written
    Notes configuration;    ///< what must be the same when resumed
    bool resume = false;
    bool resumable = true;  ///< false: an interrupt keeps the metrics alone
    /// How many runs are done side by side: 1 is one after another; 0 is as many as there are threads, or one after
    /// another where that is as fast (pays_side_by_side).
    int64_t workers = 0;
    int64_t gradient_evaluations = 0;  ///< of all experiments, for the time left; 0: of each experiment for itself
    Row columns{};                     ///< before the others, in each row of the metrics
    bool shows_progress = true;        ///< false: the program does
    /// A state is written after every run; with a number above 0 at the end of the first run after so many seconds, or
    /// later where writing takes more than a fiftieth of the time.
    double seconds_between_saves = 0;
    std::function<Notes()> program{};  ///< what the program wants to find again, asked for at every save
    /// Called in this process after every step, or several times a second. What it throws ends the session.
    std::function<void()> meanwhile{};
  };
  explicit Session(const Options& options);

  /// Does the runs of an experiment, or takes their results from the session that is resumed: for each setting its
  /// results in the order of the seeds. Seeds are outermost in time, so that whatever else the machine does meanwhile
  /// meets all settings alike. A run that diverged is a result, not an error.
  /// Side by side they are done in processes of one thread each (but on a GPU). Results and metrics are the same to the
  /// bit, and in the same order, but for seconds and memory: with Measures::costs these are measured before, also for
  /// the runs that a resumed session has left; else they are those of a machine that does other runs as well.
  std::vector<Runs> run(const Experiment& experiment);

  /// How many runs that need so much memory are done side by side, where there are so many.
  int64_t at_once(int64_t memory_bytes, Device device) const;

  /// What Options::program said when the session that is resumed was saved; else empty.
  Notes saved_by_program() const;
  /// Writes what resuming needs now, without the run under way.
  void save();
  /// Forgets what resuming would need: all is done.
  void complete();
  /// Takes the progress bar off the screen, before other output.
  void clear_progress();

 private:
  struct Task;
  struct State;
  void prepare_directory();
  int workers_for(const std::vector<Task*>& tasks) const;
  void measure_costs(const std::vector<Task*>& tasks);
  int64_t wanted_workers(Device device) const;
  RunResult run_here(const Task& task);
  void run_side_by_side(const std::vector<Task*>& tasks, int workers,
                        const std::function<void(const Task* end)>& tell_before);
  void begin(Run& run, const Task& task) const;
  Observer watched(Observer observer, const Task& task);
  [[noreturn]] void interrupt(const std::function<void()>& save_more);
  void save_under_way(Run& run, const Task& task) const;
  void tell_measurement(const Task& task, const Measurement& measurement);
  void write_row(const Task& task, const Measurement& measurement);
  void keep(const Task& task);
  void tell(const Task& task);
  bool save_due() const;

  Options options_;
  std::shared_ptr<State> state_;  ///< what has been finished by this session, and by the one that is resumed
  std::optional<MetricsWriter> metrics_;
  std::optional<Progress> progress_;
  int64_t gradients_done_ = 0;
  size_t places_ = 0;  ///< of the runs of all experiments so far
  std::chrono::steady_clock::time_point saved_at_ = std::chrono::steady_clock::now();
  double save_seconds_ = 0;  ///< of the last save
};

/// What the programs' option --workers says of itself, and its check: Options::workers, at most 1024.
inline constexpr const char* workers_help =
    "runs done side by side (0: as many as threads, unless they are large; 1: none)";
void check_workers(int64_t workers);

/// Whether runs that need so much memory are done side by side: at most 100 MiB. Larger ones read their weights from
/// memory in every step, which all processors share, and several of them may not fit into it.
bool pays_side_by_side(int64_t memory_bytes);

/// Fails unless `directory` holds the state of an interrupted session; for a check before long work.
void check_resumable(const std::string& directory);

}  // namespace minima::examples
