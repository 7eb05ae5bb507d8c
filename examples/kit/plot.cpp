#include "examples/kit/plot.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "core/error.h"
#include "examples/kit/metrics.h"
#include "examples/kit/plot_sheet.h"

namespace minima::examples {

using namespace plotting;

namespace {

bool drawable(double value, bool logarithmic) { return std::isfinite(value) && (!logarithmic || value > 0); }

void check(const std::string& figure, const Series& s) {
  const size_t size = s.x.size();
  const bool band = !s.low.empty() || !s.high.empty();
  if (s.y.size() != size || (band && (s.low.size() != size || s.high.size() != size)))
    fail(figure,
         text("a series \"", s.label, "\" with ", size, " x, ", s.y.size(), " y, ", s.low.size(), " low and ",
              s.high.size(), " high"),
         "vectors of equal length");
  if (!s.names.empty() && s.names.size() != size)
    fail(figure, text("a series \"", s.label, "\" with ", size, " points and ", s.names.size(), " names"),
         "as many names as points, or none");
}

bool has_band(const Series& s) { return !s.low.empty(); }

/// x y, and low high where there is a band; an empty line where the curve breaks.
std::string data_block(const std::string& name, const Series& s, const Panel& panel) {
  std::ostringstream out;
  out << name << " << END\n";
  for (size_t i = 0; i < s.x.size(); ++i) {
    if (drawable(s.x[i], panel.log_x) && drawable(s.y[i], panel.log_y)) {
      out << number(s.x[i]) << " " << number(s.y[i]);
      if (has_band(s))
        out << " " << number(std::isfinite(s.low[i]) ? s.low[i] : s.y[i]) << " "
            << number(std::isfinite(s.high[i]) ? s.high[i] : s.y[i]);
    }
    out << "\n";
  }
  out << "END\n";
  return out.str();
}

/// x y "word" of the points that have a word, in which quotes become apostrophes and backslashes slashes.
std::string name_block(const std::string& name, const Series& s, const Panel& panel) {
  std::string out = name + "_names << END\n";
  for (size_t i = 0; i < s.names.size(); ++i) {
    if (s.names[i].empty() || !drawable(s.x[i], panel.log_x) || !drawable(s.y[i], panel.log_y)) continue;
    std::string word = s.names[i];
    std::replace(word.begin(), word.end(), '"', '\'');
    std::replace(word.begin(), word.end(), '\\', '/');
    out += number(s.x[i]) + " " + number(s.y[i]) + " \"" + word + "\"\n";
  }
  return out + "END\n";
}

/// Over the curves, and over the bands as far as they keep within twice the curves' range.
Span y_range(const Panel& panel) {
  std::vector<double> values, bands;
  for (const Series& s : panel.series) {
    values.insert(values.end(), s.y.begin(), s.y.end());
    bands.insert(bands.end(), s.low.begin(), s.low.end());
    bands.insert(bands.end(), s.high.begin(), s.high.end());
  }
  const Span curves = range_of(values, panel.log_y), limits = widened(curves, panel.log_y, 0.5);
  for (double value : bands)
    if (value >= limits.low && value <= limits.high) values.push_back(value);
  const Span range = range_of(values, panel.log_y), wide = widened(range, panel.log_y, 0.06);
  return range.low >= 0 && wide.low < 0 ? Span{0, wide.high} : wide;  // what is never negative does not look so
}

Span x_range(const Panel& panel) {
  if (!panel.x_names.empty()) return {-0.5, static_cast<double>(panel.x_names.size()) - 0.5};
  std::vector<double> values;
  bool points = false;
  for (const Series& s : panel.series) {
    values.insert(values.end(), s.x.begin(), s.x.end());
    points = points || s.draw == Series::Draw::points || s.draw == Series::Draw::line_and_points;
  }
  return widened(range_of(values, panel.log_x), panel.log_x, points ? 0.04 : 0);
}

/// gnuplot reads the name of a tic as a format.
std::string as_format(const std::string& name) {
  std::string format;
  for (const char c : name) format += c == '%' ? "%%" : std::string(1, c);
  return format;
}

std::string named_tics(const std::vector<std::string>& names, bool slanted) {
  std::string tics;
  for (size_t i = 0; i < names.size(); ++i) tics += (i > 0 ? ", " : "") + quoted(as_format(names[i])) + text(" ", i);
  return "set xtics nomirror out scale 0.5 noenhanced " + std::string(slanted ? "rotate by -25 left " : "norotate ") +
         "(" + tics + ")\n";
}

std::string rule(const Rule& rule, int tag) {
  const std::string at = number(rule.value);
  const bool vertical = rule.at == Rule::Along::x;
  const std::string line = vertical ? "first " + at + ", graph 0 to first " + at + ", graph 1"
                                    : "graph 0, first " + at + " to graph 1, first " + at;
  const std::string words = vertical ? "first " + at + ", graph 1 center norotate offset 0,character 0.5"
                                     : "graph 0.01, first " + at + " left norotate offset 0,character 0.5";
  return text("set arrow ", tag, " from ", line, " nohead back linecolor '#777777' dashtype (3,4)\nset label ", tag,
              " ", quoted(rule.label), " at ", words, " noenhanced front font ',10' textcolor '#555555'\n");
}

std::string block_name(size_t panel, size_t series) { return text("$panel", panel + 1, "_curve", series + 1); }

std::string curves(const Panel& panel, size_t index, Sheet& sheet) {
  std::string plots;
  const auto add = [&](const std::string& plot) { plots += (plots.empty() ? "plot " : ", \\\n     ") + plot; };
  for (size_t i = 0; i < panel.series.size(); ++i) {
    const Series& s = panel.series[i];
    if (!has_band(s)) continue;
    const std::string macro = sheet.use(s.label, s.style, s.draw);
    if (s.draw == Series::Draw::points)
      add(block_name(index, i) + " using 1:2:3:4 with yerrorbars pointtype 7 pointsize 0.45 " + macro + "_colour");
    else
      add(block_name(index, i) + " using 1:(inside($3)):(inside($4)) with filledcurves " + macro);
  }
  for (size_t i = 0; i < panel.series.size(); ++i) {
    const Series& s = panel.series[i];
    add(block_name(index, i) + " using 1:2 " + with(s.draw, sheet.use(s.label, s.style, s.draw)));
  }
  for (size_t i = 0; i < panel.series.size(); ++i)
    if (const Series& s = panel.series[i]; !s.names.empty())
      add(block_name(index, i) +
          "_names using 1:2:3 with labels left offset 0.7,0.4 noenhanced font ',10' textcolor '#" +
          line_style(s.style).colour + "' notitle");
  return plots.empty() ? "plot NaN" : plots;
}

bool slanted(const Panel& panel, double width) {
  size_t letters = 0;
  for (const std::string& name : panel.x_names) letters += name.size() + 2;
  return static_cast<double>(letters) * 7 > width;
}

std::string panel_script(const Panel& panel, size_t index, Sheet& sheet) {
  const Span x = panel.x_range.value_or(x_range(panel)), y = panel.y_range.value_or(y_range(panel));
  std::string out =
      text("\nset title ", quoted(panel.title), " noenhanced offset 0,-0.3\nset xlabel ", quoted(panel.x_title),
           " noenhanced offset 0,0.4\nset ylabel ", quoted(panel.y_title), " noenhanced\n");
  out += axis("x", x, panel.log_x) + axis("y", y, panel.log_y);
  out += text("low = ", number(y.low), "; high = ", number(y.high), "\n");
  if (!panel.x_names.empty()) out += named_tics(panel.x_names, slanted(panel, sheet.cell().width));
  out += sheet.place(static_cast<int>(index));
  int tag = 0;
  for (const Rule& r : panel.rules) out += rule(r, ++tag);
  out += curves(panel, index, sheet) + "\n";
  for (; tag > 0; --tag) out += text("unset arrow ", tag, "; unset label ", tag, "\n");
  return panel.x_names.empty() ? out : out + "set xtics norotate\n";
}

Cell cell_for(const std::vector<Panel>& panels, int columns) {
  Cell cell{.width = 600, .height = 340, .left = 64, .right = 24, .top = 34, .bottom = 54};
  bool y_titles = false, slanted_names = false;
  for (const Panel& panel : panels) y_titles = y_titles || !panel.y_title.empty();
  if (y_titles) cell.left = 80;
  if (columns > 1) cell.width = 1080.0 / columns - cell.left - cell.right, cell.height = columns == 2 ? 290 : 250;
  if (columns > 3) cell.width = 190, cell.height = 200;
  if (narrow()) cell.width = narrow_width - cell.left - cell.right, cell.height = 230;
  for (const Panel& panel : panels) slanted_names = slanted_names || slanted(panel, cell.width);
  if (slanted_names) cell.bottom += 44, cell.right += 30;
  return cell;
}

/// Runs a script in its own directory.
std::string run_gnuplot(const std::string& directory, const std::string& script) {
  const std::string by_hand = "run `gnuplot " + script + "` in " + directory;
  const std::string log = directory + "/gnuplot.log";  // made before the fork: no memory is asked for after it
  const pid_t child = fork();
  if (child < 0) return "No figures: no process could be started; " + by_hand + ".";
  if (child == 0) {
    const int output = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (output < 0 || dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0 ||
        chdir(directory.c_str()) != 0)
      _exit(126);
    execlp("gnuplot", "gnuplot", script.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {}
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  if (code == 0 || code == 127) unlink(log.c_str());
  if (code == 0) return "";
  if (code == 127) return "No figures: gnuplot is not installed; install it (Debian: gnuplot-nox) and " + by_hand + ".";
  return "No figures: gnuplot failed, its messages are in " + log + "; mend the script and " + by_hand + ".";
}

}  // namespace

std::string line_figure(const std::string& name, const std::string& headline, const std::vector<Panel>& panels,
                        int columns, const std::string& note) {
  if (panels.empty() || columns < 1)
    fail(name, text(panels.size(), " panels in ", columns, " columns"), "at least one");
  columns = plotting::narrow() ? 1 : std::min(columns, static_cast<int>(panels.size()));
  Sheet sheet(name, headline, note, cell_for(panels, columns), static_cast<int>(panels.size()), columns);
  for (size_t i = 0; i < panels.size(); ++i)
    for (size_t j = 0; j < panels[i].series.size(); ++j) {
      const Series& s = panels[i].series[j];
      check(name, s);
      sheet.use(s.label, s.style, s.draw);
      sheet.data(data_block(block_name(i, j), s, panels[i]));
      if (!s.names.empty()) sheet.data(name_block(block_name(i, j), s, panels[i]));
    }
  std::string scripts;
  for (size_t i = 0; i < panels.size(); ++i) scripts += panel_script(panels[i], i, sheet);
  return sheet.script(scripts);
}

std::string draw(const std::string& directory, const std::string& name, const std::string& script) {
  write_text(directory + "/" + name + ".gp", script);
  return run_gnuplot(directory, name + ".gp");
}

}  // namespace minima::examples
