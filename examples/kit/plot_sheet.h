// The sheet that a figure is drawn on: its size, where each panel lies, what all figures look like, the key and the
// note at the foot. For plot.cpp, plot_map.cpp and a figure that is drawn by hand; other programs use plot.h.
#pragma once

#include <string>
#include <vector>

#include "examples/kit/plot.h"

namespace minima::examples::plotting {

/// Lengths in pixels of a panel's plot area and of the room around it.
struct Cell {
  double width, height, left, right, top, bottom;
};

/// One entry of the key, and the style of everything that has its colour.
struct KeyEntry {
  std::string label, style;
  Series::Draw draw;
};

/// Whether figures are narrow, and how wide they are then.
bool narrow();
inline constexpr double narrow_width = 420;

class Sheet {
 public:
  Sheet(const std::string& name, const std::string& headline, const std::string& note, const Cell& cell, int panels,
        int columns);

  /// A style becomes two macros of the script, for lines and for marks; returns the first: "@msam" ("@msam_colour" is
  /// the second). A label that is not in the key yet is added.
  std::string use(const std::string& label, const std::string& style, Series::Draw draw);
  /// A block of data, before everything is drawn.
  void data(const std::string& block) { data_ += block; }
  /// The margins of panel i.
  std::string place(int i) const;
  double left(int i) const;
  double bottom(int i) const;
  double width() const { return width_; }
  /// Final when every style has been used, for the key grows with them.
  double height() const;
  const Cell& cell() const { return cell_; }
  /// The script that draws these panels.
  std::string script(const std::string& panels) const;

 private:
  std::string foot() const;
  std::string words() const;
  double key_height() const;
  double note_height() const;
  int key_columns() const;

  std::string name_, data_;
  std::vector<std::string> headline_, note_;
  Cell cell_;
  int columns_, rows_;
  double width_;
  std::vector<KeyEntry> key_;
  std::vector<std::string> styles_;
};

/// Text between single quotes, in which gnuplot expands nothing; an apostrophe becomes the typographic one.
std::string quoted(const std::string& text);
/// A number for a script: seven digits.
std::string number(double value);
/// The range with room on both sides: a share of its length, or of its ratio on a logarithmic axis.
Span widened(Span span, bool logarithmic, double share);
/// The smallest range that holds these values; low > high if there is none.
Span range_of(const std::vector<double>& values, bool logarithmic);
/// Scale, range and tics of an axis ("x", "y" or "cb").
std::string axis(const std::string& name, Span range, bool logarithmic);
/// What draws a series of this kind: "with lines @msam". Without a line of its own: "with points ... @msam_colour".
std::string with(Series::Draw draw, const std::string& macro);

}  // namespace minima::examples::plotting
