// lab1_surfaces: paths of the optimizers on losses of two weights, one step as a table, and a valley of flat and sharp
// minima. A surface of your own is one function: own_loss() below, then  lab1_surfaces --surfaces own
//   lab1_surfaces --surfaces beale --start 0,-1 --optimizers momentum,adam
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "examples/common/lab.h"
#include "examples/common/statistics.h"
#include "examples/common/surface.h"

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

/// "momentum" and "gd" are SGD with and without; sam and msam wrap SGD with momentum; no weight decay.
MakeOptimizer maker(const std::string& name, double lr, double rho) {
  return [=](std::vector<Variable> weights) {
    const std::string known = name == "gd" || name == "momentum" ? "sgd" : name;
    optim::Settings settings{.lr = lr, .momentum = name == "gd" ? 0 : options.momentum, .weight_decay = 0};
    if (optim::is_wrapper(known)) settings.rho = rho;
    return optim::make_optimizer(known, std::move(weights), settings);
  };
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
    const auto optimizer = maker(name, 0.02, 0.1)({x, y});
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

constexpr int trials = 25;
double trial_lr(int i) { return std::pow(10, -4 + i / 6.0); }  // 0.0001 to 1, six a decade

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
    const auto path = descend(surface, maker(name, lr, options.rho), steps_of(name));
    const double reached = score(surface, path, steps_of(name));
    lab.record("tuning", {{"surface", surface.name}, {"optimizer", name}, {"lr", lr}, {"loss", reached}});
    if (i == 0 || reached < best.score)
      best.lr = lr, best.score = reached, best.path = path, best.at_edge = i == 0 || i + 1 == trials;
    if (options.lr > 0) break;
  }
  return best;
}

