// Figures from data: line panels with bands, contour maps with paths, heat maps. Each becomes a gnuplot script with its
// data inside, which a student can edit and rerun, and an svg made by it. What is drawn looks alike in every program:
// one font, one colour and dash per optimizer (line_style), bands and marks explained in the figure.
// Not here: what a comparison draws (compare/comparison.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace minima::examples {

struct LineStyle {
  const char* colour;  ///< RRGGBB, safe for colour-blind readers
  const char* dash;    ///< a second cue, gnuplot's: pairs of drawn and blank lengths; "solid" for none
};

/// How optimizers look in every figure of every program: those of optim/make.h, and two more: "gd" is gradient descent
/// and "momentum" is SGD with momentum where the two are shown together; elsewhere "sgd" is SGD with momentum, as
/// everywhere in minima. "black" and "grey" are for what is no optimizer: theory, limits. A second and third look of
/// the same colour, for another rho say: "sam'", "sam''". Another name is an error.
LineStyle line_style(const std::string& name);

struct Span {
  double low, high;
};

/// One curve. Points that are not finite break it (and on a logarithmic axis those that are not positive).
struct Series {
  std::string label;              ///< empty: not in the key
  std::string style;              ///< a name that line_style knows, an optimizer's mostly
  std::vector<double> x, y;       ///< of equal length
  std::vector<double> low, high;  ///< a band around it, or error bars of `points`; empty: none
  enum class Draw { line, points, line_and_points, dashed } draw = Draw::line;
  std::vector<std::string> names{};  ///< a word beside each point; empty: none
};

/// A vertical line at a value of x or a horizontal one at a value of y, with a word beside it.
struct Rule {
  enum class Along { x, y } at;
  double value;
  std::string label;
};

/// Axes with curves. Ranges that are not given come from the data.
struct Panel {
  std::string title, x_title, y_title;
  bool log_x = false, log_y = false;
  std::vector<Series> series;
  std::optional<Span> x_range{}, y_range{};
  std::vector<Rule> rules{};
  std::vector<std::string> x_names{};  ///< what stands below x = 0, 1, ... instead of numbers
};

/// A path over a map. `perturbed` (empty, or one for each point) is where the gradient of the step from that point was
/// taken: drawn as an open mark joined to its clean point, every `mark_every` steps.
struct Path {
  std::string label, style;
  std::vector<double> x, y;
  std::vector<double> perturbed_x{}, perturbed_y{};
  int mark_every = 0;  ///< 0: no marks
  bool ends = true;    ///< a black square where it starts, a diamond where it ends
};

/// A function of two variables as labelled contours, or as colours, with paths on it. x and y get the same scale where
/// their spans are of similar size, so that a gradient is perpendicular to a contour.
struct Map {
  std::string title, x_title, y_title;
  Span x, y;
  int columns, rows;              ///< grid points along x and along y, both ends included
  std::vector<double> values;     ///< row by row from y.low; [rows * columns]; those that are not finite stay white
  std::vector<double> levels{};   ///< of the contours; empty: a heat map with a colour scale
  bool log_colours = false;       ///< for heat maps
  std::optional<Span> colours{};  ///< range of the colour scale, shared by maps that are compared; with levels: both
  std::vector<Path> paths{};
};

/// Panels side by side in `columns`, then below; one key for all at the foot. `note` says in small print what bands are
/// (a map says by itself what its marks are). Returns the gnuplot script that writes NAME.svg. Errors: vectors of
/// unequal length, a style that line_style does not know.
std::string line_figure(const std::string& name, const std::string& headline, const std::vector<Panel>& panels,
                        int columns, const std::string& note = "");
std::string map_figure(const std::string& name, const std::string& headline, const std::vector<Map>& maps, int columns,
                       const std::string& note = "");

/// From now on figures are narrow, as a phone shows them: panels one below the other, and "-narrow" after their names.
void make_narrow_figures(bool narrow);
/// The name under which a figure is drawn now: "walk1_paths", or "walk1_paths-narrow".
std::string figure_name(const std::string& name);

/// Writes DIRECTORY/NAME.gp and runs gnuplot on it, a program of its own that may be absent. Returns an empty text, or
/// why there is no svg and how to get it.
std::string draw(const std::string& directory, const std::string& name, const std::string& script);

}  // namespace minima::examples
