// The figures of a comparison, declared in comparison.h.
#include <algorithm>
#include <cmath>

#include "examples/compare/comparison.h"
#include "examples/kit/plot.h"

namespace minima::examples {

namespace {

/// With a margin; none for losses of 0, which a logarithmic axis cannot show.
std::optional<Span> loss_range(const Panel& panel) {
  const Span range = range_of_later_means(panel);
  if (!(range.low > 0)) return {};
  const double margin = std::max(1.05, std::pow(range.high / range.low, 0.1));
  return Span{range.low / margin, range.high * margin};
}

Span percent_range(const Panel& panel) {
  const Span range = range_of_later_means(panel);
  const double margin = std::max(0.2, 0.08 * (range.high - range.low));
  const double least = range.low < 0 ? range.low - margin : 0;  // R2 may be below 0
  return {std::max(least, range.low - margin), std::min(100.0, range.high + margin)};
}

Panel panel_of(const Comparison& comparison, const std::string& title, const Axis& x, const OfMeasurement& y) {
  Panel panel{.title = title, .x_title = x.title};
  double last = 0;
  for (const Runs& runs : comparison.runs)
    if (Series series = curve(runs, x.of, y, /*band_from=*/2); !series.x.empty()) {
      last = std::max(last, series.x.back());
      panel.series.push_back(std::move(series));
    }
  panel.x_range = Span{0, last};
  return panel;
}

std::string band_text(const Comparison& comparison) {
  return comparison.seeds() < 2 ? "one seed, so there is no interval"
                                : text("mean over ", comparison.seeds(), " seeds; bands: 95% interval of the mean");
}

std::string script(const Comparison& comparison, const std::string& name, const Axis& x) {
  std::vector<Panel> panels{
      panel_of(comparison, "training loss (log scale)", x, [](const Measurement& m) { return m.train_loss; }),
      panel_of(comparison, "test loss (log scale)", x, [](const Measurement& m) { return m.test_loss; }),
      panel_of(comparison, "test " + judged_name(comparison.quantities) + ", %", x,
               [](const Measurement& m) { return 100 * m.test_accuracy; })};
  for (Panel* losses : {&panels[0], &panels[1]}) losses->log_y = true, losses->y_range = loss_range(*losses);
  panels[2].y_range = percent_range(panels[2]);
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
  std::string problem = "No figures: every run diverged.";
  for (const Runs& runs : comparison.runs)
    if (runs.diverged() < std::ssize(runs.results)) problem.clear();
  if (!problem.empty()) return problem;
  const auto write = [&](const std::string& name, const Axis& x) {
    const std::string reason = draw(directory, name, script(comparison, name, x));
    if (problem.empty()) problem = reason;
  };
  write("per_epoch", epoch_axis());
  write("per_gradient_evaluation", gradient_axis());
  write("per_second", {"seconds of training", [](const Measurement& m) { return m.seconds; }});
  return problem;
}

}  // namespace minima::examples
