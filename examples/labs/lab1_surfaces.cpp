// lab1_surfaces: paths of the optimizers on losses of two weights, one step as a table, and a valley of flat and sharp
// minima. A surface of your own is one function: own_loss() below, then  lab1_surfaces --surfaces own
//   lab1_surfaces --surfaces beale --start 0,-1 --optimizers momentum,adam
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "examples/labs/lab.h"
#include "examples/labs/surfaces.h"
#include "examples/labs/valley.h"

using namespace minima;
using namespace minima::examples;

namespace {

const LabAbout about{
    .name = "lab1_surfaces",
    .title = "Lab 1. Surfaces and one step",
    .question =
        "(a) On an ellipse with condition number 10, does momentum 0.9 get lower than plain gradient descent? And "
        "with 100? (b) In the valley (xy - 1)^2 / 2 every point of xy = 1 has loss 0. Where on it do SGD with "
        "momentum, Nesterov, SAM and MSAM end, and which of them are still moving after the loss is 0?",
    .refuted_by =
        "SAM or MSAM with rho 0.05 ending in the valley at a curvature clearly above 2, or momentum without "
        "noise ending near 2. A winner on the classic surfaces refutes nothing: it changes with the start."};

/// Your own loss of x and y, here a deep narrow pit beside a wide shallow basin. Its frame is in own_surface().
Variable own_loss(const Variable& x, const Variable& y) {
  const Variable wide = exp(-(square(x + 1) + square(y)) / 1.2), narrow = exp(-8 * (square(x - 1) + square(y)));
  return 1.2 - wide - 1.2 * narrow + (square(x) + square(y)) / 50;
}

Surface own_surface() {
  return {.name = "own",
          .formula = "own_loss()",
          .loss = own_loss,
          .start_x = 1.6,
          .start_y = 1,
          .x = {-2.5, 2.5},
          .y = {-1.5, 1.5},
          .levels = {0.1, 0.3, 0.5, 0.7, 0.9, 1.1, 1.3},
          .lr = 0.05};
}

struct Options {
  std::vector<std::string> surfaces{"ellipse10", "ellipse100", "rosenbrock", "beale", "saddle"};
  std::vector<std::string> optimizers{"gd", "momentum", "nesterov", "adam", "sam", "msam"};
  std::vector<std::string> start;
  double lr = 0, momentum = 0.9, rho = 0.05;
  int64_t gradients = 200;
};
Options options;

MakeOptimizer maker(const std::string& name, double lr) {
  return optimizer_called(name, {{"lr", lr}, {"momentum", options.momentum}, {"rho", options.rho}});
}

double per_step(const std::string& name) {
  return name == "gd" || name == "momentum" ? 1 : optim::gradients_per_step(name);
}

// ---- one step

void show_one_step(Lab& lab) {
  lab.heading("One step of each optimizer, in numbers");
  lab.say(
      "The second step in the valley from (3, 0.5) with learning rate 0.02 and rho 0.1: in the first the momentum "
      "is still zero. e is the perturbation; w afterwards is what you see between steps, never w + e.");
  double worst = 0;
  for (const std::string& name : options.optimizers) {
    const Surface s = valley();
    const Variable x(Tensor::full({1}, s.start_x, DType::float64), requires_grad);
    const Variable y(Tensor::full({1}, s.start_y, DType::float64), requires_grad);
    const auto optimizer = optimizer_called(name, {{"lr", 0.02}, {"rho", 0.1}})({x, y});
    const auto closure = [&] {
      Variable loss = s.loss(x, y);
      loss.backward();
      return loss;
    };
    optimizer->step(closure);
    const Table table = step_table(*optimizer, closure, {"x", "y"});
    lab.table(name, table);
    for (const auto& row : table)
      if (row[0] == "e")
        worst = std::max(worst, std::abs(std::hypot(std::atof(row[1].c_str()), std::atof(row[2].c_str())) - 0.1));
  }
  lab.expect("|e| - rho in the tables of SAM and MSAM (six digits shown)", worst, at_most(1e-6));
}

// ---- classic surfaces

struct Tuned {
  std::string name;
  double lr = 0, score = INFINITY;
  bool at_edge = false;
  std::vector<PathPoint> path;
};

constexpr int trials = 29;
double trial_lr(int i) { return std::pow(10, -4 + i / 6.0); }  // 0.0001 to 4.6, six a decade

int64_t steps_of(const std::string& name) { return static_cast<int64_t>(options.gradients / per_step(name)); }

/// The largest distance from the lowest loss in the last tenth of the path: a lucky last point does not count.
double score(const Surface& surface, const std::vector<PathPoint>& path, int64_t steps) {
  if (static_cast<int64_t>(path.size()) <= steps) return INFINITY;  // diverged
  double worst = 0;
  for (size_t i = path.size() - path.size() / 10 - 1; i < path.size(); ++i)
    worst = std::max(worst, std::isfinite(path[i].loss) ? path[i].loss - surface.lowest : INFINITY);
  return worst;
}

Tuned tune(Lab& lab, const Surface& surface, const std::string& name) {
  Tuned best{.name = name};
  for (int i = 0; i < trials; ++i) {
    lab.stop_if_interrupted();
    const double lr = options.lr > 0 ? options.lr : trial_lr(i);
    const auto path = descend(surface, maker(name, lr), steps_of(name));
    const double reached = score(surface, path, steps_of(name));
    lab.record("tuning", {{"surface", surface.name}, {"optimizer", name}, {"lr", lr}, {"loss", reached}});
    if (i == 0 || reached < best.score)
      best.lr = lr, best.score = reached, best.path = path, best.at_edge = i == 0 || i + 1 == trials;
    if (options.lr > 0) break;
  }
  return best;
}

Panel loss_panel(const Surface& surface, const std::vector<Tuned>& tuned) {
  Panel panel{.title = surface.name, .x_title = "gradient evaluations", .log_y = true};
  for (const Tuned& t : tuned) {
    Series series{.label = t.name, .style = t.name};
    for (size_t i = 0; i < t.path.size(); ++i) {
      series.x.push_back(static_cast<double>(i) * per_step(t.name));
      series.y.push_back(std::max(t.path[i].loss - surface.lowest, 1e-16));
    }
    panel.series.push_back(series);
  }
  return panel;
}

/// From how many of the random starts each optimizer, with the learning rate tuned for the usual start, gets lowest.
std::vector<std::string> wins(Lab& lab, Surface surface, const std::vector<Tuned>& tuned, int starts) {
  std::vector<int> won(tuned.size()), failed(tuned.size());
  for (int i = 0; i < starts; ++i) {
    lab.stop_if_interrupted();
    Generator random{7, static_cast<uint64_t>(i)};
    const std::vector<double> at = random.uniform({2}, 0, 1, DType::float64).to_vector<double>();
    surface.start_x = surface.x.low + at[0] * (surface.x.high - surface.x.low);
    surface.start_y = surface.y.low + at[1] * (surface.y.high - surface.y.low);
    std::vector<double> scores;
    for (const Tuned& t : tuned)
      scores.push_back(score(surface, descend(surface, maker(t.name, t.lr), steps_of(t.name)), steps_of(t.name)));
    const double least = *std::min_element(scores.begin(), scores.end());
    for (size_t k = 0; k < scores.size(); ++k) {
      won[k] += std::isfinite(least) && scores[k] <= std::max(least, 1e-14) ? 1 : 0;
      failed[k] += std::isfinite(scores[k]) ? 0 : 1;
    }
  }
  std::vector<std::string> row{surface.name};
  for (size_t k = 0; k < tuned.size(); ++k)
    row.push_back(text(won[k], failed[k] > 0 ? text(" (", failed[k], " diverged)") : ""));
  return row;
}

Surface chosen_surface(const std::string& name) {
  Surface chosen = name == "own" ? own_surface() : surface(name);
  if (options.start.empty()) return chosen;
  if (options.start.size() != 2) fail("--start", joined(options.start, ","), "two numbers, as in --start 3,0.5");
  double* const to[] = {&chosen.start_x, &chosen.start_y};
  for (int i = 0; i < 2; ++i) {
    char* end = nullptr;
    *to[i] = std::strtod(options.start[i].c_str(), &end);
    if (end == options.start[i].c_str() || *end != '\0' || !std::isfinite(*to[i]))
      fail("--start", options.start[i], "a number, as in --start 3,0.5");
  }
  return chosen;
}

void show_classic_surfaces(Lab& lab) {
  lab.heading("Classic surfaces, every learning rate tuned");
  Table tuning{{"surface", "optimizer", "lr", "steps", "gradients", "reached"}};
  Table winners{{"starts won"}};
  winners[0].insert(winners[0].end(), options.optimizers.begin(), options.optimizers.end());
  std::vector<Map> maps;
  std::vector<Panel> panels;
  const int starts = lab.quick() ? 5 : 40;
  std::map<std::string, double> reached;
  for (const std::string& name : options.surfaces) {
    const Surface surface = chosen_surface(name);
    std::vector<Tuned> tuned;
    maps.push_back(map_of(surface));
    for (const std::string& optimizer : options.optimizers) {
      tuned.push_back(tune(lab, surface, optimizer));
      const Tuned& t = tuned.back();
      maps.back().paths.push_back(path_of(optimizer, optimizer, t.path));
      tuning.push_back({surface.name, optimizer,
                        short_text(t.lr) + (t.at_edge && options.lr == 0 ? ", at the edge" : ""),
                        text(steps_of(optimizer)), text(options.gradients), short_text(t.score)});
      reached[name + " " + optimizer] = t.score;
      for (size_t i = 0; i < t.path.size(); ++i)
        lab.record("paths", {{"surface", name},
                             {"optimizer", optimizer},
                             {"lr", t.lr},
                             {"rho", optim::is_wrapper(optimizer) ? options.rho : 0.0},
                             {"step", static_cast<int64_t>(i)},
                             {"x", t.path[i].x},
                             {"y", t.path[i].y},
                             {"loss", t.path[i].loss}});
    }
    panels.push_back(loss_panel(surface, tuned));
    winners.push_back(wins(lab, surface, tuned, starts));
  }
  const std::string how = options.lr > 0 ? "Learning rate as given."
                                         : text("Learning rates tuned for each optimizer: the same ", trials,
                                                " values from 0.0001 to 4.6.");
  lab.table(text("Tuning. \"reached\" is the largest distance from the lowest loss in the last tenth of ",
                 options.gradients, " gradient evaluations (a step of SAM takes two). rho = ", options.rho,
                 " is given, not tuned: on a surface with one minimum the best rho is 0."),
            tuning);
  lab.figure("paths", map_figure("paths", "Paths. " + how, maps, std::min<int>(3, static_cast<int>(maps.size()))),
             "Paths of " + text(options.gradients) + " gradient evaluations from the marked start. " + how);
  lab.figure(
      "losses",
      line_figure("losses", "Distance from the lowest loss (log scale)", panels,
                  std::min<int>(3, static_cast<int>(panels.size())), how + " Distances below 1e-16 are drawn there."),
      "Loss against gradient evaluations, the same runs: a path shows the way, not the time.");
  lab.table(
      text("From how many of ", starts,
           " random starts in the picture each optimizer gets lowest, with the learning rate tuned for the marked "
           "start (several, if they get below 1e-14). A winner belongs to a start and a budget."),
      winners);
  const auto ratio = [&](const std::string& a, const std::string& b) { return reached.at(a) / reached.at(b); };
  if (options.lr == 0 && reached.contains("ellipse10 gd") && reached.contains("ellipse10 momentum"))
    lab.expect(text("ellipse 10: momentum ", options.momentum, " ends above gradient descent, ratio"),
               ratio("ellipse10 momentum", "ellipse10 gd"), at_least(100));
  if (options.lr == 0 && reached.contains("ellipse100 gd") && reached.contains("ellipse100 momentum"))
    lab.expect(text("ellipse 100: momentum ", options.momentum, " ends below gradient descent, ratio"),
               ratio("ellipse100 momentum", "ellipse100 gd"), at_most(0.01));
}

void check_options() {
  if (!(options.lr >= 0 && std::isfinite(options.lr))) fail("--lr", number_text(options.lr), "0 (tuned) or more");
  if (!(options.momentum > 0 && options.momentum < 1))
    fail("--momentum", number_text(options.momentum), "a number between 0 and 1");
  if (options.gradients < 20 || options.gradients > 1000000)
    fail("--gradients", text(options.gradients), "20 to 1,000,000");
  for (const std::string& name : options.surfaces) chosen_surface(name);
  const Variable weight(Tensor::full({1}, 1.0, DType::float64), requires_grad);
  for (const std::string& name : options.optimizers) maker(name, 0.1)({weight});
}

void lab1(Lab& lab) {
  check_options();
  const Options usual;
  if (options.optimizers != usual.optimizers || options.start != usual.start || options.lr != usual.lr ||
      options.momentum != usual.momentum || options.rho != usual.rho || options.gradients != usual.gradients)
    lab.not_as_stated();
  show_one_step(lab);
  show_classic_surfaces(lab);
  show_valley(lab);
}

}  // namespace

int main(int argc, char** argv) {
  return run_lab(argc, argv, about, lab1, [](CommandLine& line) {
    line.option("--surfaces", options.surfaces, "ellipse10, ellipse100, rosenbrock, beale, saddle, valley, own");
    line.option("--optimizers", options.optimizers, "gd, momentum, or any that minima knows");
    line.option("--start", options.start, "x,y instead of each surface's own start");
    line.option("--lr", options.lr, "learning rate of all; 0: tuned for each");
    line.option("--momentum", options.momentum, "of all that have one");
    line.option("--rho", options.rho, "radius of SAM, MSAM and their kind");
    line.option("--gradients", options.gradients, "gradient evaluations on each surface");
  });
}
