// The runs of a pilot, kept to a time budget: what a step costs here, then study after study while there is time. A
// machine that slows down makes fewer studies. Ctrl-C ends it early, with the studies that are finished; a resumed
// pilot goes on with the same plan, from the runs that are finished and the time that they took.
// Not here: what is planned (plan.h), what the results mean (verdict.h, report.h).
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "examples/kit/json.h"
#include "examples/kit/progress.h"
#include "examples/kit/session.h"
#include "examples/pilot/plan.h"

namespace minima::examples {

// What a final run notes (RunResult::seen). At one in some steps, of the gradient g of a batch that the momentum v does
// not contain yet, g at the weights for SGD and SAM, and at the perturbed point for MSAM:
//   epoch
//   cosine       cos(v, g)
//   slope        <v, g> / |v|: what the loss of that batch falls by along the coming update, per length
// and at the end what note_quality (data_report.h) notes and, where all studies share the test part, what note_rows
// notes of each row of it (difference.h).

/// One study: the settings that tuning chose, on a split of its own, and their runs with new seeds.
struct Study {
  Tuning tuning;
  std::vector<Runs> runs;  ///< in the order of the pilot's optimizers
};

/// Seeds of a study's runs: 1000 times its number, and then 1, 2, ... Tuning has seeds far from them.
uint64_t study_seed(int64_t study, int64_t run);
inline uint64_t study_of(uint64_t seed) { return seed / 1000; }

/// Wall time since the program began, and before that until it was interrupted, against its budget.
class PilotClock {
 public:
  explicit PilotClock(double budget_seconds) : budget_(budget_seconds) {}
  double elapsed() const {
    return earlier_ + std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  double budget() const { return budget_; }
  void count_earlier(double seconds) { earlier_ += seconds; }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double budget_, earlier_ = 0;
};

class PilotSession {
 public:
  struct Options {
    std::string directory{};  ///< for trials.csv, metrics.csv (and .jsonl), and what resuming needs; empty: nothing is
                              ///< written and no progress shown
    Notes configuration{};    ///< what must be the same when resumed
    bool resume = false;
    int64_t workers = 0;  ///< as Session's
    std::vector<std::string> optimizers = pilot_optimizers();
  };
  PilotSession(PilotClock& clock, const Options& options);
  PilotSession(const PilotSession&) = delete;  // the session that it holds asks it what to save
  PilotSession& operator=(const PilotSession&) = delete;

  /// A plan, and the words that it was told with.
  struct Planned {
    PilotPlan plan;
    std::string words;
  };
  /// That of the pilot that is resumed.
  std::optional<Planned> resumed() const { return resumed_; }

  /// Times some steps of each optimizer in turn, a measurement and the curvature: medians, so that a moment in which
  /// the machine does something else does not count. Where the usual lr diverges, a tenth of it is taken, and so on.
  PilotCosts measure_costs(const Problem& problem, int64_t curvature_samples);

  /// Studies 1, 2, ... as long as another one is expected to end before the plan's reserve begins, at most
  /// most_pilot_studies. The fewest studies that a verdict needs are tried for a tenth of the budget longer. Each study
  /// has the problem of its number: another split of the data, where they are split here.
  std::vector<Study> studies(const Problems& problems, const Planned& planned, JudgedBy judged_by,
                             int64_t curvature_samples);

  /// One of them: tunes these optimizers, and runs what was chosen.
  Study study(const Problem& problem, const PilotPlan& plan, JudgedBy judged_by, int64_t curvature_samples,
              int64_t number, const std::vector<std::string>& optimizers);

  bool stopped_early() const { return stopped_; }  ///< by Ctrl-C, with the state saved
  /// Forgets what resuming would need: all is done.
  void complete() { session_.complete(); }
  void clear_progress() {
    if (progress_) progress_->clear();
  }

 private:
  /// Successive halving: all trials of an optimizer with a first seed, the better half with a second one, and so on.
  /// Where the best lies at the edge of what was tried, the grid is extended there. Every seed draws a validation
  /// split.
  void tune(Tuning& tuning, const std::string& optimizer, const Problem& problem, const PilotPlan& plan, int64_t study);
  /// Adds the result of one more seed to each of the trials, which have as many.
  void try_once(std::span<Runs> trials, const Problem& problem, int64_t study, const std::string& note);
  struct Late {};  ///< thrown where a run is given up, far past the budget
  PilotCosts measure_costs(const Problem& problem, int64_t curvature_samples, double lr);
  void meanwhile();
  Notes program_notes() const;
  void restore(const Notes& notes);
  /// Its runs, or their results from the pilot that is resumed; given up where the time is up. Costs are measured.
  std::vector<Runs> run(Experiment experiment, const std::string& note);

  PilotClock& clock_;
  std::string directory_;
  std::vector<std::string> optimizers_;
  Planned under_way_;            ///< the plan that is carried out
  std::string note_{};           ///< what is done now
  std::vector<double> marks_{};  ///< on the clock: the beginning of the first study, and the end of each
  std::optional<Planned> resumed_;
  Session session_;
  std::optional<MetricsWriter> trials_;
  std::optional<Progress> progress_;
  bool stopped_ = false;
};

}  // namespace minima::examples
