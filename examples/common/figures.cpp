#include "examples/common/figures.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "examples/common/gnuplot.h"
#include "examples/common/style.h"

namespace minima::examples {

namespace {

/// One point of an optimizer's mean curve.
struct CurvePoint {
  double epoch, gradient_evaluations, seconds;
  Interval train_loss, test_loss, test_accuracy;
};

/// Means over the seeds that did not diverge, measurement by measurement.
std::vector<CurvePoint> mean_curve(const Comparison& comparison, const std::string& optimizer) {
  std::vector<const RunResult*> runs;
  for (const RunResult* run : comparison.runs_of(optimizer))
    if (!run->diverged()) runs.push_back(run);
  std::vector<CurvePoint> curve;
  for (size_t i = 0; !runs.empty() && i < runs.front()->curve.size(); ++i) {
    std::vector<double> seconds, train_loss, test_loss, test_accuracy;
    for (const RunResult* run : runs) {
      const Measurement& m = run->curve.at(i);
      seconds.push_back(m.seconds), train_loss.push_back(m.train_loss);
      test_loss.push_back(m.test_loss), test_accuracy.push_back(100 * m.test_accuracy);
    }
    const Measurement& m = runs.front()->curve[i];
    curve.push_back({m.epoch, static_cast<double>(m.gradient_evaluations), interval_95(seconds).mean,
                     interval_95(train_loss), interval_95(test_loss), interval_95(test_accuracy)});
  }
  return curve;
}

using Curves = std::vector<std::pair<std::string, std::vector<CurvePoint>>>;

Curves mean_curves(const Comparison& comparison) {
  Curves curves;
  for (const std::string& name : comparison.optimizers) {
    auto curve = mean_curve(comparison, name);
    if (!curve.empty()) curves.push_back({name, std::move(curve)});
  }
  return curves;
}

std::string curves_data(const Curves& curves) {
  std::ostringstream out;
  out << "# Means over seeds; low and high are the 95% Student t interval of the mean (the mean itself for one seed).\n"
         "# epoch gradient_evaluations seconds"
         " train_loss low high test_loss low high test_accuracy_percent low high\n";
  for (const auto& [name, curve] : curves) {
    out << "# " << name << "\n";
    for (const CurvePoint& p : curve) {
      out << number_text(p.epoch) << " " << p.gradient_evaluations << " " << number_text(p.seconds);
      for (const Interval* i : {&p.train_loss, &p.test_loss, &p.test_accuracy})
        out << " " << number_text(i->mean) << " " << number_text(i->count < 2 ? i->mean : i->low()) << " "
            << number_text(i->count < 2 ? i->mean : i->high());
      out << "\n";
    }
    out << "\n\n";
  }
  return out.str();
}

/// The range of an axis over what matters: the means of the last four fifths of every curve, with a margin.
struct Range {
  double low = INFINITY, high = -INFINITY;
};
Range range_of(const Curves& curves, Interval CurvePoint::* quantity) {
  Range range;
  for (const auto& [name, curve] : curves)
    for (size_t i = curve.size() / 5; i < curve.size(); ++i) {
      range.low = std::min(range.low, (curve[i].*quantity).mean);
      range.high = std::max(range.high, (curve[i].*quantity).mean);
    }
  return range;
}

/// A panel's range, and the same as variables for the bands to keep within.
std::string y_range(double low, double high) {
  return text("low = ", number_text(low), "; high = ", number_text(high), "\nset yrange [low:high]\n");
}

/// Whole epochs: no ticks at 0.5.
std::string epoch_tics(double epochs) {
  return text("set xtics ", std::max(1.0, std::ceil(epochs / 6)), " nomirror out scale 0.5\n");
}

/// The settings of a logarithmic y axis: its range, and labels as dense as that range allows.
std::string logarithmic_axis(const Curves& curves, Interval CurvePoint::* quantity) {
  const Range range = range_of(curves, quantity);
  if (!(range.low > 0)) return "set logscale y\nset ytics autofreq\nset yrange [*:*]\nlow = 1e-12; high = 1e12\n";
  const double ratio = range.high / range.low, margin = std::max(1.05, std::pow(ratio, 0.1));
  const char* digits = ratio < 8 ? "1 1.5 2 2.5 3 4 5 6 8" : ratio < 1000 ? "1 2 5" : "1";
  return text(y_range(range.low / margin, range.high * margin),
              "set logscale y\nunset ytics\nset ytics nomirror out scale 0.5 ()\ndigits = '", digits,
              "'\nset @tics_at\n");
}

std::string percent_axis(const Curves& curves) {
  const Range range = range_of(curves, &CurvePoint::test_accuracy);
  const double margin = std::max(0.2, 0.08 * (range.high - range.low));
  return text("unset logscale y\nset ytics autofreq nomirror out scale 0.5\n",
              y_range(std::max(0.0, range.low - margin), std::min(100.0, range.high + margin)));
}

std::string band_text(const Comparison& comparison) {
  return comparison.seeds() < 2 ? "one seed, so there is no interval"
                                : text("mean over ", comparison.seeds(), " seeds; bands: 95% interval of the mean");
}

/// Text for between gnuplot's single quotes.
std::string quoted(const std::string& text) {
  std::string result;
  for (char c : text) result += c == '\'' ? "''" : std::string(1, c);
  return result;
}

/// The part of the script that fixes what all figures share.
std::string script_head(const Comparison& comparison, const Curves& curves) {
  std::ostringstream out;
  out << "# Draws the figures of this comparison from curves.dat. Edit and rerun: gnuplot figures.gp\n"
         "# For print: set terminal pdfcairo size 28cm,10cm, and .pdf in the names of the outputs.\n"
         "set encoding utf8\n"
         "set terminal svg size 1080,400 font 'DejaVu Sans,12' background 'white' dashlength 0.4\n"
         "set border 3 linecolor '#555555'\nset tics nomirror out scale 0.5\n"
         "set grid ytics linecolor '#dddddd' linetype 1 linewidth 0.5\n"
         "set style fill transparent solid 0.15 noborder\n"
         "# labels of a logarithmic axis: these digits in every decade\n"
         "set macros\n"
         "tics_at = \"for [k=-9:3] for [m in digits] ytics add (sprintf('%g', m * 10.0**k) m * 10.0**k)\"\n\n"
         "# gnuplot does not clip bands at the edges of a panel\n"
         "inside(value) = value < low ? low : value > high ? high : value\n\n"
         "# one colour and dash style per optimizer, the same in every figure\n";
  int line = 1;
  for (const auto& [name, curve] : curves) {
    const LineStyle style = line_style(name);
    const bool solid = std::string(style.dash) == "solid";
    out << "set linetype " << line++ << " linecolor '#" << style.colour << "' linewidth 2 dashtype "
        << (solid ? "solid" : style.dash) << "  # " << name << "\n";
  }
  out << "\ndata = 'curves.dat'\noptimizers = '";
  for (size_t i = 0; i < curves.size(); ++i) out << (i > 0 ? " " : "") << curves[i].first;
  out << "'\nheadline = '" << quoted(comparison.data + ", " + comparison.model + ": " + band_text(comparison)) << "'\n";
  return out.str();
}

std::string panel(const std::string& title, const std::string& x_title, int x_column, int column,
                  const std::string& y_axis, int place, bool bands) {
  std::ostringstream out;
  const double left = 0.065 + 0.325 * place;
  out << "\nset title '" << title << "'\nset xlabel '" << x_title << "'\n"
      << y_axis << "set lmargin at screen " << left << "\nset rmargin at screen " << left + 0.255 << "\nplot ";
  if (bands)
    out << "for [i=1:words(optimizers)] data index i - 1 using " << x_column << ":(inside($" << column + 1
        << ")):(inside($" << column + 2 << ")) with filledcurves linetype i notitle, \\\n     ";
  out << "for [i=1:words(optimizers)] data index i - 1 using " << x_column << ":" << column
      << " with lines linetype i notitle\n";
  return out.str();
}

/// An empty plot across the foot of the figure that holds the key of all panels.
constexpr const char* key_panel = R"(
unset title; unset xlabel; unset logscale; unset border; unset tics; unset grid
set lmargin at screen 0.05; set rmargin at screen 0.95; set tmargin at screen 0.09; set bmargin at screen 0.01
set key center center horizontal samplen 4 spacing 1 width 2
set xrange [0:1]; set yrange [0:1]
plot for [i=1:words(optimizers)] NaN with lines linetype i title word(optimizers, i)
unset key; unset xrange; set xrange [*:*]; set border 3; set xtics autofreq nomirror out scale 0.5; set grid ytics
)";

double longest(const Curves& curves) {
  double epochs = 0;
  for (const auto& [name, curve] : curves) epochs = std::max(epochs, curve.back().epoch);
  return epochs;
}

std::string figure_script(const std::string& file, const std::string& x_title, int x_column, const Curves& curves,
                          bool bands) {
  return "\nset output '" + file + "'\nset multiplot\nunset key\n" +
         (x_column == 1 ? epoch_tics(longest(curves)) : "") +
         "set tmargin at screen 0.84\nset bmargin at screen 0.23\n" +
         "set label 1 headline at screen 0.5,0.965 center noenhanced\n" +
         panel("training loss (log scale)", x_title, x_column, 4, logarithmic_axis(curves, &CurvePoint::train_loss), 0,
               bands) +
         "unset label 1\n" +
         panel("test loss (log scale)", x_title, x_column, 7, logarithmic_axis(curves, &CurvePoint::test_loss), 1,
               bands) +
         panel("test accuracy, %", x_title, x_column, 10, percent_axis(curves), 2, bands) + key_panel +
         "unset multiplot\nunset output\n";
}

}  // namespace

std::vector<Figure> figures_of(const Comparison& comparison) {
  const std::string band = band_text(comparison);
  return {{"per_epoch.svg", "Per epoch: every optimizer sees the same images as often (" + band + ")."},
          {"per_gradient_evaluation.svg",
           "Per gradient evaluation: the same work; a step of SAM takes two (" + band + ")."},
          {"per_second.svg", "Per second of training, measurements excluded: the same time, on this machine (" + band +
                                 "; seconds are means as well)."}};
}

std::string write_figures(const Comparison& comparison, const std::string& directory) {
  const Curves curves = mean_curves(comparison);
  if (curves.empty()) return "No figures: every run diverged.";
  const bool bands = comparison.seeds() >= 2;
  write_text(directory + "/curves.dat", curves_data(curves));
  const auto figures = figures_of(comparison);
  write_text(directory + "/figures.gp", script_head(comparison, curves) +
                                            figure_script(figures[0].file, "epoch", 1, curves, bands) +
                                            figure_script(figures[1].file, "gradient evaluations", 2, curves, bands) +
                                            figure_script(figures[2].file, "seconds of training", 3, curves, bands));
  return run_gnuplot(directory, "figures.gp");
}

}  // namespace minima::examples
