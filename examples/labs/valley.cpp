#include "examples/labs/valley.h"

#include <algorithm>
#include <cmath>

#include "examples/kit/statistics.h"
#include "examples/labs/surfaces.h"

namespace minima::examples {

namespace {

MakeOptimizer walker(const std::string& name, double rho) {
  return optimizer_called(name, {{"lr", 0.02}, {"momentum", 0.9}, {"rho", rho}});
}

struct Walk {
  std::string label, style, optimizer;
  double rho;
};

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
    series.x.push_back(static_cast<double>(i)), series.y.push_back(curvature_of(path[i]));
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
    walks.push_back(
        descend(valley(), walker("momentum", 0), steps, valley_with_noisy_label(0.1, static_cast<uint64_t>(seed))));
  }
  return walks;
}

Interval curvature_after(const std::vector<std::vector<PathPoint>>& walks, size_t step) {
  std::vector<double> values;
  for (const auto& walk : walks) values.push_back(curvature_of(walk.at(step)));
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
    near.paths.push_back(path_of(name + " rho 0.1", name, descend(valley(), walker(name, 0.1), 12), 1));
  lab.figure("valley", map_figure("valley", "The valley (xy - 1)^2 / 2, lr 0.02, momentum 0.9", {whole, near}, 2),
             "The valley: all of xy = 1 has loss 0; the flattest point is (1, 1).");

  Panel flatness{.title = "curvature (largest eigenvalue)", .x_title = "step", .log_x = true};
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

}  // namespace

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
    paths.push_back(descend(valley(), walker(walk.optimizer, walk.rho), steps));
    const auto& path = paths.back();
    for (size_t i = path.size() - 100; i < path.size(); ++i)
      restless[walk.label] = std::max(restless[walk.label], path[i].loss);
    table.push_back({walk.label, fixed(path.back().x, 4), fixed(path.back().y, 4), fixed(curvature_of(path.back()), 3),
                     short_text(path.back().loss), short_text(restless[walk.label])});
    for (size_t i : drawn_steps(path.size()))
      lab.record("valley", {{"optimizer", walk.optimizer},
                            {"rho", walk.rho},
                            {"step", static_cast<int64_t>(i)},
                            {"x", path[i].x},
                            {"y", path[i].y},
                            {"loss", path[i].loss},
                            {"curvature", curvature_of(path[i])}});
  }
  lab.table(
      "After 5,000 steps from (3, 0.5), lr 0.02, momentum 0.9, no noise. The curvature is the largest eigenvalue of "
      "the "
      "Hessian, x^2 + y^2 where xy = 1:",
      table);

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
      if (const double c = curvature_of(paths[walk][i]); std::abs(c - expected) > std::abs(farthest - expected))
        farthest = c;
    lab.expect_always("valley, curvature in the last 100 steps, farthest: " + label, farthest,
                      within(expected, tolerance));
  };
  curvature_is("momentum", 8.51, 0.01);
  curvature_is("nesterov", 8.80, 0.01);
  curvature_is("sam rho 0.05", 2, 0.01);
  curvature_is("msam rho 0.05", 2, 0.01);
  curvature_is("sam rho 0.1", 2, 0.04);
  curvature_is("msam rho 0.1", 2, 0.04);
  lab.expect_always("valley, msam rho -0.1 does not settle: largest of the last 100 losses",
                    restless.at("msam rho -0.1"), at_least(0.02));
  lab.expect_always("valley, msam rho 0.1: largest of the last 100 losses", restless.at("msam rho 0.1"), at_most(1e-3));
  lab.expect_always("valley, momentum with a noisy label: curvature after 500 steps", early.mean, within(6.9, 0.1));
  lab.expect_always("valley, momentum with a noisy label: curvature after 5,000 steps", late.mean, within(2.3, 0.1));
}

}  // namespace minima::examples
