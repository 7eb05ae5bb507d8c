// The instruments of lab 9: what can be measured of an optimizer from outside, by someone who has the formula but does
// not read the code. Twelve readings a step, and meters, which make one number of a reading that is right or is not.
// Not here: the faults (faults.h), figures (lab9_faults.cpp).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "examples/kit/plot.h"
#include "examples/labs/faults.h"

namespace minima::examples {

/// One panel of a figure, and how to look at it.
struct Instrument {
  std::string column;  ///< in readings.csv
  std::string title, y_title;
  bool log_y;
  std::optional<Span> y_range;
  std::string look;
};
/// The first six read MSAM, the others SAM.
const std::vector<Instrument>& instruments();

/// [instrument][step]; NaN where there is nothing to read.
using Readings = std::vector<std::vector<double>>;

/// Radius of MSAM's perturbation when it is on, and of SAM's.
constexpr double bench_rho = 0.5, bench_sam_rho = 0.1;
/// The steps, counted from 0: where rho is switched on, where training is interrupted and resumed, where rho starts to
/// fall.
struct Marks {
  int64_t on, resumed, falls;
};
Marks marks(int64_t steps);

/// Trains a small network with batch norm on the digits, in float64, with this implementation of MSAM and of SAM.
Readings examine(int fault, int64_t steps);

/// Largest distance between weights that the right implementations reach and those of optim::MSAM and optim::SAM.
double distance_from_library(int64_t steps);

/// A number that is `right` to within `margin` unless something is wrong.
struct Meter {
  std::string what;
  double right, margin;
  std::function<double(const Readings&)> read;

  /// How far the number is off, in margins; infinite where it is not a number.
  double departure(const Readings& readings) const;
};
const std::vector<Meter>& meters();
/// The meter that shows this fault.
const Meter& meter_of(int fault);

}  // namespace minima::examples
