// The figures of a comparison: loss and accuracy per epoch, per gradient evaluation and per second of training, as data
// (curves.dat), a gnuplot script that a student can edit and rerun (figures.gp), and svg files.
#pragma once

#include <string>
#include <vector>

#include "examples/common/comparison.h"

namespace minima::examples {

struct Figure {
  std::string file;  ///< within the directory: "per_epoch.svg"
  std::string caption;
};

/// What write_figures makes, in the order of the report.
std::vector<Figure> figures_of(const Comparison& comparison);

/// Writes curves.dat and figures.gp into the directory and runs gnuplot. Returns an empty text, or why there are no svg
/// files and how to get them.
std::string write_figures(const Comparison& comparison, const std::string& directory);

}  // namespace minima::examples