std::string short_number(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.2g", value);
  return buffer;
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
      scores.push_back(
          score(surface, descend(surface, maker(t.name, t.lr, options.rho), steps_of(t.name)), steps_of(t.name)));
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
  Table tuning{{"surface", "optimizer", "lr", "steps", "gradients", "reached", "lr at the edge"}};
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
      tuning.push_back({surface.name, optimizer, short_number(t.lr), text(steps_of(optimizer)), text(options.gradients),
                        short_number(t.score), t.at_edge && options.lr == 0 ? "yes" : ""});
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
  const std::string how =
      options.lr > 0 ? "Learning rate as given."
                     : text("Learning rates tuned for each optimizer: the same ", trials, " values from 0.0001 to 1.");
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

// ---- the valley

struct Walk {
  std::string label, style, optimizer;
  double rho;
};

double curvature(const PathPoint& p) { return p.x * p.x + p.y * p.y; }

/// Every step at first, then ever fewer: for a logarithmic axis.
std::vector<size_t> drawn_steps(size_t size) {
  std::vector<size_t> steps;
  for (size_t i = 1; i < size; i += 1 + i / 60) steps.push_back(i);
  if (steps.back() != size - 1) steps.push_back(size - 1);
  return steps;
}

Series curvature_series(const Walk& walk, const std::vector<PathPoint>& path) {
  Series series{.label = walk.label, .style = walk.style};
  if (walk.rho < 0) series.draw = Series::Draw::points;  // it jumps
  for (size_t i : drawn_steps(path.size()))
    series.x.push_back(static_cast<double>(i)), series.y.push_back(curvature(path[i]));
  return series;
}

/// The largest loss since the point before, so that cycles do not fill the picture.
Series loss_series(const Walk& walk, const std::vector<PathPoint>& path) {
  Series series{.label = walk.label, .style = walk.style};
  if (walk.rho < 0) series.draw = Series::Draw::points;
  size_t before = 0;
  for (size_t i : drawn_steps(path.size())) {
    double largest = 1e-12;
    for (; before < i; ++before) largest = std::max(largest, path[before + 1].loss);
    series.x.push_back(static_cast<double>(i)), series.y.push_back(largest);
  }
  return series;
}

/// Curvature of momentum with a noisy label, one walk a seed.
std::vector<std::vector<PathPoint>> noisy_walks(Lab& lab, int seeds, int64_t steps) {
  std::vector<std::vector<PathPoint>> walks;
  for (int seed = 1; seed <= seeds; ++seed) {
    lab.stop_if_interrupted();
    walks.push_back(descend(valley(), maker("momentum", 0.02, 0), steps,
                            valley_with_noisy_label(0.1, static_cast<uint64_t>(seed))));
  }
  return walks;
}

Interval curvature_after(const std::vector<std::vector<PathPoint>>& walks, size_t step) {
  std::vector<double> values;
  for (const auto& walk : walks) values.push_back(curvature(walk.at(step)));
  return interval_95(values);
}

void draw_valley(Lab& lab, const std::vector<Walk>& walks, const std::vector<std::vector<PathPoint>>& paths,
                 const std::vector<std::vector<PathPoint>>& noisy) {
  Map whole = map_of(valley());
  whole.title = "5,000 steps";
  Map near = whole;
  near.title = "the first 12 steps of SAM and MSAM, rho 0.1";
  near.x = {2.7, 3.2}, near.y = {0, 0.65};
  Surface zoom = valley();
  zoom.x = near.x, zoom.y = near.y;
  near.values = map_of(zoom).values;
  near.levels = {0.02, 0.1, 0.2, 0.4};
  for (size_t i = 0; i < walks.size(); ++i) whole.paths.push_back(path_of(walks[i].label, walks[i].style, paths[i]));
  for (const std::string name : {"sam", "msam"})
    near.paths.push_back(path_of(name + " rho 0.1", name, descend(valley(), maker(name, 0.02, 0.1), 12), 1));
  lab.figure("valley", map_figure("valley", "The valley (xy - 1)^2 / 2, lr 0.02, momentum 0.9", {whole, near}, 2),
             "The valley: all of xy = 1 has loss 0; the flattest point is (1, 1).");

  Panel flatness{.title = "curvature x^2 + y^2", .x_title = "step", .log_x = true};
  Panel loss{
      .title = "largest loss since the point before (log scale)", .x_title = "step", .log_x = true, .log_y = true};
  for (size_t i = 0; i < walks.size(); ++i) {
    flatness.series.push_back(curvature_series(walks[i], paths[i]));
    loss.series.push_back(loss_series(walks[i], paths[i]));
  }
  Series noise{.label = "momentum, noisy label", .style = "momentum'"};
  for (size_t i : drawn_steps(noisy[0].size())) {
    const Interval at = curvature_after(noisy, i);
    noise.x.push_back(static_cast<double>(i)), noise.y.push_back(at.mean);
    noise.low.push_back(at.low()), noise.high.push_back(at.high());
  }
  flatness.series.push_back(noise);
  flatness.rules = {{Rule::Along::y, 2, "the flattest minimum"}};
  lab.figure("valley_steps",
             line_figure("valley_steps", "In the valley", {flatness, loss}, 2,
                         text("Noisy label: standard deviation 0.1, a new one each step; mean over ", noisy.size(),
                              " seeds, band: 95% interval of the mean. Losses below 1e-12 are drawn there.")),
             "What the loss does not show: SAM, MSAM and noise go on towards the flattest minimum.");
}

void show_valley(Lab& lab) {
  lab.heading("The valley: which minimum?");
  const std::vector<Walk> walks{{"momentum", "momentum", "momentum", 0},  {"nesterov", "nesterov", "nesterov", 0},
                                {"sam rho 0.05", "sam'", "sam", 0.05},    {"sam rho 0.1", "sam", "sam", 0.1},
                                {"msam rho 0.05", "msam'", "msam", 0.05}, {"msam rho 0.1", "msam", "msam", 0.1},
                                {"msam rho -0.1", "msam''", "msam", -0.1}};
  constexpr int64_t steps = 5000;
  Table table{{"optimizer", "x", "y", "curvature", "loss, last", "loss, largest of the last 100"}};
  std::vector<std::vector<PathPoint>> paths;
  std::map<std::string, double> restless;
  for (const Walk& walk : walks) {
    lab.stop_if_interrupted();
    paths.push_back(descend(valley(), maker(walk.optimizer, 0.02, walk.rho), steps));
    const auto& path = paths.back();
    for (size_t i = path.size() - 100; i < path.size(); ++i)
      restless[walk.label] = std::max(restless[walk.label], path[i].loss);
    table.push_back({walk.label, fixed(path.back().x, 4), fixed(path.back().y, 4), fixed(curvature(path.back()), 3),
                     short_number(path.back().loss), short_number(restless[walk.label])});
    for (size_t i : drawn_steps(path.size()))
      lab.record("valley", {{"optimizer", walk.optimizer},
                            {"rho", walk.rho},
                            {"step", static_cast<int64_t>(i)},
                            {"x", path[i].x},
                            {"y", path[i].y},
                            {"loss", path[i].loss},
                            {"curvature", curvature(path[i])}});
  }
  lab.table("After 5,000 steps from (3, 0.5), lr 0.02, momentum 0.9, no noise:", table);

  const auto noisy = noisy_walks(lab, lab.quick() ? 10 : 40, steps);
  const Interval early = curvature_after(noisy, 500), late = curvature_after(noisy, 5000);
  lab.say(
      text("With a noisy label (standard deviation 0.1), momentum alone drifts to flatter minima as well, slowly: "
           "curvature ",
           interval_text(early), " after 500 steps, ", interval_text(late), " after 5,000 (mean over ", noisy.size(),
           " seeds, 95% interval). Noise is itself a bias towards flatness."));
  draw_valley(lab, walks, paths, noisy);

  const auto curvature_is = [&](const std::string& label, double expected, double tolerance) {
    size_t walk = 0;
    while (walks[walk].label != label) ++walk;
    double farthest = expected;
    for (size_t i = paths[walk].size() - 100; i < paths[walk].size(); ++i)
      if (const double c = curvature(paths[walk][i]); std::abs(c - expected) > std::abs(farthest - expected))
        farthest = c;
    lab.expect("valley, curvature in the last 100 steps, farthest: " + label, farthest, within(expected, tolerance));
  };
  curvature_is("momentum", 8.51, 0.01);
  curvature_is("nesterov", 8.80, 0.01);
  curvature_is("sam rho 0.05", 2, 0.01);
  curvature_is("msam rho 0.05", 2, 0.01);
  curvature_is("sam rho 0.1", 2, 0.02);
  curvature_is("msam rho 0.1", 2, 0.02);
  lab.expect("valley, msam rho -0.1 does not settle: largest of the last 100 losses", restless.at("msam rho -0.1"),
             at_least(0.02));
  lab.expect("valley, msam rho 0.1: largest of the last 100 losses", restless.at("msam rho 0.1"), at_most(1e-3));
  lab.expect("valley, momentum with a noisy label: curvature after 500 steps", early.mean, within(6.9, 0.1));
  lab.expect("valley, momentum with a noisy label: curvature after 5,000 steps", late.mean, within(2.3, 0.1));
}

void check_options() {
  if (!(options.lr >= 0 && std::isfinite(options.lr))) fail("--lr", number_text(options.lr), "0 (tuned) or more");
  if (!(options.momentum > 0 && options.momentum < 1))
    fail("--momentum", number_text(options.momentum), "a number between 0 and 1");
  if (options.gradients < 20 || options.gradients > 1000000)
    fail("--gradients", text(options.gradients), "20 to 1,000,000");
  for (const std::string& name : options.surfaces) chosen_surface(name);
  const Variable weight(Tensor::full({1}, 1.0, DType::float64), requires_grad);
  for (const std::string& name : options.optimizers) maker(name, 0.1, options.rho)({weight});
}

void lab1(Lab& lab) {
  check_options();
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
