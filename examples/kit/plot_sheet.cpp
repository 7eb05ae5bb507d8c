#include "examples/kit/plot_sheet.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <sstream>

#include "core/error.h"
#include "examples/kit/table.h"

namespace minima::examples {

LineStyle line_style(const std::string& name) {
  static const std::map<std::string, LineStyle> styles{{"black", {"000000", "solid"}},
                                                       {"grey", {"999999", "solid"}},
                                                       {"gd", {"7F7F7F", "solid"}},
                                                       {"momentum", {"0072B2", "solid"}},
                                                       {"sgd", {"0072B2", "solid"}},
                                                       {"nesterov", {"E69F00", "(12,4)"}},
                                                       {"adam", {"009E73", "(4,3)"}},
                                                       {"sam", {"D55E00", "(14,4,3,4)"}},
                                                       {"msam", {"CC79A7", "solid"}},
                                                       {"adamw", {"56B4E9", "(4,3,12,3)"}},
                                                       {"rmsprop", {"009E73", "(10,3)"}},
                                                       {"adagrad", {"009E73", "(2,3)"}},
                                                       {"lion", {"56B4E9", "solid"}},
                                                       {"asam", {"000000", "(2,3)"}},
                                                       {"looksam", {"D55E00", "(3,3)"}},
                                                       {"esam", {"000000", "(10,3,2,3)"}},
                                                       // directions: SAM's and MSAM's own keep their colour
                                                       {"along-gradient", {"D55E00", "(14,4,3,4)"}},
                                                       {"along-momentum", {"CC79A7", "solid"}},
                                                       {"along-last-gradient", {"56B4E9", "(8,3)"}},
                                                       {"along-friendly-momentum", {"56B4E9", "(2,3)"}},
                                                       {"along-random", {"7F7F7F", "(2,3)"}},
                                                       {"along-lr-momentum", {"E69F00", "(12,4)"}}};
  if (name.size() > 2 && name.ends_with("''"))
    return {line_style(name.substr(0, name.size() - 2)).colour, "(2,4,2,10)"};
  for (const auto& [average, dash] : {std::pair{"-ema", "(1,3)"}, {"-swa", "(10,3,1,3)"}})
    if (const std::string behind = average; name.size() > behind.size() && name.ends_with(behind))
      return {line_style(name.substr(0, name.size() - behind.size())).colour, dash};
  if (const size_t plus = name.find('+');
      plus != std::string::npos) {  // words behind the name: its colour, other dashes
    static const std::array<const char*, 4> dashes{"(3,3)", "(8,2,2,2)", "(12,3,3,3,3,3)", "(6,6)"};
    return {line_style(name.substr(0, plus)).colour, dashes[name.size() % dashes.size()]};
  }
  if (name.size() > 1 && name.ends_with("'")) return {line_style(name.substr(0, name.size() - 1)).colour, "(7,5)"};
  if (const auto found = styles.find(name); found != styles.end()) return found->second;
  fail("line_style", name, "an optimizer of optim/make.h, gd, momentum, black or grey",
       "Give it a line in examples/kit/plot_sheet.cpp.");
}

namespace {
bool narrow_figures = false;
}  // namespace

void make_narrow_figures(bool narrow) { narrow_figures = narrow; }

std::string figure_name(const std::string& name) { return narrow_figures ? name + "-narrow" : name; }

namespace plotting {

bool narrow() { return narrow_figures; }

namespace {

constexpr double letter = 7.2, small_letter = 6.1;  // mean width of a character at 12 and 10 pixels
constexpr double headline_line = 18, note_line = 15, key_line = 19, sample = 62;

std::vector<std::string> lines_of(const std::string& text, double width) {
  std::istringstream in(wrapped(text, static_cast<size_t>(width)));
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// "along-momentum'" -> "along_momentum_2": a name that gnuplot takes for a variable.
std::string variable(const std::string& style) {
  std::string result;
  int look = 1;
  for (char c : style) {
    if (c == '\'')
      ++look;
    else
      result += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  }
  return look == 1 ? result : text(result, "_", look);
}

/// Epochs, say: no tics at 0.5.
bool few_whole_numbers(Span range) {
  return range.low == 0 && range.high == std::floor(range.high) && range.high >= 2 && range.high <= 6;
}

/// 0.02, or as a power of ten where that gets long.
std::string tic_text(double digit, int decade) {
  if (decade >= -4 && decade < 5) return number(digit * std::pow(10, decade));
  return (digit == 1 ? "" : number(digit) + "\u00b7") + text("10^{", decade, "}");
}

/// Characters, not bytes.
double letters(const std::string& text) {
  return static_cast<double>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

std::string quoted(const std::string& text) {
  std::string result = "'";
  for (char c : text) result += c == '\'' ? "\u2019" : c == '\n' ? " " : std::string(1, c);
  return result + "'";
}

std::string number(double value) { return short_text(value, 7); }

Span range_of(const std::vector<double>& values, bool logarithmic) {
  Span range{INFINITY, -INFINITY};
  for (double value : values) {
    if (!std::isfinite(value) || (logarithmic && value <= 0)) continue;
    range.low = std::min(range.low, value), range.high = std::max(range.high, value);
  }
  return range;
}

Span widened(Span span, bool logarithmic, double share) {
  if (!(span.low <= span.high)) return logarithmic ? Span{1, 10} : Span{0, 1};
  if (logarithmic) {
    const double factor = span.low < span.high ? std::pow(span.high / span.low, share) : 2;
    return {span.low / factor, span.high * factor};
  }
  const double length = span.high - span.low, middle = std::abs(span.low);
  const double room = length > 0 ? share * length : middle > 0 ? 0.1 * middle : 1;
  return {span.low - room, span.high + room};
}

std::string axis(const std::string& name, Span range, bool logarithmic) {
  const std::string set = name + "range [" + number(range.low) + ":" + number(range.high) + "]\n";
  const std::string tics = "unset m" + name + "tics\nset " + name + "tics nomirror out scale 0.5 ";
  if (!logarithmic)
    return "unset logscale " + name + "\nset " + set + "set format " + name + " '% h'\n" + tics +
           (few_whole_numbers(range) ? "1" : "autofreq") + "\n";
  const double decades = std::log10(range.high / range.low);
  if (decades > 4)
    return "set logscale " + name + "\nset " + set + "set format " + name + " '10^{%T}'\n" + tics +
           number(std::pow(10, std::ceil(decades / 7))) + "\n";
  std::string marks;
  for (int decade = static_cast<int>(std::floor(std::log10(range.low))); std::pow(10, decade) <= range.high; ++decade)
    for (double digit : decades < 0.9   ? std::vector<double>{1, 1.5, 2, 2.5, 3, 4, 5, 6, 8}
                        : decades < 2.5 ? std::vector<double>{1, 2, 5}
                                        : std::vector<double>{1}) {
      const double value = digit * std::pow(10, decade);
      if (value >= range.low * (1 - 1e-9) && value <= range.high * (1 + 1e-9))
        marks += (marks.empty() ? "'" : ", '") + tic_text(digit, decade) + "' " + number(value);
    }
  return "set logscale " + name + "\nset " + set + "set format " + name + " '%g'\n" + tics + "(" + marks + ")\n";
}

std::string with(Series::Draw draw, const std::string& macro) {
  switch (draw) {
    case Series::Draw::points: return "with points pointtype 7 pointsize 0.45 " + macro + "_colour";
    case Series::Draw::line_and_points: return "with linespoints pointtype 7 pointsize 0.5 " + macro;
    case Series::Draw::dashed: return "with lines " + macro + "_colour linewidth 1.3 dashtype (5,5)";
    case Series::Draw::line: break;
  }
  return "with lines " + macro;
}

Sheet::Sheet(const std::string& name, const std::string& headline, const std::string& note, const Cell& cell,
             int panels, int columns)
    : name_(figure_name(name)),
      cell_(cell),
      columns_(std::min(columns, panels)),
      rows_((panels + columns_ - 1) / columns_),
      width_(columns_ * (cell.left + cell.width + cell.right)) {
  headline_ = lines_of(headline, (width_ - 20) / letter);
  note_ = lines_of(note, (width_ - 20) / small_letter);
}

std::string Sheet::use(const std::string& label, const std::string& style, Series::Draw draw) {
  line_style(style);  // an unknown one is an error
  if (std::find(styles_.begin(), styles_.end(), style) == styles_.end()) styles_.push_back(style);
  const bool known = std::any_of(key_.begin(), key_.end(), [&](const KeyEntry& entry) {
    return entry.label == label && entry.style == style && entry.draw == draw;
  });
  if (!label.empty() && !known) key_.push_back({label, style, draw});
  return "@" + variable(style);
}

int Sheet::key_columns() const {
  double longest = 1;
  for (const KeyEntry& entry : key_) longest = std::max(longest, letters(entry.label));
  const int columns = static_cast<int>((width_ - 20) / ((longest + 4) * letter + sample));  // gnuplot's gaps are wide
  return std::clamp(columns, 1, std::max(1, static_cast<int>(key_.size())));
}

double Sheet::key_height() const {
  const int columns = key_columns();
  return key_.empty() ? 0 : key_line * static_cast<double>((key_.size() + columns - 1) / columns) + 12;
}

double Sheet::note_height() const { return note_line * static_cast<double>(note_.size()) + 8; }

double Sheet::height() const {
  return headline_line * static_cast<double>(headline_.size()) + 8 + rows_ * (cell_.top + cell_.height + cell_.bottom) +
         key_height() + note_height();
}

double Sheet::left(int i) const { return (i % columns_) * (cell_.left + cell_.width + cell_.right) + cell_.left; }

double Sheet::bottom(int i) const {
  return note_height() + key_height() + (rows_ - 1 - i / columns_) * (cell_.top + cell_.height + cell_.bottom) +
         cell_.bottom;
}

std::string Sheet::place(int i) const {
  return text("set lmargin at screen ", number(left(i) / width_), "\nset rmargin at screen ",
              number((left(i) + cell_.width) / width_), "\nset bmargin at screen ", number(bottom(i) / height()),
              "\nset tmargin at screen ", number((bottom(i) + cell_.height) / height()), "\n");
}

/// An empty plot across the foot of the figure that holds the key of all panels, the headline and the note.
std::string Sheet::foot() const {
  std::string plots = key_.empty() ? "plot NaN notitle" : "";
  for (const KeyEntry& entry : key_)
    plots += (plots.empty() ? "plot " : ", \\\n     ") + ("NaN " + with(entry.draw, "@" + variable(entry.style))) +
             " title " + quoted(entry.label);
  return text(
      "\n# the key of all panels, headline and note\nunset title; unset xlabel; unset ylabel; unset logscale; unset "
      "border; unset "
      "tics; unset grid\nset lmargin at screen 0.01; set rmargin at screen 0.99\nset bmargin at screen ",
      number(note_height() / height()), "; set tmargin at screen ", number((note_height() + key_height()) / height()),
      "\nset key center center horizontal Left reverse noenhanced samplen 4 spacing 1 width 2 maxcols ", key_columns(),
      "\nset xrange [0:1]; set yrange [0:1]\n", words(), plots, "\n");
}

std::string Sheet::words() const {
  std::string labels;
  for (size_t i = 0; i < note_.size(); ++i)
    labels += text("set label ", 900 + i, " ", quoted(note_[i]), " at screen 0.5, screen ",
                   number((note_height() - 2 - note_line * (static_cast<double>(i) + 0.5)) / height()),
                   " center noenhanced font ',10' textcolor '#555555'\n");
  for (size_t i = 0; i < headline_.size(); ++i)
    labels += text("set label ", 800 + i, " ", quoted(headline_[i]), " at screen 0.5, screen ",
                   number(1 - (6 + headline_line * (static_cast<double>(i) + 0.5)) / height()), " center noenhanced\n");
  return labels;
}

std::string Sheet::script(const std::string& panels) const {
  std::ostringstream out;
  out << "# Draws " << name_ << ".svg. The data are inside; edit and rerun: gnuplot " << name_
      << ".gp\n# For print: set terminal pdfcairo size " << number(width_ / 40) << "cm," << number(height() / 40)
      << "cm, and .pdf in the name of the output.\n"
         "set encoding utf8\nset macros\n"
         "set terminal svg size "
      << std::ceil(width_) << "," << std::ceil(height())
      << " font 'DejaVu Sans,12' background 'white' dashlength 0.4\n"
         "set output "
      << quoted(name_ + ".svg")
      << "\nset border 3 linecolor '#555555'\n"
         "set grid ytics linecolor '#dddddd' linetype 1 linewidth 0.5\n"
         "set style fill transparent solid 0.15 noborder\nset clip two\n"
         "# gnuplot does not clip bands at the edges of a panel\n"
         "inside(value) = value < low ? low : value > high ? high : value\n\n"
         "# one colour and dash style per optimizer, the same in every figure\n";
  for (const std::string& style : styles_) {
    const LineStyle look = line_style(style);
    out << variable(style) << " = \"linecolor '#" << look.colour << "' linewidth 2 dashtype " << look.dash << "\"\n"
        << variable(style) << "_colour = \"linecolor '#" << look.colour << "'\"\n";
  }
  out << "\n" << data_ << "\nset multiplot\nunset key\n" << panels << foot() << "unset multiplot\nunset output\n";
  return out.str();
}

}  // namespace plotting

}  // namespace minima::examples
