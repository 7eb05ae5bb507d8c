// The arms of an experiment: settings that are compared, each run once with every seed. Means over seeds, differences
// paired by seed, curves with bands. Not here: one run (experiment.h), the tables of compare (comparison.h).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "examples/kit/experiment.h"
#include "examples/kit/plot.h"
#include "examples/kit/session.h"
#include "examples/kit/statistics.h"

namespace minima::examples {

/// A setting with its name in tables and figures, and its runs in the order of their seeds.
struct Arm {
  std::string label, style;  ///< the style is a name of style.h
  RunSettings settings;      ///< seed means nothing
  Series::Draw draw = Series::Draw::line;
  std::vector<RunResult> runs{};
};

using OfRun = std::function<double(const RunResult&)>;
using OfMeasurement = std::function<double(const Measurement&)>;

/// A quantity of the last measurement: at_end(&Measurement::test_loss).
OfRun at_end(double Measurement::* quantity);
/// The highest test accuracy of all measurements. It is read off the test set, so that it flatters.
double best_test_accuracy(const RunResult& run);

/// Seeds 1 .. `seeds` of every arm as tasks, seeds outermost, so that whatever else the machine does meets all arms
/// alike.
std::vector<Session::Task> tasks_of(const std::vector<Arm>& arms, const Problem& problem, int64_t seeds);
/// Hands the results of tasks_of, in that order, to their arms.
void take_runs(std::vector<Arm>& arms, const std::vector<RunResult>& results);

/// The arm with this label, or an error.
const Arm& arm(const std::vector<Arm>& arms, const std::string& label);

/// Over the seeds that did not diverge.
Interval over_seeds(const Arm& arm, const OfRun& quantity);
/// Arm minus reference, and arm / reference - 1, over the seeds that neither diverged with.
Interval difference(const Arm& arm, const Arm& reference, const OfRun& quantity);
Interval relative_difference(const Arm& arm, const Arm& reference, const OfRun& quantity);
/// "separated" where the interval leaves out 0; "not separated"; "one seed" where there is no interval.
std::string separation(const Interval& difference);

/// Means over seeds, measurement by measurement, with the 95% interval as a band where there are three seeds or more
/// (the interval of two is 18 times as wide as their distance).
Series curve(const Arm& arm, const OfMeasurement& x, const OfMeasurement& y);
/// What bands are, for a figure's note.
std::string band_note(int64_t seeds);

/// An axis: its title, and what of a measurement is on it.
struct Axis {
  std::string title;
  OfMeasurement of;
};
Axis epoch_axis();
Axis gradient_axis();
/// A curve for each arm. Unless log_y, the y range is that of the means after their first fifth: the start of training
/// would squeeze the rest.
Panel curve_panel(const std::string& title, const Axis& x, const Axis& y, const std::vector<Arm>& arms,
                  bool log_y = false);

/// Gradient evaluations of a list of tasks, for the time left.
int64_t gradient_evaluations(const std::vector<Session::Task>& tasks);

}  // namespace minima::examples
