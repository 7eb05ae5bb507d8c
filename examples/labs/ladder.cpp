#include "examples/labs/ladder.h"

#include <algorithm>
#include <cmath>

namespace minima::examples {

namespace {

constexpr double momentum = 0.9;

/// The rungs by the names that their runs carry, with the radii to try.
struct Kind {
  std::string name, words, style;
  std::vector<double> rhos, quick_rhos;
};
const std::vector<Kind> kinds{
    {"scaled",
     "scaled by lr: e = -rho lr v (rho 0.9: Nesterov)",
     "along-lr-momentum",
     {0.9, 3, 7, 10, 15},
     {0.9, 3, 15}},
    {"unscaled", "not scaled: e = -rho v", "along-last-gradient", {0.05, 0.1, 0.2, 0.5, 1}, {0.05, 0.2, 1}},
    {"normalised", "normalised, MSAM: e = -rho v / |v|", "along-momentum", {0.1, 0.2, 0.5, 1, 2}, {0.1, 0.5, 2}}};

const OfRun train_loss = at_end(&Measurement::train_loss), test_loss = at_end(&Measurement::test_loss),
            test_accuracy = at_end(&Measurement::test_accuracy), mean_length = mean_seen("perturbation_norm");

Setting setting(const std::string& kind, double rho, int64_t steps) {
  Setting setting{
      .optimizer = "sgd", .hyperparameters = {{"lr", 0.05}, {"momentum", momentum}}, .steps = steps, .label = kind};
  if (kind == "sgd") return setting;
  setting.optimizer = kind == "normalised" ? "along-momentum" : "along-lr-momentum";
  setting.hyperparameters["rho"] = rho;
  if (kind == "unscaled")  // the direction is -lr v, so lr must go out of it again
    setting.prepare = [rho](Run& run) {
      const optim::Schedule lr = run.optimizer().group(0)["lr"];
      run.optimizer().group(0)["rho"] = [lr, rho](int64_t step) { return rho / lr(step); };
    };
  return setting;
}

double rho_of(const Runs& rung) { return rung.setting.value("rho"); }

const Runs& sgd_of(const std::vector<Runs>& rungs) { return rungs.front(); }

std::vector<const Runs*> of(const std::vector<Runs>& rungs, const std::string& kind) {
  std::vector<const Runs*> found;
  for (const Runs& rung : rungs)
    if (rung.setting.label == kind) found.push_back(&rung);
  return found;
}

/// The rung of a kind with the lowest mean; those that diverged do not count.
const Runs& lowest(const std::vector<Runs>& rungs, const std::string& kind, const OfRun& reading) {
  const Runs* best = nullptr;
  for (const Runs* rung : of(rungs, kind))
    if (rung->diverged() == 0 && (!best || rung->mean(reading).mean < best->mean(reading).mean)) best = rung;
  if (!best) fail("lab8_nesterov_msam", "only diverged runs of the kind " + kind, "one at least that did not");
  return *best;
}

const Runs& nesterov_of(const std::vector<Runs>& rungs) {
  for (const Runs* rung : of(rungs, "scaled"))
    if (rho_of(*rung) == momentum) return *rung;
  fail("lab8_nesterov_msam", "no rung scaled by lr with rho = mu", "Nesterov among the rungs");
}

/// Half of the looks see a smaller |e| / |last step|.
double median_ratio(const RunResult& run) {
  std::vector<double> ratios = run.seen.at("steps_ahead");
  if (ratios.empty()) return NAN;
  std::nth_element(ratios.begin(), ratios.begin() + static_cast<ptrdiff_t>(ratios.size() / 2), ratios.end());
  return ratios[ratios.size() / 2];
}

std::vector<std::string> row_of(const std::string& words, const Runs& rung, const Runs& sgd) {
  if (rung.diverged() > 0) return {words, number_text(rho_of(rung)), "diverged", "", "", "", "", ""};
  const bool is_sgd = &rung == &sgd;
  return {words,
          is_sgd ? "" : number_text(rho_of(rung)),
          interval_text(rung.mean(train_loss)),
          interval_text(rung.mean(test_loss)),
          interval_text(rung.mean(test_accuracy), 100),
          is_sgd ? "" : difference_text(rung.minus(sgd, test_loss)),
          is_sgd ? "" : fixed(rung.mean(mean_length).mean, 3),
          is_sgd ? "" : fixed(rung.mean(median_ratio).mean, 2)};
}

void show_table(Lab& lab, const ImageLadder& ladder, const std::vector<Runs>& rungs) {
  Table table{{"perturbation", "rho", "train loss", "test loss", "test accuracy %", "test loss minus SGD's", "mean |e|",
               "|e| / |last step|"}};
  table.push_back(row_of("none: SGD", sgd_of(rungs), sgd_of(rungs)));
  for (const Kind& kind : kinds)
    for (const Runs* rung : of(rungs, kind.name)) table.push_back(row_of(kind.words, *rung, sgd_of(rungs)));
  lab.table(
      text(ladder.problem().data, ", ", ladder.problem().train.size(), " training samples, ", ladder.epochs(),
           " epochs, lr 0.05 (not tuned), mu ", momentum, "; ",
           schedule_text(ladder.problem(), {sgd_of(rungs).setting}), "; means over ", ladder.seeds(),
           " seeds with 95% Student-t intervals. Each step takes one gradient, so equal epochs are equal gradient "
           "evaluations. |e| is a mean over training, the ratio a median."),
      table);
}

// ---- figures

Series by_length(const Kind& kind, const std::vector<Runs>& rungs, const OfRun& reading) {
  Series s{.label = kind.words,
           .style = kind.style,
           .x = {},
           .y = {},
           .low = {},
           .high = {},
           .draw = Series::Draw::line_and_points};
  for (const Runs* rung : of(rungs, kind.name)) {
    if (rung->diverged() > 0) continue;
    const Interval interval = rung->mean(reading);
    s.x.push_back(rung->mean(mean_length).mean), s.y.push_back(interval.mean);
    if (rung->results.size() > 2) s.low.push_back(interval.low()), s.high.push_back(interval.high());
  }
  return s;
}

/// " Diverged and not shown: scaled, rho 30."
std::string diverged_note(const std::vector<Runs>& rungs) {
  std::vector<std::string> names;
  for (const Runs& rung : rungs)
    if (rung.diverged() > 0) names.push_back(text(rung.setting.label, " with rho ", rho_of(rung)));
  return names.empty() ? "" : " Diverged, so not shown: " + listed(names) + ".";
}

void draw_sweeps(Lab& lab, const ImageLadder& ladder, const std::vector<Runs>& rungs) {
  std::vector<Panel> panels;
  for (const bool test : {false, true}) {
    const OfRun reading = test ? test_loss : train_loss;
    Panel panel{.title = test ? "test loss" : "training loss", .x_title = "mean |e| over training", .y_title = ""};
    panel.log_x = panel.log_y = true;
    for (const Kind& kind : kinds) panel.series.push_back(by_length(kind, rungs, reading));
    panel.rules.push_back({Rule::Along::y, sgd_of(rungs).mean(reading).mean, "SGD"});
    panels.push_back(panel);
  }
  const std::string bands = ladder.seeds() > 2 ? ", bands are 95% intervals." : ".";
  lab.figure("ladder",
             line_figure("ladder", "From Nesterov to MSAM", panels, 2,
                         text("Means over ", ladder.seeds(), " seeds", bands, diverged_note(rungs))),
             "Training and test loss at the end against the mean length of the perturbation.");
}

/// Geometric means over seeds, some looks at a time.
Series ratio_over_training(const std::string& label, const std::string& style, const Runs& rung, int64_t steps) {
  const size_t parts = std::clamp<size_t>(rung.results.front().seen.at("step").size() / 3, 1, 40);
  std::vector<double> sum(parts), count(parts);
  for (const RunResult& run : rung.results) {
    const std::vector<double>&step = run.seen.at("step"), &ahead = run.seen.at("steps_ahead");
    for (size_t i = 0; i < step.size(); ++i) {
      const auto part = static_cast<size_t>((static_cast<int64_t>(step[i]) - 1) * static_cast<int64_t>(parts) / steps);
      sum[part] += std::log(ahead[i]), count[part] += 1;
    }
  }
  Series s{.label = label, .style = style, .x = {}, .y = {}, .low = {}, .high = {}};
  for (size_t part = 0; part < parts; ++part) {
    s.x.push_back(100 * (static_cast<double>(part) + 0.5) / static_cast<double>(parts));
    s.y.push_back(std::exp(sum[part] / count[part]));
  }
  return s;
}

void draw_ratios(Lab& lab, const ImageLadder& ladder, const std::vector<Runs>& rungs) {
  Panel panel{
      .title = "Over a training on images", .x_title = "% of training", .y_title = "|e| / |last step|", .log_y = true};
  const auto add = [&](const std::string& label, const std::string& style, const Runs& rung) {
    panel.series.push_back(ratio_over_training(text(label, ", rho ", rho_of(rung)), style, rung, ladder.steps()));
  };
  add("normalised (MSAM)", "along-momentum", lowest(rungs, "normalised", validation_loss_of));
  add("not scaled", "along-last-gradient", lowest(rungs, "unscaled", validation_loss_of));
  add("scaled by lr (Nesterov)", "nesterov", nesterov_of(rungs));
  panel.rules = {{Rule::Along::y, 10, ""}, {Rule::Along::y, 1, "one step ahead"}};
  lab.figure(
      "ratio",
      line_figure("ratio", "How many steps ahead the gradient is taken", {panel}, 1,
                  "Geometric means over seeds; MSAM and the unscaled rung at the radius of lowest validation loss."),
      "Nesterov looks mu steps ahead all along, and less where lr falls fast. MSAM looks farther ahead the smaller "
      "the steps become.");
}

// ---- stated figures

void expect_ladder(Lab& lab, const std::vector<Runs>& rungs) {
  const Runs &fitted = lowest(rungs, "scaled", train_loss), &fitted_msam = lowest(rungs, "normalised", train_loss);
  const Runs &best = lowest(rungs, "scaled", validation_loss_of),
             &best_msam = lowest(rungs, "normalised", validation_loss_of);
  const Interval train = fitted.minus(fitted_msam, train_loss), test = best.minus(best_msam, test_loss);
  lab.say(text("Lowest training loss: scaled by lr (rho ", rho_of(fitted), ") minus MSAM (rho ", rho_of(fitted_msam),
               "): ", difference_text(train), train.separated() ? "" : ", not separated",
               ". Test loss, each at the radius of lowest validation loss: scaled by lr (rho ", rho_of(best),
               ") minus MSAM (rho ", rho_of(best_msam), "): ", difference_text(test),
               ". MSAM's small radii fit well too, so that the rungs scaled by lr fit better is not claimed; that they "
               "fit as well, to a tenth, is."));
  const Runs& unscaled = lowest(rungs, "unscaled", validation_loss_of);
  lab.say(text(
      "Without the normalisation (not scaled, rho ", rho_of(unscaled), ") minus MSAM: test loss ",
      difference_text(unscaled.minus(best_msam, test_loss)),
      ". The figure has all three on one axis, the mean length of e. Where the curves lie on each other, it is the "
      "length that counts; then scaling by lr does no more than keep it short, for a longer one diverges."));
  lab.expect("lowest training loss: scaled by lr over SGD",
             fitted.mean(train_loss).mean / sgd_of(rungs).mean(train_loss).mean, at_most(0.9));
  lab.expect("lowest training loss: scaled by lr over MSAM",
             fitted.mean(train_loss).mean / fitted_msam.mean(train_loss).mean, at_most(1.1));
  // The interval of the two seeds of a quick run says nothing.
  if (!lab.quick())
    lab.expect("scaled by lr minus MSAM, each at its best: test loss, lower end of the 95% interval", test.low(),
               at_least(0));
  lab.expect("Nesterov: median |e| / |last step|", nesterov_of(rungs).mean(median_ratio).mean, within(momentum, 0.02));
  lab.expect(text("MSAM, rho ", rho_of(best_msam), ": median |e| / |last step|"), best_msam.mean(median_ratio).mean,
             at_least(10));
}

}  // namespace

ImageLadder::ImageLadder(bool quick, const LabData& data)
    : quick_(quick), epochs_(data.epochs()), seeds_(data.seeds()), images_(data.load_with_validation()) {}

std::vector<Runs> ImageLadder::run(Lab& lab) const {
  std::vector<Setting> settings{setting("sgd", 0, steps())};
  for (const Kind& kind : kinds)
    for (const double rho : quick_ ? kind.quick_rhos : kind.rhos) settings.push_back(setting(kind.name, rho, steps()));
  return run_probed(lab, images_.problem, images_.validation, settings, seeds_from(1, seeds_));
}

void show_ladder(Lab& lab, const ImageLadder& ladder) {
  lab.heading("The ladder on images");
  const std::vector<Runs> rungs = ladder.run(lab);
  show_table(lab, ladder, rungs);
  draw_sweeps(lab, ladder, rungs);
  draw_ratios(lab, ladder, rungs);
  expect_ladder(lab, rungs);
}

}  // namespace minima::examples
