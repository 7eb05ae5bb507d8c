// What a pilot found, in words, tables and figures, the same on the terminal and in report.html.
// Not here: the decision (verdict.h), the runs (runs.h).
#pragma once

#include <string>
#include <vector>

#include "examples/compare/comparison.h"
#include "examples/pilot/money.h"
#include "examples/pilot/plan.h"
#include "examples/pilot/runs.h"
#include "examples/pilot/verdict.h"

namespace minima::examples {

/// All of a finished pilot.
struct Pilot {
  Comparison comparison;  ///< the runs of all studies, with the settings that each study chose
  PilotRule rule;
  PilotPlan plan;
  std::vector<Study> studies{};
  Prices prices{};
  double budget = 0, seconds = 0;
  bool stopped = false;  ///< by Ctrl-C

  const Runs& of(const std::string& optimizer) const { return comparison.of(optimizer); }
  /// The optimizers that were compared on request.
  std::vector<std::string> further() const;
};

/// Of one of these in a sentence: "MSAM, automatic radius".
std::string further_title(const std::string& optimizer);

/// A part of the report: text, a table under it, remarks under that, and a longer table for the page alone. Any of them
/// may be empty.
struct PilotSection {
  std::string heading, text;
  Table table;
  std::string remark;
  Table details{};
};

/// The runs of all studies, an entry for each optimizer. Their settings are those of the first study.
std::vector<Runs> runs_of(const std::vector<Study>& studies);

/// Differences by study and, where all share the test part, by test row, in the units of the rule.
PilotEvidence evidence_of(const Pilot& pilot, const std::string& optimizer = "msam");

/// On MSAM or a further optimizer; each counts as a comparison.
PilotVerdict pilot_verdict(const Pilot& pilot, const std::string& optimizer = "msam");

/// Seconds until two runs first reach what the worse of the two ends with, as the ratio of the first to the second:
/// by test accuracy or by test loss. NaN where one diverged.
double time_to_equal(const RunResult& run, const RunResult& reference, bool by_loss);

/// Standard deviation of the test loss over the last third of the curve's epochs; NaN with fewer than three.
double wobble(const RunResult& run);

/// The recommendation, with its uncertainty.
std::string recommendation(const Pilot& pilot);

/// Generalisation, time and memory, money where prices are known, sharpness, stability, momentum, warnings, tuning.
std::vector<PilotSection> pilot_sections(const Pilot& pilot);

/// The verdict and what it rests on as one JSON object: pilot.json.
std::string pilot_json(const Pilot& pilot);

}  // namespace minima::examples
