// map_figure of plot.h: contours or colours over a plane, with paths on it.
#include <algorithm>
#include <cmath>
#include <sstream>

#include "core/error.h"
#include "examples/kit/plot.h"
#include "examples/kit/plot_sheet.h"

namespace minima::examples {

using namespace plotting;

namespace {

struct Point {
  double x, y;
};

double distance(Point a, Point b) { return std::hypot(a.x - b.x, a.y - b.y); }

/// In units of the map: both of its spans are 1.
Point scaled(const Map& map, double x, double y) {
  return {(x - map.x.low) / (map.x.high - map.x.low), (y - map.y.low) / (map.y.high - map.y.low)};
}

bool inside(Point p, double margin = 0) {
  return p.x >= -margin && p.x <= 1 + margin && p.y >= -margin && p.y <= 1 + margin;
}

void check(const std::string& figure, const Map& map) {
  if (map.columns < 2 || map.rows < 2 || map.values.size() != static_cast<size_t>(map.columns) * map.rows)
    fail(figure, text(map.values.size(), " values for ", map.columns, " columns and ", map.rows, " rows"),
         "columns * rows values, two rows and two columns at least");
  for (const Path& path : map.paths) {
    const size_t size = path.x.size(), perturbed = path.perturbed_x.size();
    if (path.y.size() != size || path.perturbed_y.size() != perturbed || (perturbed != 0 && perturbed != size))
      fail(figure,
           text("a path \"", path.label, "\" with ", size, " x, ", path.y.size(), " y, ", perturbed,
                " perturbed x and ", path.perturbed_y.size(), " perturbed y"),
           "vectors of equal length, the perturbed ones possibly empty");
  }
}

// ---- contours and their labels

/// Where grid lines along x cross a level, in units of the map.
std::vector<Point> crossings(const Map& map, double level) {
  std::vector<Point> points;
  for (int row = 0; row < map.rows; ++row)
    for (int column = 0; column + 1 < map.columns; ++column) {
      const double a = map.values[row * map.columns + column] - level;
      const double b = map.values[row * map.columns + column + 1] - level;
      if (std::isfinite(a) && std::isfinite(b) && (a < 0) != (b < 0))
        points.push_back({(column + a / (a - b)) / (map.columns - 1), static_cast<double>(row) / (map.rows - 1)});
    }
  return points;
}

double nearest(Point p, const std::vector<Point>& points) {
  double least = INFINITY;
  for (Point other : points) least = std::min(least, distance(p, other));
  return least;
}

/// Points of the paths that lie in the map, thinned: what labels should keep off.
std::vector<Point> obstacles(const Map& map) {
  std::vector<Point> points;
  for (const Path& path : map.paths)
    for (size_t i = 0; i < path.x.size(); ++i) {
      const Point p = scaled(map, path.x[i], path.y[i]);
      if (inside(p) && (points.empty() || distance(p, points.back()) > 0.02)) points.push_back(p);
    }
  return points;
}

/// "x y level" of one label a contour, each as far as possible from the border, paths, other labels and contours.
std::string contour_labels(const Map& map) {
  std::vector<std::vector<Point>> contours;
  for (double level : map.levels) contours.push_back(crossings(map, level));
  const std::vector<Point> paths = obstacles(map);
  std::vector<Point> labels;
  std::string lines;
  for (size_t i = 0; i < contours.size(); ++i) {
    Point best{};
    double best_room = 0.04;
    for (Point p : contours[i]) {
      double room = std::min({1.2 * p.x, 1.2 * (1 - p.x), 2 * p.y, 2 * (1 - p.y), 0.35});
      room = std::min({room, 1.5 * nearest(p, paths), 0.6 * nearest(p, labels)});
      for (size_t j = 0; j < contours.size() && room > best_room; ++j)
        if (j != i) room = std::min(room, 2.5 * nearest(p, contours[j]));
      if (room > best_room) best = p, best_room = room;
    }
    if (best_room <= 0.04) continue;  // too crowded
    labels.push_back(best);
    lines += number(map.x.low + best.x * (map.x.high - map.x.low)) + " " +
             number(map.y.low + best.y * (map.y.high - map.y.low)) + " " + number(map.levels[i]) + "\n";
  }
  return lines;
}

/// "$grid1 matrix using ..." with columns and rows turned into x and y.
std::string grid(const Map& map, const std::string& tag) {
  const auto step = [](Span span, int points) { return number((span.high - span.low) / (points - 1)); };
  return "$grid" + tag + " matrix using (" + number(map.x.low) + "+$1*" + step(map.x, map.columns) + "):(" +
         number(map.y.low) + "+$2*" + step(map.y, map.rows) + "):3";
}

std::string grid_data(const Map& map, const std::string& tag) {
  std::string out = "$grid" + tag + " << END\n";
  for (int row = 0; row < map.rows; ++row) {
    for (int column = 0; column < map.columns; ++column) {
      const double value = map.values[row * map.columns + column];
      out += (column > 0 ? " " : "") + (std::isfinite(value) ? number(value) : "NaN");
    }
    out += "\n";
  }
  out += "END\n";
  if (map.levels.empty()) return out;
  std::string levels;
  for (double level : map.levels) levels += (levels.empty() ? "" : ", ") + number(level);
  return out + "set contour base; unset surface; set cntrparam levels discrete " + levels + "\nset table $contours" +
         tag + "\nsplot " + grid(map, tag) +
         "\nunset table; unset contour; set surface\n# where each level is written\n" + "$levels" + tag + " << END\n" +
         contour_labels(map) + "END\n";
}

// ---- paths

/// The points worth drawing: those that moved visibly, those with marks, the last; none far outside.
std::string path_data(const Map& map, const Path& path, const std::string& tag) {
  std::string line, marks;
  Point drawn{INFINITY, INFINITY};
  for (size_t i = 0; i < path.x.size(); ++i) {
    const Point p = scaled(map, path.x[i], path.y[i]);
    if (!inside(p, 20)) break;  // this also ends a path that is not finite
    if (!(distance(p, drawn) < 0.001) || i + 1 == path.x.size())
      line += number(path.x[i]) + " " + number(path.y[i]) + "\n", drawn = p;
    if (path.mark_every > 0 && i % path.mark_every == 0 && inside(p)) {
      const bool perturbed = !path.perturbed_x.empty();
      marks += number(path.x[i]) + " " + number(path.y[i]) + " " + number(perturbed ? path.perturbed_x[i] : path.x[i]) +
               " " + number(perturbed ? path.perturbed_y[i] : path.y[i]) + "\n";
    }
  }
  std::string out = "$path" + tag + " << END\n" + line + "END\n";
  if (!marks.empty()) out += "# clean x y, perturbed x y\n$marks" + tag + " << END\n" + marks + "END\n";
  return out;
}

bool has_marks(const Map& map, const Path& path) {
  return path.mark_every > 0 && !path.x.empty() && inside(scaled(map, path.x[0], path.y[0]), 20);
}

std::string path_plots(const Map& map, const Path& path, const std::string& tag, Sheet& sheet) {
  const std::string macro = sheet.use(path.label, path.style, Series::Draw::line);
  const std::string next = ", \\\n     ";
  std::string plots = next + "$path" + tag + " using 1:2 with lines " + macro;
  if (has_marks(map, path)) {
    const std::string marks = next + "$marks" + tag, colour = " " + macro + "_colour linewidth 1";
    plots += marks + " using 1:2 with points pointtype 7 pointsize 0.35" + colour;
    if (!path.perturbed_x.empty())
      plots += marks + " using 1:2:($3-$1):($4-$2) with vectors nohead" + colour + marks +
               " using 3:4 with points pointtype 6 pointsize 0.45" + colour;
  }
  const size_t last = path.x.size() - 1;
  if (!path.ends || path.x.empty()) return plots;
  const auto mark = [&](size_t i, const std::string& look) {
    return inside(scaled(map, path.x[i], path.y[i])) ? next + "'+' using (" + number(path.x[i]) + "):(" +
                                                           number(path.y[i]) + ") every ::::0 with points " + look
                                                     : "";
  };
  return plots + mark(last, "pointtype 13 pointsize 1 " + macro + "_colour") +
         mark(0, "pointtype 5 pointsize 0.7 linecolor '#000000'");
}

// ---- sheets

/// x and y on the same scale, if the plot does not get too flat or too tall by it.
double height_for(const std::vector<Map>& maps, double width) {
  double ratio = 0;
  for (const Map& map : maps)
    if (!map.levels.empty()) ratio = std::max(ratio, (map.y.high - map.y.low) / (map.x.high - map.x.low));
  return ratio >= 0.4 && ratio <= 1.3 ? width * ratio : 0.8 * width;
}

bool has_colours(const Map& map) { return map.levels.empty() || map.colours; }

Cell cell_for(const std::vector<Map>& maps, int columns) {
  const bool colours = std::any_of(maps.begin(), maps.end(), has_colours);
  Cell cell{.width = 0, .height = 0, .left = 68, .right = colours ? 84.0 : 16.0, .top = 34, .bottom = 54};
  cell.width = (columns == 1 ? 680 : 1080.0 / columns) - cell.left - cell.right;
  if (columns > 3) cell.width = 200;
  if (narrow()) cell.width = narrow_width - cell.left - cell.right;
  cell.height = height_for(maps, cell.width);
  return cell;
}

std::string colour_axis(const Map& map, int index, const Sheet& sheet) {
  const Span colours = map.colours.value_or(widened(range_of(map.values, map.log_colours), map.log_colours, 0));
  const Cell& cell = sheet.cell();
  return text("set colorbox user origin screen ", number((sheet.left(index) + cell.width + 10) / sheet.width()), ",",
              number(sheet.bottom(index) / sheet.height()), " size screen ", number(12 / sheet.width()), ",",
              number(cell.height / sheet.height()), " noborder\n", axis("cb", colours, map.log_colours));
}

/// A grid point is the middle of a coloured cell.
Span whole_cells(Span span, int points) {
  const double half = (span.high - span.low) / (points - 1) / 2;
  return {span.low - half, span.high + half};
}

std::string map_script(const Map& map, int index, Sheet& sheet) {
  const std::string tag = text(index + 1);
  std::string out =
      text("\nset title ", quoted(map.title), " noenhanced offset 0,-0.3\nset xlabel ", quoted(map.x_title),
           " noenhanced offset 0,0.4\nset ylabel ", quoted(map.y_title), " noenhanced\nunset grid\n");
  const bool heat = has_colours(map), contours = !map.levels.empty();
  out += axis("x", heat ? whole_cells(map.x, map.columns) : map.x, false) +
         axis("y", heat ? whole_cells(map.y, map.rows) : map.y, false) + sheet.place(index);
  if (heat) out += colour_axis(map, index, sheet);
  out += "plot ";
  if (heat) out += grid(map, tag) + " with image" + (contours ? ", \\\n     " : "");
  if (contours)
    out += "$contours" + tag + " using 1:2 with lines linecolor '#" + (heat ? "ffffff" : "bbbbbb") +
           "' linewidth 1 dashtype solid, \\\n     $levels" + tag +
           " using 1:2:(sprintf('%g', $3)) with labels boxed font ',9' textcolor '#666666'";
  for (size_t i = 0; i < map.paths.size(); ++i) out += path_plots(map, map.paths[i], text(tag, "_", i + 1), sheet);
  return out + "\n";
}

/// What the marks are, as far as there are any.
std::string explanation(const std::vector<Map>& maps) {
  bool ends = false, marks = false, perturbed = false;
  for (const Map& map : maps)
    for (const Path& path : map.paths) {
      ends = ends || path.ends, marks = marks || path.mark_every > 0;
      perturbed = perturbed || (path.mark_every > 0 && !path.perturbed_x.empty());
    }
  std::string words;
  if (ends) words += "Square: start. Diamond: end.";
  if (marks) words += " Filled circle: weights (not every step is marked).";
  if (perturbed) words += " Open circle joined to it: the point at which that step's gradient was taken.";
  return words;
}

}  // namespace

std::string map_figure(const std::string& name, const std::string& headline, const std::vector<Map>& maps, int columns,
                       const std::string& note) {
  if (maps.empty() || columns < 1) fail(name, text(maps.size(), " maps in ", columns, " columns"), "at least one");
  columns = plotting::narrow() ? 1 : std::min(columns, static_cast<int>(maps.size()));
  const std::string words = explanation(maps);
  Sheet sheet(name, headline, note + (note.empty() || words.empty() ? "" : " ") + words, cell_for(maps, columns),
              static_cast<int>(maps.size()), columns);
  for (size_t i = 0; i < maps.size(); ++i) {
    check(name, maps[i]);
    sheet.data(grid_data(maps[i], text(i + 1)));
    for (size_t j = 0; j < maps[i].paths.size(); ++j) {
      sheet.use(maps[i].paths[j].label, maps[i].paths[j].style, Series::Draw::line);
      sheet.data(path_data(maps[i], maps[i].paths[j], text(i + 1, "_", j + 1)));
    }
  }
  std::string scripts =
      "set style fill solid noborder\nset style textbox opaque noborder fillcolor '#ffffff' margins 0.5,0.5\n"
      "set palette defined (0 '#440154', 1 '#414487', 2 '#2a788e', 3 '#22a884', 4 '#7ad151', 5 '#fde725')\n";
  for (size_t i = 0; i < maps.size(); ++i) scripts += map_script(maps[i], static_cast<int>(i), sheet);
  return sheet.script(scripts);
}

}  // namespace minima::examples
