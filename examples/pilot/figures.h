// The figures of a pilot beside those of its comparison: the differences seed by seed, the grid, and what the momentum
// says about the next batch in the course of training.
#pragma once

#include <string>
#include <vector>

#include "examples/pilot/report.h"
#include "examples/pilot/warnings.h"

namespace minima::examples {

/// Draws them and the comparison's into the directory; what was drawn is in the order of the report. `problem` is why
/// there is none, or empty.
std::vector<Figure> draw_pilot(const Pilot& pilot, const std::string& directory, std::string& problem);

/// MSAM minus SGD in each setting.
Figure draw_warnings(const std::vector<Warning>& warnings, const std::string& directory, std::string& problem);

}  // namespace minima::examples
