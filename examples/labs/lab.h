// What the labs share: their options (--quick, --check, --out, --threads and the lab's own), tables of measurements,
// figures, a report, and stated figures that either hold or do not. A lab is a function that gets a Lab:
//   int main(int argc, char** argv) {
//     return run_lab(argc, argv, about, [](Lab& lab) { ... lab.expect("...", got, at_least(5)); });
//   }
// Exit status: 0; 1 with --check if a stated figure does not hold; 2 for an error; 130 after Ctrl-C.
// Not here: experiments (session.h), their statistics (runs.h), drawing (plot.h).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "examples/kit/metrics.h"
#include "examples/kit/plot.h"
#include "examples/kit/program.h"
#include "examples/kit/report.h"
#include "examples/kit/session.h"
#include "examples/kit/table.h"

namespace minima::examples {

/// What a lab says of itself before it runs.
struct LabAbout {
  std::string name;      ///< "lab2_quadratics": its program, and its folder under runs/
  std::string title;     ///< "Lab 2. Quadratics"
  std::string question;  ///< what to predict before looking
  /// What would refute the claim beyond the stated figures, in words. Bounds are stated once, as figures.
  std::string refuted_by;
};

/// What a stated figure must satisfy, with its words: "at least 5". NaN satisfies nothing.
struct Expectation {
  std::string words;
  std::function<bool(double)> holds;
};
Expectation at_least(double bound);
Expectation at_most(double bound);
Expectation between(double low, double high);
/// |got - value| <= tolerance * |value|
Expectation within(double value, double relative_tolerance);

class Lab {
 public:
  /// `add_options` adds the lab's own to the common ones.
  Lab(const LabAbout& about, const std::function<void(CommandLine&)>& add_options = {});

  /// False when --help was printed. Prints machine, title and question, and makes the folder: one that cannot be
  /// written is refused before any work. From here on Ctrl-C is noticed by every function below, which then throws
  /// Interrupted.
  bool parse(int argc, const char* const* argv);

  bool quick() const { return quick_; }         ///< the smaller version
  int64_t workers() const { return workers_; }  ///< runs side by side, as chosen; 0: as many as threads
  const std::string& out() const { return out_; }
  /// For loops that call nothing else of the lab for more than a second.
  void stop_if_interrupted();

  /// A row of TABLE.csv and TABLE.jsonl, with a column "lab" before those given; on disk at once. All rows of one table
  /// have the columns of its first. The name "metrics" belongs to training runs.
  void record(const std::string& table, const Row& row);
  void record(const Row& row) { record("measurements", row); }

  /// Does the runs of an experiment, several at once, one a processor. Each is written to metrics.csv and
  /// metrics.jsonl, unless it is measured at its end alone.
  std::vector<Runs> run(const Experiment& experiment);

  // Each goes to the terminal and into the report, in this order.
  void heading(const std::string& text);
  void say(const std::string& text);
  void table(const std::string& caption, const Table& table);
  /// Writes NAME.gp (line_figure, map_figure or a script of one's own) and draws NAME.svg with it; report only.
  void figure(const std::string& name, const std::string& script, const std::string& caption);

  /// A stated figure. All are printed at the end, held or not; with --check one that does not hold fails the lab.
  void expect(const std::string& claim, double got, const Expectation& expectation);
  /// The same of what holds for any data and network: it counts whatever the lab is told to train.
  void expect_always(const std::string& claim, double got, const Expectation& expectation);
  /// The data, network or amounts are not those that the figures were stated for: what expect() gets fails nothing.
  void not_as_stated() { as_stated_ = false; }
  /// What the figures say where they are as stated; nothing elsewhere, where they may say otherwise, nor in a quick
  /// run, whose few seeds do not carry it.
  std::string as_stated(const std::string& words) const { return as_stated_ && !quick_ ? words : ""; }
  /// The verdicts, what would refute the lab, report.html, and where the files are. Returns the exit status.
  int finish();

 private:
  struct Check {
    std::string claim, expected;
    double got;
    bool holds, counts;
  };
  void print(const std::string& paragraph);

  LabAbout about_;
  CommandLine command_line_;
  bool quick_ = false, check_ = false, as_stated_ = true;
  std::string out_;
  int64_t threads_ = 0, workers_ = 0;
  std::map<std::string, MetricsWriter> tables_;
  std::optional<Session> session_;
  Report report_;
  std::vector<Check> checks_;
  std::string no_figures_;
};

/// A lab's main(): options, the lab, verdicts, errors.
int run_lab(int argc, const char* const* argv, const LabAbout& about, const std::function<void(Lab&)>& lab,
            const std::function<void(CommandLine&)>& add_options = {});

}  // namespace minima::examples
