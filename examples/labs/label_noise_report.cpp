#include "examples/labs/label_noise_report.h"

#include <algorithm>

namespace minima::examples {

namespace {

double best_epoch(const RunResult& run) {
  for (const Measurement& m : run.curve)
    if (m.test_accuracy == best_test_accuracy(run)) return m.epoch;
  return NAN;
}

const std::pair<const char*, OfRun> quantities[] = {{"Test accuracy, last epoch", last_accuracy},
                                                    {"Test accuracy, best epoch", best_test_accuracy},
                                                    {"Wrong labels learnt", corrupted_fit}};

double rho_of(const Runs& runs) { return runs.setting.value("rho"); }

/// Points over rho for the settings of one optimizer.
Series radius_series(const std::vector<Runs>& all, const std::string& optimizer, const OfRun& quantity) {
  std::vector<const Runs*> found;
  for (const Runs& runs : all)
    if (runs.name() == radius_label(optimizer, rho_of(runs))) found.push_back(&runs);
  std::sort(found.begin(), found.end(), [](auto* a, auto* b) { return rho_of(*a) < rho_of(*b); });
  Series series{.label = optimizer, .style = optimizer, .draw = Series::Draw::line_and_points};
  for (const Runs* runs : found) series.x.push_back(rho_of(*runs)), series.y.push_back(100 * runs->mean(quantity).mean);
  return series;
}

}  // namespace

double last_accuracy(const RunResult& run) { return run.last().test_accuracy; }
double corrupted_fit(const RunResult& run) { return run.last().corrupted_fit; }

double best_test_accuracy(const RunResult& run) {
  double best = NAN;
  for (const Measurement& m : run.curve) best = std::fmax(best, m.test_accuracy);
  return best;
}

std::string radius_label(const std::string& optimizer, double rho) { return text(optimizer, " ", rho); }

Table outcome_table(const std::vector<Runs>& all) {
  Table table{{"", "last epoch", "best epoch", "(which)", "clean labels learnt", "wrong labels learnt", "test loss"}};
  for (const Runs& runs : all)
    table.push_back(
        {runs.name(), interval_text(runs.mean(last_accuracy), 100), interval_text(runs.mean(best_test_accuracy), 100),
         interval_text(runs.mean(best_epoch)), interval_text(runs.mean(at_end(&Measurement::clean_fit)), 100),
         interval_text(runs.mean(corrupted_fit), 100), interval_text(runs.mean(at_end(&Measurement::test_loss)))});
  return table;
}

Table paired_table(const std::vector<Runs>& all, const std::string& reference_name) {
  const Runs& reference = named(all, reference_name);
  Table table{{"minus " + reference_name + ", points", "last epoch", "", "best epochs", "", "wrong labels learnt"}};
  for (const Runs& runs : all) {
    if (&runs == &reference) continue;
    const Interval last = runs.minus(reference, last_accuracy), best = runs.minus(reference, best_test_accuracy);
    table.push_back({runs.name(), difference_text(last, 100), separation(last), difference_text(best, 100),
                     separation(best), difference_text(runs.minus(reference, corrupted_fit), 100)});
  }
  return table;
}

Table noise_table(const ByNoise& by_noise) {
  Table table{{"last (best) epoch, %"}};
  for (const auto& [noise, all] : by_noise) {
    table[0].push_back(text(100 * noise, "% wrong"));
    for (size_t i = 0; i < all.size(); ++i) {
      if (table.size() == i + 1) table.push_back({all[i].name()});
      table[i + 1].push_back(fixed(100 * all[i].mean(last_accuracy).mean, 1) + " (" +
                             fixed(100 * all[i].mean(best_test_accuracy).mean, 1) + ")");
    }
  }
  return table;
}

void draw_curves(Lab& lab, const std::string& data, const std::vector<Runs>& all) {
  const Axis accuracy{"%", [](const Measurement& m) { return 100 * m.test_accuracy; }};
  const Axis loss{"cross entropy", [](const Measurement& m) { return m.test_loss; }};
  const Axis clean{"%", [](const Measurement& m) { return 100 * m.clean_fit; }};
  const Axis corrupted{"%", [](const Measurement& m) { return 100 * m.corrupted_fit; }};
  lab.figure(
      "curves",
      line_figure("curves", data + " with 40% wrong labels",
                  {curve_panel("Accuracy on clean test data", epoch_axis(), accuracy, all),
                   curve_panel("Loss on clean test data", epoch_axis(), loss, all),
                   curve_panel("Clean training labels learnt", epoch_axis(), clean, all),
                   curve_panel("Wrong training labels learnt", epoch_axis(), corrupted, all)},
                  2, band_note(static_cast<int64_t>(all.front().results.size()))),
      "Test accuracy and loss, and the shares of the right and the wrong training labels that are learnt." +
          lab.as_stated(" First everyone learns what is right. Then the wrong labels are learnt by heart, and test "
                        "accuracy falls."));
}

void draw_radii(Lab& lab, const std::string& data, const std::vector<Runs>& all) {
  std::vector<Panel> panels;
  for (const auto& [title, quantity] : quantities) {
    Panel panel{.title = title, .x_title = "rho", .y_title = "%", .log_x = true};
    panel.series = {radius_series(all, "sam", quantity), radius_series(all, "msam", quantity)};
    const std::vector<double> ends{panel.series[0].x.front(), panel.series[1].x.back()};
    for (const char* flat : {"sgd", "nesterov"}) {
      const double mean = 100 * named(all, flat).mean(quantity).mean;
      panel.series.push_back({.label = flat, .style = flat, .x = ends, .y = {mean, mean}});
    }
    panels.push_back(panel);
  }
  lab.figure(
      "radii",
      line_figure("radii", data + " with 40% wrong labels: which rho", panels, 3,
                  "Means over seeds; all with lr 0.05."),
      "What each radius does." + lab.as_stated(" A rho of MSAM that is too small makes it a better optimizer, like "
                                               "Nesterov, which learns the wrong labels faster."));
}

void draw_noises(Lab& lab, const std::string& data, const ByNoise& by_noise) {
  std::vector<Panel> panels;
  for (const auto& [title, quantity] : quantities) {
    Panel panel{.title = title, .x_title = "wrong labels, %", .y_title = "%"};
    for (const auto& [noise, all] : by_noise)
      for (size_t i = 0; i < all.size(); ++i) {
        if (panel.series.size() == i) panel.series.push_back(series_of(all[i].setting));
        panel.series[i].x.push_back(100 * noise);
        panel.series[i].y.push_back(100 * all[i].mean(quantity).mean);
      }
    panels.push_back(panel);
  }
  lab.figure("noises", line_figure("noises", data + ": how many labels are wrong", panels, 3, "Means over seeds."),
             "The same at other shares of wrong labels." +
                 lab.as_stated(" The gap in the last epoch grows with the noise; the gap at the best epochs much "
                               "less."));
}

}  // namespace minima::examples
