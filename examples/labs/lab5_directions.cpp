// lab5_directions: the gradient taken at a distance rho from the weights, in seven directions and at many distances:
// which directions find better networks, which do nothing, and which ruin the training.
#include <algorithm>
#include <cmath>

#include "examples/labs/directions.h"

using namespace minima;
using namespace minima::examples;

namespace {

const LabAbout about{
    .name = "lab5_directions",
    .title = "Lab 5. Directions",
    .question =
        "SGD takes its gradient at the weights. Take it at a distance rho instead: uphill (SAM), along the coming "
        "update -v (MSAM), the other way along +v, along the last gradient, or anywhere at random. Which lower the "
        "test loss, which do nothing, which ruin the training? And in which does the loss rise?",
    .refuted_by =
        "a random direction that lowers the test loss as much as MSAM at equal rho, or a loss that falls along -v: "
        "then "
        "MSAM would not climb. The sign of cos(v, g) alone decides nothing: it is the slope's part of the rise, which "
        "is small, and chapter 7 shows that the loss rises along -v by its curvature where the cosine is above 0, too. "
        "No claim is made against an SGD whose learning rate is tuned for the loss; the lab prints that comparison."};

LabData data{{.images = 10000, .epochs = 25, .seeds = 3}, {.images = 2000, .epochs = 20, .seeds = 3}};

Plan plan(bool quick) {
  Plan plan{.ladders = {{"along-gradient", +1, "+g, uphill (SAM)", {0.05, 0.1, 0.2, 0.4, 0.8}},
                        {"along-gradient", -1, "-g, downhill", {0.1}},
                        {"along-momentum", +1, "-v, the coming update (MSAM)", {0.1, 0.2, 0.5, 1, 2}},
                        {"along-momentum", -1, "+v, back", {0.1, 0.2, 0.5}},
                        {"along-last-gradient", +1, "-last gradient", {0.1, 0.2, 0.5, 1, 2}},
                        {"along-last-gradient", -1, "+last gradient", {0.2, 0.5}},
                        {"along-random", +1, "random", {0.5, 1, 2}},
                        {"along-lr-momentum", +1, "-lr v, not normalised", {0.9, 3, 10, 30}}},
            .lrs = {0.05, 0.02, 0.01, 0.1},
            .epochs = data.epochs(),
            .seeds = data.seeds(),
            .sgd_seeds = data.seeds()};
  if (!quick) return plan;
  const std::vector<std::vector<double>> rhos{{0.05, 0.2, 0.8}, {0.1}, {0.1, 0.5, 2}, {0.5},
                                              {0.2, 0.5},       {0.5}, {0.5, 2},      {0.9, 3, 30}};
  for (size_t i = 0; i < rhos.size(); ++i) plan.ladders[i].rhos = rhos[i];
  plan.lrs = {0.05, 0.02, 0.01}, plan.sgd_seeds = 10;
  return plan;
}

// ---- what the steps say

const OfRun train_loss = at_end(&Measurement::train_loss), test_loss = at_end(&Measurement::test_loss),
            test_accuracy = at_end(&Measurement::test_accuracy);
const OfRun cosine = mean_seen("cosine"), rise = mean_seen("rise"), share_rising = mean_seen("rises"),
            share_against = mean_seen("against");

double rho_of(const Runs& runs) { return runs.setting.value("rho"); }

/// MSAM's best radius, or the nearest at which random directions were tried.
double control_radius(const Directions& d) { return std::clamp(rho_of(d.best("along-momentum")), 0.5, 2.0); }

// ---- tables

std::vector<std::string> row_of(const std::string& words, const Runs& rung, const Runs& sgd) {
  if (rung.diverged() > 0)
    return {words,
            number_text(rho_of(rung)),
            text("diverged (", rung.diverged(), " of ", rung.results.size(), ")"),
            "",
            "",
            "",
            ""};
  return {words,
          number_text(rho_of(rung)),
          interval_text(rung.mean(train_loss)),
          interval_text(rung.mean(test_loss)),
          interval_text(rung.mean(test_accuracy), 100),
          &rung == &sgd ? "" : difference_text(rung.minus(sgd, test_loss)),
          &rung == &sgd ? "" : fixed(100 * rung.mean(share_rising).mean, 0)};
}

void show_results(Lab& lab, const Directions& d) {
  Table table{{"gradient taken along", "rho", "train loss", "test loss", "test accuracy %", "test loss minus SGD's",
               "loss rises, % of steps"}};
  table.push_back(row_of("nothing (SGD)", d.sgd(), d.sgd()));
  for (const Ladder& ladder : d.plan().ladders)
    for (const Runs* rung : d.of(ladder)) table.push_back(row_of(ladder.words, *rung, d.sgd()));
  table.push_back(row_of("+g, half the epochs", d.half(), d.sgd()));
  lab.table(text("Means over ", d.plan().seeds, " seeds with 95% Student-t intervals (the paper prints 68%), ",
                 d.plan().epochs,
                 " epochs. Rho is a radius, but for -lr v a factor. +g and -g take two gradients a "
                 "step, all others one; the last line gives SAM the others' gradient evaluations. \"Rises\": "
                 "loss(w + e) > loss(w) on the batch."),
            table);
  const Runs &msam = d.best("along-momentum"), &last = d.best("along-last-gradient");
  lab.say(text("Radii chosen by validation loss: SAM ", rho_of(d.best("along-gradient")), ", MSAM ", rho_of(msam),
               ", -last gradient ", rho_of(last), ". At equal epochs MSAM minus SAM: test loss ",
               difference_text(msam.minus(d.best("along-gradient"), test_loss)),
               "; at equal gradient evaluations (SAM at the same radius with half the epochs): ",
               difference_text(msam.minus(d.half(), test_loss)), "."));
  lab.say(text("These runs share one learning rate, ", d.sgd().setting.value_text("lr"),
               ", so that only the direction differs. It is not the one at which SGD's loss is lowest: that is ",
               d.sgd_by_loss().setting.value_text("lr"),
               " by validation loss. Against SGD with that one, test loss of MSAM ",
               difference_text(msam.minus(d.sgd_by_loss(), test_loss)), " and of SAM ",
               difference_text(d.best("along-gradient").minus(d.sgd_by_loss(), test_loss)), ", instead of ",
               difference_text(msam.minus(d.sgd(), test_loss)), " and ",
               difference_text(d.best("along-gradient").minus(d.sgd(), test_loss)),
               ". What lies between the two pairs of numbers comes from the choice of the learning rate."));
  lab.say(
      text("An open comparison: the paper finds the last gradient worse than the momentum. Here, each at its own "
           "radius, -last gradient minus MSAM: test loss ",
           difference_text(last.minus(msam, test_loss)), ", accuracy ",
           difference_text(last.minus(msam, test_accuracy), 100), " points."));
  const Runs& back = d.best("along-momentum", -1);
  lab.say(
      text("The other sign: +v at the best of its radii, ", -rho_of(back), ", minus SGD: test loss ",
           difference_text(back.minus(d.sgd(), test_loss)), ", accuracy ",
           difference_text(back.minus(d.sgd(), test_accuracy), 100),
           " points. Where this lowers the test loss: so does much that slows the fit; a lower test loss alone is no "
           "proof of a better direction."));
  const Runs& random = d.at("along-random", control_radius(d));
  lab.say(text("The control: random at rho ", rho_of(random), " minus SGD: test loss ",
               difference_text(random.minus(d.sgd(), test_loss)), "."));
}

// ---- figures

Series series_of(const std::string& label, const std::string& style, const std::vector<const Runs*>& rungs,
                 const OfRun& reading, double scale = 1) {
  Series s{
      .label = label, .style = style, .x = {}, .y = {}, .low = {}, .high = {}, .draw = Series::Draw::line_and_points};
  for (const Runs* rung : rungs) {
    const Interval interval = rung->mean_of_all(reading);
    s.x.push_back(std::abs(rho_of(*rung)));
    s.y.push_back(scale * interval.mean);
    if (rung->results.size() > 2) s.low.push_back(scale * interval.low()), s.high.push_back(scale * interval.high());
  }
  return s;
}

/// Vertical lines where rungs diverged.
std::vector<Rule> diverged_rules(const std::vector<const Runs*>& rungs) {
  std::vector<Rule> rules;
  for (const Runs* rung : rungs)
    if (rung->diverged() > 0) rules.push_back({Rule::Along::x, std::abs(rho_of(*rung)), "diverged"});
  return rules;
}

Panel sweep_panel(const Directions& d, int sign, bool factors, const OfRun& reading, const std::string& title,
                  const std::string& y_title) {
  Panel panel{.title = title, .x_title = factors ? "factor rho" : "|rho|", .y_title = y_title};
  panel.log_x = panel.log_y = true;
  for (const Ladder& ladder : d.plan().ladders) {
    if (ladder.sign != sign || (ladder.optimizer == "along-lr-momentum") != factors) continue;
    const std::vector<const Runs*> rungs = d.of(ladder);
    panel.series.push_back(series_of(ladder.words, ladder.optimizer, rungs, reading));
    for (const Rule& rule : diverged_rules(rungs)) panel.rules.push_back(rule);
  }
  const double sgd = d.sgd().mean(reading).mean;
  panel.rules.push_back({Rule::Along::y, sgd, "SGD"});
  panel.x_range = factors ? Span{0.5, 60} : Span{0.04, 2.5};
  return panel;
}

void draw_sweep(Lab& lab, const Directions& d) {
  std::vector<Panel> panels;
  for (const bool test : {true, false}) {
    const OfRun reading = test ? test_loss : train_loss;
    const std::string y = test ? "test loss" : "train loss";
    panels.push_back(sweep_panel(d, -1, false, reading, "rho < 0", y));
    panels.push_back(sweep_panel(d, +1, false, reading, "rho > 0", y));
    panels.push_back(sweep_panel(d, +1, true, reading, "scaled by lr", y));
    double low = INFINITY, high = 0;
    for (size_t i = panels.size() - 3; i < panels.size(); ++i)
      for (const Series& s : panels[i].series)
        for (double value : s.y)
          if (std::isfinite(value)) low = std::min(low, value), high = std::max(high, value);
    const double sgd = d.sgd().mean(reading).mean;
    for (size_t i = panels.size() - 3; i < panels.size(); ++i)
      panels[i].y_range = Span{0.93 * std::min(low, sgd), 1.07 * std::max(high, sgd)};
  }
  lab.figure(
      "sweep",
      line_figure("sweep", "Where the gradient is taken, and what comes of it", panels, 3,
                  text("Means over ", d.plan().seeds, " seeds", d.plan().seeds > 2 ? ", bands are 95% intervals" : "",
                       ". Left: the directions reversed.")),
      "Test and training loss at the end against the signed radius, on a logarithmic axis." +
          lab.as_stated(" MSAM's small radii lower the training loss, as Nesterov does; larger ones raise it and lower "
                        "the test loss."));
}

/// Means over twenty equal parts of training and over seeds.
Series over_training(const std::string& label, const std::string& style, const Runs& rung, int64_t steps) {
  constexpr int64_t parts = 20;
  std::vector<std::vector<double>> values(parts, std::vector<double>(rung.results.size()));
  for (size_t seed = 0; seed < rung.results.size(); ++seed) {
    std::vector<double> count(parts);
    const std::vector<double>&step = rung.results[seed].seen.at("step"),
          &cosines = rung.results[seed].seen.at("cosine");
    for (size_t i = 0; i < step.size(); ++i) {
      const auto part = static_cast<size_t>((static_cast<int64_t>(step[i]) - 1) * parts / steps);
      if (!std::isnan(cosines[i])) values[part][seed] += cosines[i], count[part] += 1;
    }
    for (size_t part = 0; part < parts; ++part) values[part][seed] /= count[part];
  }
  Series s{.label = label, .style = style, .x = {}, .y = {}, .low = {}, .high = {}};
  for (int64_t part = 0; part < parts; ++part) {
    const Interval interval = interval_95(values[static_cast<size_t>(part)]);
    s.x.push_back((static_cast<double>(part) + 0.5) / parts * 100);
    s.y.push_back(interval.mean), s.low.push_back(interval.low()), s.high.push_back(interval.high());
  }
  return s;
}

void draw_steps(Lab& lab, const Directions& d) {
  Panel rising{
      .title = "does the loss rise there?", .x_title = "rho", .y_title = "% of steps with loss(w + e) > loss(w)"};
  rising.log_x = true, rising.y_range = Span{0, 103};
  for (const Ladder& ladder : d.plan().ladders)
    if (ladder.sign > 0 && ladder.optimizer != "along-lr-momentum")
      rising.series.push_back(series_of(ladder.words, ladder.optimizer, d.of(ladder), share_rising, 100));
  for (Series& s : rising.series) s.low.clear(), s.high.clear();
  rising.rules.push_back({Rule::Along::y, 50, "half"});
  Panel against{
      .title = "does the momentum point along the new gradient?", .x_title = "% of training", .y_title = "cos(v, g)"};
  const Runs& msam = d.best("along-momentum");
  against.series = {over_training("SGD", "sgd", d.sgd_steps(), d.steps()),
                    over_training("", "along-momentum", msam, d.steps())};
  against.rules.push_back({Rule::Along::y, 0, ""});
  lab.figure(
      "steps",
      line_figure("steps", "What a step sees", {rising, against}, 2,
                  text("Right: SGD, and MSAM with rho ", rho_of(msam), "; means over seeds, bands are 95% intervals.")),
      "Left: the share of steps in which the batch's loss at w + e is above that at w. Right: the cosine between "
      "the momentum and the gradient of the next batch: for SGD at w, where below zero means that the last step has "
      "overshot; for MSAM at w + e, where curvature alone can make it negative.");
}

/// "distance" or "cosine" of likeness(), for one of the radii.
Interval likeness_of(const Directions& d, const std::string& name, size_t radius) {
  return d.likenesses().mean([&](const RunResult& run) { return run.seen.at(name)[radius]; });
}

void draw_likeness(Lab& lab, const Directions& d) {
  const auto series = [&](const std::string& name) {
    Series s{.label = "",
             .style = "along-momentum",
             .x = d.msam_rhos(),
             .y = {},
             .low = {},
             .high = {},
             .draw = Series::Draw::line_and_points};
    for (size_t i = 0; i < d.msam_rhos().size(); ++i) {
      const Interval interval = likeness_of(d, name, i);
      s.y.push_back(interval.mean), s.low.push_back(interval.low()), s.high.push_back(interval.high());
    }
    return s;
  };
  Panel distance{.title = "distance, relative to SAM's part",
                 .x_title = "rho of MSAM",
                 .y_title = "|P g_msam - P g_sam| / |P g_sam|"};
  Panel cosines{.title = "cosine", .x_title = "rho of MSAM", .y_title = "cos(P g_msam, P g_sam)"};
  distance.log_x = distance.log_y = cosines.log_x = true;
  distance.series = {series("distance")};
  cosines.series = {series("cosine")};
  cosines.y_range = Span{-0.1, 0.6};
  distance.rules = {{Rule::Along::y, 1, "SGD's gradient"}};
  for (Panel* panel : {&distance, &cosines})
    panel->rules.push_back({Rule::Along::x, rho_of(d.best("along-momentum")), "best rho"});
  lab.figure("likeness",
             line_figure("likeness", "How much MSAM's gradient is like SAM's", {distance, cosines}, 2,
                         text("P: perpendicular to the plain gradient. SAM with rho ", rho_of(d.best("along-gradient")),
                              ". Means over seeds, bands are 95% intervals.")),
             "What MSAM's gradient adds to the plain one, compared with what SAM's adds, along a training of SGD.");
}

// ---- stated figures

/// The lowest test loss lies inside the grid: both SGD (rho = 0) and the largest radius do worse.
void expect_u_shape(Lab& lab, const Directions& d, const std::string& name, const std::string& optimizer) {
  const Runs &best = d.best(optimizer), &largest = *d.of(optimizer, +1).back();
  const double loss = best.mean(test_loss).mean;
  const std::string claim = name + ": test loss of ";
  const std::string chosen = text(" over that of the chosen rho, ", rho_of(best));
  lab.expect(claim + "SGD" + chosen, d.sgd().mean(test_loss).mean / loss, at_least(lab.quick() ? 1.02 : 1.05));
  lab.expect(claim + text("rho ", rho_of(largest)) + chosen, largest.mean_of_all(test_loss).mean / loss,
             at_least(1.02));
}

void expect_all(Lab& lab, const Directions& d) {
  expect_u_shape(lab, d, "SAM", "along-gradient");
  expect_u_shape(lab, d, "MSAM", "along-momentum");
  const auto accuracies = [&](double rho) {
    std::vector<double> points;
    for (const RunResult& run : d.at("along-momentum", rho).results)
      points.push_back(run.diverged() ? 10 : 100 * run.last().test_accuracy);  // a diverged network guesses
    return points;
  };
  lab.expect("accuracy of -v minus that of +v, both at rho 0.5, points",
             paired_difference(accuracies(0.5), accuracies(-0.5)).mean, at_least(10));
  lab.expect("mean cos(v, g) in SGD's training (overshoot on the whole): upper end of its 95% interval",
             d.sgd_steps().mean(cosine).high(), at_most(0));
  double rising = 1;
  for (const Runs* rung : d.of("along-momentum", +1)) {
    const double share = rung->mean_of_all(share_rising).mean;  // NaN where a run diverged, and that is to be seen
    if (rho_of(*rung) <= 1 && (share < rising || std::isnan(share))) rising = share;
  }
  lab.expect("MSAM, rho 0.1 to 1: smallest share of steps with loss(w + e) > loss(w)", rising,
             at_least(lab.quick() ? 0.75 : 0.8));
  const double rho = control_radius(d);
  if (!lab.quick())  // the interval of two seeds says nothing
    lab.expect(text("random minus MSAM, both at rho ", rho, ": lower end of the 95% interval in test loss"),
               d.at("along-random", rho).minus(d.at("along-momentum", rho), test_loss).low(), at_least(0));
  int64_t diverged = 0;
  for (const Runs* rung : d.of("along-lr-momentum", +1)) diverged += rung->diverged() > 0 ? 1 : 0;
  lab.expect("rungs of the ladder scaled by lr that diverge", static_cast<double>(diverged), at_least(1));
}

void report_steps(Lab& lab, const Directions& d) {
  lab.say(text("cos(v, g) in SGD's training, over ", d.sgd_steps().results.size(), " seeds: mean ",
               interval_text(d.sgd_steps().mean(cosine)), ", negative in ",
               fixed(100 * d.sgd_steps().mean(share_against).mean, 0), "% of the steps looked at."));
  Table table{{"MSAM, rho", "loss rises, % of steps", "mean rise"}};
  for (const Runs* rung : d.of("along-momentum", +1))
    table.push_back(
        {number_text(rho_of(*rung)), fixed(100 * rung->mean(share_rising).mean, 1), interval_text(rung->mean(rise))});
  lab.table("The loss at w + e above that at w, over every tenth step:", table);
}

std::string beside(double rho_0, double rho) {
  return text("rho_0 = ", rho_0, ", ", fixed(std::max(rho_0 / rho, rho / rho_0), 1), " times ",
              rho_0 < rho ? "below" : "above", " MSAM's best radius");
}

void report_likeness(Lab& lab, const Directions& d) {
  Table table{{"rho of MSAM", "distance", "cosine"}};
  std::vector<double> distances, cosines;
  for (size_t i = 0; i < d.msam_rhos().size(); ++i) {
    const Interval distance = likeness_of(d, "distance", i);
    const Interval cosine = likeness_of(d, "cosine", i);
    table.push_back({number_text(d.msam_rhos()[i]), interval_text(distance), interval_text(cosine)});
    distances.push_back(distance.mean), cosines.push_back(cosine.mean);
  }
  lab.table("MSAM's gradient beside SAM's, both without their part along the plain gradient:", table);
  const auto nearest = std::min_element(distances.begin(), distances.end()) - distances.begin();
  const auto likest = std::max_element(cosines.begin(), cosines.end()) - cosines.begin();
  const std::vector<double>& rhos = d.msam_rhos();
  const auto found = [&](ptrdiff_t at) {
    const bool edge = at == 0 || at + 1 == std::ssize(rhos);
    return beside(rhos[static_cast<size_t>(at)], rho_of(d.best("along-momentum"))) +
           (edge ? " (at the edge of what was tried)" : "");
  };
  const double least = distances[static_cast<size_t>(nearest)];
  lab.say(text("Most alike by distance at ", found(nearest), ", by cosine at ", found(likest),
               ". The paper finds the two close together; within a factor of 3 would agree with it. A distance of 1 is "
               "that of SGD's own gradient, so only what is clearly below 1 is likeness: the least here is ",
               fixed(least, 3), ". Reported, not a stated figure."));
}

void directions(Lab& lab) {
  data.take(lab);
  Directions d(lab, plan(lab.quick()), data.load_with_validation());
  const Problem& problem = d.images().problem;
  lab.say(text(problem.data, ": ", problem.train.size(), " training samples, ", d.images().validation.size(),
               " others for validation, ", problem.test.size(), " for testing; ", problem.model, ", batches of ",
               problem.batch, "."));
  lab.heading("Learning rate");
  d.choose_lr();
  d.more_of_sgd();
  lab.heading("Directions and radii");
  d.sweep();
  d.half_the_epochs();
  show_results(lab, d);
  draw_sweep(lab, d);
  lab.heading("What a step sees");
  report_steps(lab, d);
  draw_steps(lab, d);
  lab.heading("Is MSAM's gradient like SAM's?");
  d.compare_gradients();
  report_likeness(lab, d);
  draw_likeness(lab, d);
  expect_all(lab, d);
}

}  // namespace

int main(int argc, char** argv) {
  return run_lab(argc, argv, about, directions, [](CommandLine& line) { data.add_to(line); });
}
