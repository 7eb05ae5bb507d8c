#include "examples/kit/arms.h"

#include <algorithm>
#include <cmath>

namespace minima::examples {

namespace {

Interval paired(const Arm& arm, const Arm& reference, const OfRun& quantity, double (*compared)(double, double)) {
  std::vector<double> samples;
  for (const RunResult& run : arm.runs)
    for (const RunResult& other : reference.runs)
      if (run.settings.seed == other.settings.seed && !run.diverged() && !other.diverged())
        samples.push_back(compared(quantity(run), quantity(other)));
  return interval_95(samples);
}

}  // namespace

OfRun at_end(double Measurement::* quantity) {
  return [quantity](const RunResult& run) { return run.last().*quantity; };
}

double best_test_accuracy(const RunResult& run) {
  double best = NAN;
  for (const Measurement& m : run.curve) best = std::fmax(best, m.test_accuracy);
  return best;
}

std::vector<Session::Task> tasks_of(const std::vector<Arm>& arms, const Problem& problem, int64_t seeds) {
  std::vector<Session::Task> tasks;
  for (int64_t seed = 1; seed <= seeds; ++seed)
    for (const Arm& arm : arms) {
      tasks.push_back({&problem, arm.settings});
      tasks.back().settings.seed = static_cast<uint64_t>(seed);
    }
  return tasks;
}

void take_runs(std::vector<Arm>& arms, const std::vector<RunResult>& results) {
  for (size_t i = 0; i < results.size(); ++i) arms[i % arms.size()].runs.push_back(results[i]);
}

const Arm& arm(const std::vector<Arm>& arms, const std::string& label) {
  const auto found = std::find_if(arms.begin(), arms.end(), [&](const Arm& arm) { return arm.label == label; });
  if (found == arms.end()) fail("arm", label, "the label of an arm of this experiment");
  return *found;
}

Interval over_seeds(const Arm& arm, const OfRun& quantity) {
  std::vector<double> samples;
  for (const RunResult& run : arm.runs)
    if (!run.diverged()) samples.push_back(quantity(run));
  return interval_95(samples);
}

Interval difference(const Arm& arm, const Arm& reference, const OfRun& quantity) {
  return paired(arm, reference, quantity, [](double a, double b) { return a - b; });
}

Interval relative_difference(const Arm& arm, const Arm& reference, const OfRun& quantity) {
  return paired(arm, reference, quantity, [](double a, double b) { return a / b - 1; });
}

std::string separation(const Interval& difference) {
  if (difference.count == 0) return "diverged";
  if (difference.count == 1) return "one seed";
  return difference.separated() ? "separated" : "not separated";
}

Series curve(const Arm& arm, const OfMeasurement& x, const OfMeasurement& y) {
  Series series{.label = arm.label, .style = arm.style};
  series.draw = arm.draw;
  std::vector<const RunResult*> runs;
  for (const RunResult& run : arm.runs)
    if (!run.diverged()) runs.push_back(&run);
  for (size_t i = 0; !runs.empty() && i < runs.front()->curve.size(); ++i) {
    std::vector<double> xs, ys;
    for (const RunResult* run : runs) xs.push_back(x(run->curve.at(i))), ys.push_back(y(run->curve.at(i)));
    const Interval mean = interval_95(ys);
    series.x.push_back(interval_95(xs).mean), series.y.push_back(mean.mean);
    if (runs.size() > 2) series.low.push_back(mean.low()), series.high.push_back(mean.high());
  }
  return series;
}

std::string band_note(int64_t seeds) {
  return text("Means over ", seeds, " seeds", seeds > 2 ? "; bands: 95% intervals of the means." : ".");
}

Axis epoch_axis() {
  return {"epoch", [](const Measurement& m) { return m.epoch; }};
}

Axis gradient_axis() {
  return {"gradient evaluations", [](const Measurement& m) { return static_cast<double>(m.gradient_evaluations); }};
}

Panel curve_panel(const std::string& title, const Axis& x, const Axis& y, const std::vector<Arm>& arms, bool log_y) {
  Panel panel{.title = title, .x_title = x.title, .y_title = y.title};
  panel.log_y = log_y;
  Span span{INFINITY, -INFINITY};
  for (const Arm& arm : arms) {
    panel.series.push_back(curve(arm, x.of, y.of));
    const std::vector<double>& means = panel.series.back().y;
    for (size_t i = means.size() / 5; i < means.size(); ++i)
      span = {std::min(span.low, means[i]), std::max(span.high, means[i])};
  }
  const double margin = 0.06 * (span.high - span.low);
  if (!log_y && margin > 0) panel.y_range = Span{span.low - margin, span.high + margin};
  return panel;
}

int64_t gradient_evaluations(const std::vector<Session::Task>& tasks) {
  int64_t total = 0;
  for (const Session::Task& task : tasks) total += expected_gradients(task.settings);
  return total;
}

}  // namespace minima::examples
