#include "examples/pilot/figures.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "examples/kit/plot.h"

namespace minima::examples {

namespace {

/// The look of the i-th curve of one optimizer.
std::string style_of(const std::string& optimizer, size_t i) {
  return optimizer + std::string(std::min<size_t>(i, 2), '\'');
}

/// Differences of one kind, a point a study, in the order of studies, with their mean and its interval at the right.
Panel difference_panel(const Pilot& pilot, bool by_loss) {
  Panel panel{by_loss ? "test loss: SGD minus MSAM, % of SGD's mean"
                      : "test " + judged_name(pilot.rule.quantities) + ": MSAM minus SGD, points",
              "study", ""};
  Pilot judged = pilot;
  judged.rule.by_loss = by_loss;
  const PilotEvidence evidence = evidence_of(judged);
  const PilotVerdict verdict = judge(evidence, judged.rule);
  const std::vector<double>& differences = evidence.replicates.differences;
  Series points{"one study", "msam", {}, {}, {}, {}, Series::Draw::points};
  for (size_t i = 0; i < differences.size(); ++i)
    points.x.push_back(static_cast<double>(i + 1)), points.y.push_back(differences[i]);
  const double right = static_cast<double>(differences.size()) + 2;
  const Interval& all = verdict.difference.interval;
  Series mean{"mean and 95% interval", "black", {right}, {all.mean}, {all.low()}, {all.high()}, Series::Draw::points};
  if (!std::isfinite(all.half_width)) mean.low.clear(), mean.high.clear();
  panel.series = {points, mean};
  panel.rules = {{Rule::Along::y, 0, ""}};
  panel.x_range = Span{0, right + 1};
  return panel;
}

/// Validation loss, or accuracy where that decides, against rho (or, without one, against lr / (1 - momentum)), a curve
/// for each momentum: at each rho the best of the learning rates.
Panel grid_panel(const Pilot& pilot, const std::string& optimizer) {
  const bool with_rho = Setting{.optimizer = optimizer}.has("rho");
  const bool by_loss = pilot.rule.tuned_by() == JudgedBy::loss;
  Panel panel{optimizer, with_rho ? "rho" : "lr / (1 - momentum)", by_loss ? "validation loss" : "validation acc %"};
  panel.log_x = true;
  std::map<Hyperparameters, std::vector<double>> of_setting;  // one number a study
  for (const Study& study : pilot.studies)
    for (const Runs& trial : study.tuning.trials)
      if (trial.setting.optimizer == optimizer && trial.diverged() == 0)
        of_setting[trial.setting.hyperparameters].push_back(by_loss ? validation_loss(trial).mean
                                                                    : 100 * validation_accuracy(trial).mean);
  std::map<double, std::map<double, double>> curves;  // momentum -> x -> loss or accuracy
  for (const auto& [hyperparameters, values] : of_setting) {
    const Setting s{.optimizer = optimizer, .hyperparameters = hyperparameters};
    if (values.size() < pilot.studies.size()) continue;  // beyond the grid in some studies, or diverged
    const double x = with_rho ? s.value("rho") : step_length(s), y = interval_95(values).mean;
    const auto [at, fresh] = curves[s.value("momentum")].emplace(x, y);
    if (!fresh) at->second = by_loss ? std::min(at->second, y) : std::max(at->second, y);
  }
  size_t i = 0;
  for (const auto& [momentum, curve] : curves) {
    Series series{text(optimizer, ", momentum ", momentum), style_of(optimizer, i++)};
    for (const auto& [x, y] : curve) series.x.push_back(x), series.y.push_back(y);
    series.draw = Series::Draw::line_and_points;
    panel.series.push_back(series);
  }
  return panel;
}

/// A quantity of the probes against the epoch: mean over seeds with its interval, in twenty parts of the training.
Panel probe_panel(const Pilot& pilot, const std::string& title, const std::string& noted) {
  constexpr size_t parts = 20;
  Panel panel{title, "epoch", ""};
  for (const std::string name : {"sgd", "msam"}) {
    std::vector<std::vector<double>> by_part(parts);
    const auto epochs = static_cast<double>(pilot.plan.epochs);
    for (const RunResult& run : pilot.of(name).results) {
      if (run.seen.count("epoch") == 0) continue;
      const std::vector<double>&epoch = run.seen.at("epoch"), &value = run.seen.at(noted);
      std::vector<double> sums(parts), counts(parts);
      for (size_t i = 0; i < epoch.size(); ++i) {
        const auto part = std::min(parts - 1, static_cast<size_t>(epoch[i] / epochs * parts));
        sums[part] += value[i], ++counts[part];
      }
      for (size_t i = 0; i < parts; ++i)
        if (counts[i] > 0) by_part[i].push_back(sums[i] / counts[i]);
    }
    Series series{name, name};
    for (size_t i = 0; i < parts; ++i) {
      const Interval mean = interval_95(by_part[i]);
      if (mean.count < 2) continue;
      series.x.push_back((static_cast<double>(i) + 0.5) / parts * epochs), series.y.push_back(mean.mean);
      series.low.push_back(mean.low()), series.high.push_back(mean.high());
    }
    panel.series.push_back(series);
  }
  panel.rules = {{Rule::Along::y, 0, ""}};
  return panel;
}

/// Draws one figure and appends it, or sets `problem`.
void add(std::vector<Figure>& figures, const std::string& directory, const std::string& name, const std::string& script,
         const std::string& caption, std::string& problem) {
  if (!problem.empty()) return;
  problem = draw(directory, name, script);
  if (problem.empty()) figures.push_back({name + ".svg", caption});
}

}  // namespace

std::vector<Figure> draw_pilot(const Pilot& pilot, const std::string& directory, std::string& problem) {
  std::vector<Figure> figures;
  const std::string data = pilot.comparison.data + ", " + pilot.comparison.model;
  add(figures, directory, "differences",
      line_figure("differences", data + ": MSAM's advantage over SGD",
                  {difference_panel(pilot, false), difference_panel(pilot, true)}, 2,
                  "above 0 MSAM is better; same split, initial weights and batch order for both in each study"),
      "MSAM's advantage over SGD in each study, and its mean.", problem);
  problem = problem.empty() ? write_figures(pilot.comparison, directory) : problem;
  if (problem.empty())
    for (const Figure& figure : figures_of(pilot.comparison)) figures.push_back(figure);
  add(figures, directory, "momentum",
      line_figure(
          "momentum", data + ": what the momentum says about the next batch",
          {probe_panel(pilot, "cos(v, g)", "cosine"), probe_panel(pilot, "slope along v, <v, g> / |v|", "slope")}, 2,
          "mean over seeds; bands: 95% interval of the mean"),
      "The gradient g of a batch that the momentum v does not contain yet. Below 0, another step along -v would raise "
      "that batch's loss.",
      problem);
  std::vector<Panel> grids;
  for (const std::string& name : pilot.comparison.optimizers()) grids.push_back(grid_panel(pilot, name));
  add(figures, directory, "grid",
      line_figure("grid", data + ": tuning", grids, 3,
                  "means over the studies; at each point the best of the other settings tried"),
      pilot.rule.tuned_by() == JudgedBy::loss ? "Validation loss over the grid." : "Validation accuracy over the grid.",
      problem);
  return figures;
}

Figure draw_warnings(const std::vector<Warning>& warnings, const std::string& directory, std::string& problem) {
  std::vector<Panel> panels;
  for (const Warning& warning : warnings) {
    Panel panel{warning.heading, "", "points"};
    Series series{"MSAM minus SGD, mean and 95% interval", "msam", {}, {}, {}, {}, Series::Draw::points};
    for (const WarningCase& c : warning.cases) {
      series.x.push_back(static_cast<double>(panel.x_names.size()));
      series.y.push_back(100 * c.difference.mean);
      series.low.push_back(100 * c.difference.low()), series.high.push_back(100 * c.difference.high());
      panel.x_names.push_back(c.short_name);
    }
    panel.series = {series};
    panel.rules = {{Rule::Along::y, 0, ""}};
    panels.push_back(panel);
  }
  std::vector<Figure> figures;
  add(figures, directory, "warnings",
      line_figure("warnings", "Test accuracy: what becomes of MSAM's advantage", panels, 2),
      "MSAM minus SGD in test accuracy, both tuned in each setting, paired over seeds.", problem);
  return figures.empty() ? Figure{} : figures[0];
}

}  // namespace minima::examples
