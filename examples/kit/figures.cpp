#include "examples/kit/figures.h"

#include <algorithm>
#include <cmath>

#include "examples/kit/plot.h"

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

/// The range of an axis over what matters: the means of the last four fifths of every curve.
Span range_of(const Curves& curves, Interval CurvePoint::* quantity) {
  Span range{INFINITY, -INFINITY};
  for (const auto& [name, curve] : curves)
    for (size_t i = curve.size() / 5; i < curve.size(); ++i) {
      range.low = std::min(range.low, (curve[i].*quantity).mean);
      range.high = std::max(range.high, (curve[i].*quantity).mean);
    }
  return range;
}

/// With a margin; none for losses of 0, which a logarithmic axis cannot show.
std::optional<Span> loss_range(const Curves& curves, Interval CurvePoint::* quantity) {
  const Span range = range_of(curves, quantity);
  if (!(range.low > 0)) return {};
  const double margin = std::max(1.05, std::pow(range.high / range.low, 0.1));
  return Span{range.low / margin, range.high * margin};
}

Span percent_range(const Curves& curves) {
  const Span range = range_of(curves, &CurvePoint::test_accuracy);
  const double margin = std::max(0.2, 0.08 * (range.high - range.low));
  return {std::max(0.0, range.low - margin), std::min(100.0, range.high + margin)};
}

Panel panel(const Curves& curves, const std::string& title, double CurvePoint::* x, Interval CurvePoint::* quantity) {
  Panel panel{.title = title};
  for (const auto& [name, curve] : curves) {
    Series series{.label = name, .style = name};
    for (const CurvePoint& point : curve) {
      const Interval& y = point.*quantity;
      series.x.push_back(point.*x), series.y.push_back(y.mean);
      if (y.count >= 2) series.low.push_back(y.low()), series.high.push_back(y.high());
    }
    panel.series.push_back(series);
  }
  return panel;
}

std::string band_text(const Comparison& comparison) {
  return comparison.seeds() < 2 ? "one seed, so there is no interval"
                                : text("mean over ", comparison.seeds(), " seeds; bands: 95% interval of the mean");
}

std::string script(const Comparison& comparison, const Curves& curves, const std::string& name,
                   const std::string& x_title, double CurvePoint::* x) {
  std::vector<Panel> panels{panel(curves, "training loss (log scale)", x, &CurvePoint::train_loss),
                            panel(curves, "test loss (log scale)", x, &CurvePoint::test_loss),
                            panel(curves, "test accuracy, %", x, &CurvePoint::test_accuracy)};
  panels[0].log_y = panels[1].log_y = true;
  panels[0].y_range = loss_range(curves, &CurvePoint::train_loss);
  panels[1].y_range = loss_range(curves, &CurvePoint::test_loss);
  panels[2].y_range = percent_range(curves);
  double last = 0;
  for (const auto& [optimizer, curve] : curves) last = std::max(last, curve.back().*x);
  for (Panel& p : panels) p.x_title = x_title, p.x_range = Span{0, last};
  return line_figure(name, comparison.data + ", " + comparison.model + ": " + band_text(comparison), panels, 3);
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
  std::string problem;
  const auto write = [&](const std::string& name, const std::string& x_title, double CurvePoint::* x) {
    const std::string reason = draw(directory, name, script(comparison, curves, name, x_title, x));
    if (problem.empty()) problem = reason;
  };
  write("per_epoch", "epoch", &CurvePoint::epoch);
  write("per_gradient_evaluation", "gradient evaluations", &CurvePoint::gradient_evaluations);
  write("per_second", "seconds of training", &CurvePoint::seconds);
  return problem;
}

}  // namespace minima::examples
