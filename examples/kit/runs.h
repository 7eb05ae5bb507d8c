// The results of a setting, one a seed: means over seeds with 95% intervals, differences paired by seed, curves with
// bands. Not here: doing the runs (session.h), the tables of compare and pilot (compare/comparison.h).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "examples/kit/plot.h"
#include "examples/kit/run.h"
#include "examples/kit/statistics.h"

namespace minima::examples {

/// A number that is read off a result, or off one measurement.
using OfRun = std::function<double(const RunResult&)>;
using OfMeasurement = std::function<double(const Measurement&)>;

struct Runs {
  Setting setting;
  std::vector<RunResult> results{};

  std::string name() const { return setting.name(); }
  int64_t diverged() const;  ///< how many of the results
  /// Of the results that did not diverge, in their order.
  std::vector<double> values(const OfRun& quantity) const;
  /// Over the seeds that did not diverge.
  Interval mean(const OfRun& quantity) const { return interval_95(values(quantity)); }
  /// The same where no seed diverged; NaN where one did: what finished is no fair sample of what was started.
  Interval mean_of_all(const OfRun& quantity) const { return diverged() > 0 ? Interval{} : mean(quantity); }
  /// This minus the other, and this / other - 1, paired over the seeds that neither diverged with.
  Interval minus(const Runs& other, const OfRun& quantity) const;
  Interval relative_to(const Runs& other, const OfRun& quantity) const;
};

/// The runs of this name, or an error that lists the names there are.
const Runs& named(const std::vector<Runs>& all, const std::string& name);
bool has_name(const std::vector<Runs>& all, const std::string& name);

/// A quantity of the last measurement: at_end(&Measurement::test_loss).
OfRun at_end(double Measurement::* quantity);
/// Gradient evaluations at the end.
double gradients_at_end(const RunResult& run);
/// The mean of what an observer noted under this name. NaN is left out; NaN if nothing else is there.
OfRun mean_seen(const std::string& name);

/// "separated" where the interval leaves out 0; "not separated"; "one seed" where there is no interval.
std::string separation(const Interval& difference);

/// An axis of a figure: its title, and what of a measurement is on it.
struct Axis {
  std::string title;
  OfMeasurement of;
};
Axis epoch_axis();
Axis gradient_axis();

/// Means over the seeds that did not diverge, measurement by measurement, with the 95% interval as a band where there
/// are `band_from` seeds or more (the interval of two is 18 times as wide as their distance).
Series curve(const Runs& runs, const OfMeasurement& x, const OfMeasurement& y, size_t band_from = 3);
/// A curve for each. Unless log_y, the y range is that of the means after their first fifth: the start of training
/// would squeeze the rest.
Panel curve_panel(const std::string& title, const Axis& x, const Axis& y, const std::vector<Runs>& all,
                  bool log_y = false);
/// The range of the means in a panel after the first fifth of each curve.
Span range_of_later_means(const Panel& panel);
/// What bands are, for a figure's note.
std::string band_note(int64_t seeds);
/// A series without points, as a setting looks.
Series series_of(const Setting& setting);

}  // namespace minima::examples
