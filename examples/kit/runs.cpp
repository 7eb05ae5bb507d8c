#include "examples/kit/runs.h"

#include <algorithm>
#include <cmath>

namespace minima::examples {

namespace {

Interval paired(const Runs& runs, const Runs& reference, const OfRun& quantity, double (*compared)(double, double)) {
  std::vector<double> samples;
  for (const RunResult& run : runs.results)
    for (const RunResult& other : reference.results)
      if (run.seed == other.seed && !run.diverged() && !other.diverged())
        samples.push_back(compared(quantity(run), quantity(other)));
  return interval_95(samples);
}

std::vector<Runs>::const_iterator find(const std::vector<Runs>& all, const std::string& name) {
  return std::find_if(all.begin(), all.end(), [&](const Runs& runs) { return runs.name() == name; });
}

}  // namespace

int64_t Runs::diverged() const {
  return std::count_if(results.begin(), results.end(), [](const RunResult& run) { return run.diverged(); });
}

std::vector<double> Runs::values(const OfRun& quantity) const {
  std::vector<double> values;
  for (const RunResult& run : results)
    if (!run.diverged()) values.push_back(quantity(run));
  return values;
}

Interval Runs::minus(const Runs& other, const OfRun& quantity) const {
  return paired(*this, other, quantity, [](double a, double b) { return a - b; });
}

Interval Runs::relative_to(const Runs& other, const OfRun& quantity) const {
  return paired(*this, other, quantity, [](double a, double b) { return a / b - 1; });
}

const Runs& named(const std::vector<Runs>& all, const std::string& name) {
  const auto found = find(all, name);
  if (found != all.end()) return *found;
  std::vector<std::string> names;
  for (const Runs& runs : all) names.push_back(runs.name());
  fail("runs", "\"" + name + "\"", "one of " + joined(names));
}

bool has_name(const std::vector<Runs>& all, const std::string& name) { return find(all, name) != all.end(); }

OfRun at_end(double Measurement::* quantity) {
  return [quantity](const RunResult& run) { return run.last().*quantity; };
}

double gradients_at_end(const RunResult& run) { return static_cast<double>(run.last().gradient_evaluations); }

OfRun mean_seen(const std::string& name) {
  return [name](const RunResult& run) {
    double sum = 0, count = 0;
    if (const auto found = run.seen.find(name); found != run.seen.end())
      for (const double value : found->second)
        if (!std::isnan(value)) sum += value, count += 1;
    return sum / count;
  };
}

std::string separation(const Interval& difference) {
  if (difference.count == 0) return "diverged";
  if (difference.count == 1) return "one seed";
  return difference.separated() ? "separated" : "not separated";
}

Axis epoch_axis() {
  return {"epoch", [](const Measurement& m) { return m.epoch; }};
}

Axis gradient_axis() {
  return {"gradient evaluations", [](const Measurement& m) { return static_cast<double>(m.gradient_evaluations); }};
}

Series series_of(const Setting& setting) {
  return {.label = setting.name(),
          .style = setting.style.empty() ? setting.optimizer : setting.style,
          .draw = setting.dashed ? Series::Draw::dashed : Series::Draw::line};
}

Series curve(const Runs& runs, const OfMeasurement& x, const OfMeasurement& y, size_t band_from) {
  Series series = series_of(runs.setting);
  const auto first = std::find_if(runs.results.begin(), runs.results.end(), [](auto& run) { return !run.diverged(); });
  for (size_t i = 0; first != runs.results.end() && i < first->curve.size(); ++i) {
    series.x.push_back(runs.mean([&](const RunResult& run) { return x(run.curve.at(i)); }).mean);
    const Interval mean = runs.mean([&](const RunResult& run) { return y(run.curve.at(i)); });
    series.y.push_back(mean.mean);
    if (static_cast<size_t>(mean.count) >= band_from)
      series.low.push_back(mean.low()), series.high.push_back(mean.high());
  }
  return series;
}

Span range_of_later_means(const Panel& panel) {
  Span span{INFINITY, -INFINITY};
  for (const Series& series : panel.series)
    for (size_t i = series.y.size() / 5; i < series.y.size(); ++i)
      span = {std::min(span.low, series.y[i]), std::max(span.high, series.y[i])};
  return span;
}

Panel curve_panel(const std::string& title, const Axis& x, const Axis& y, const std::vector<Runs>& all, bool log_y) {
  Panel panel{.title = title, .x_title = x.title, .y_title = y.title};
  panel.log_y = log_y;
  for (const Runs& runs : all) panel.series.push_back(curve(runs, x.of, y.of));
  const Span span = range_of_later_means(panel);
  const double margin = 0.06 * (span.high - span.low);
  if (!log_y && margin > 0) panel.y_range = Span{span.low - margin, span.high + margin};
  return panel;
}

std::string band_note(int64_t seeds) {
  return text("Means over ", seeds, " seeds", seeds > 2 ? "; bands: 95% intervals of the means." : ".");
}

}  // namespace minima::examples
