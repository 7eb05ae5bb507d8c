// The figures of a comparison: loss and accuracy per epoch, per gradient evaluation and per second of training. Each is
// a gnuplot script with its data, which a student can edit and rerun, and an svg file.
#pragma once

#include <string>
#include <vector>

#include "examples/kit/comparison.h"

namespace minima::examples {

struct Figure {
  std::string file;  ///< within the directory: "per_epoch.svg"
  std::string caption;
};

/// What write_figures makes, in the order of the report.
std::vector<Figure> figures_of(const Comparison& comparison);

/// Writes the scripts into the directory and runs gnuplot. Returns an empty text, or why there are no svg files and how
/// to get them.
std::string write_figures(const Comparison& comparison, const std::string& directory);

}  // namespace minima::examples
