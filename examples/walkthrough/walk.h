// What the walkthrough's programs share: their options, output in paragraphs, losses to walk on, one optimizer step as
// a table. The chapters in docs/walkthrough quote the paragraphs, and a test compares: no times and no paths in them.
// Not here: drawing (plot.h), paths on surfaces (surface.h).
#pragma once

#include <cmath>
#include <cstdio>

#include "core/ops.h"
#include "examples/kit/metrics.h"
#include "examples/kit/plot.h"
#include "examples/kit/program.h"
#include "examples/walkthrough/surface.h"
#include "optim/make.h"

namespace minima::examples {

class Walk {
 public:
  Walk(std::string out, bool numbers_only) : out_(std::move(out)), numbers_only_(numbers_only) {}

  /// A heading, what belongs under it, and an empty line.
  void paragraph(const std::string& heading, const std::string& body) const {
    std::printf("%s\n%s%s\n", heading.c_str(), body.c_str(), body.empty() || body.back() == '\n' ? "" : "\n");
  }
  void paragraph(const std::string& heading, const Table& table) const { paragraph(heading, aligned(table)); }

  /// Draws OUT/NAME.svg from a script of plot.h.
  void figure(const std::string& name, const std::string& script) const {
    if (numbers_only_) return;
    const std::string problem = draw(out_, figure_name(name), script);
    if (problem.empty())
      std::printf("figure: %s/%s.svg\n", out_.c_str(), figure_name(name).c_str());
    else
      std::printf("no figure: %s\n", problem.c_str());
  }

 private:
  std::string out_;
  bool numbers_only_;
};

/// A program's main().
inline int run_walk(int argc, const char* const* argv, const std::string& name, const std::string& about,
                    const std::function<void(const Walk&)>& body) {
  return run_program([&] {
    std::string out = "runs/" + name;
    bool numbers_only = false, narrow = false;
    CommandLine command_line(name, about);
    command_line.option("--out", out, "folder for the figures, as .svg and as .gp to edit and rerun");
    command_line.flag("--numbers-only", numbers_only, "draw no figures");
    command_line.flag("--narrow", narrow, "draw the figures as a phone shows them");
    if (!command_line.parse(argc, argv)) return 0;
    if (!numbers_only) make_output_directory(out);
    make_narrow_figures(narrow);
    body(Walk(out, numbers_only));
    return 0;
  });
}

/// An optimizer of optim/make.h without weight decay. momentum is beta1 for Adam; rho counts for wrappers only.
inline MakeOptimizer method(const std::string& name, optim::Schedule lr, double momentum = 0, double rho = 0) {
  Setting setting{.optimizer = name, .hyperparameters = {{"momentum", momentum}, {"weight_decay", 0}}};
  if (optim::is_wrapper(name)) setting.hyperparameters["rho"] = rho;
  return [=](std::vector<Variable> weights) { return optimizer_of(setting, std::move(weights), lr, /*seed=*/0); };
}

/// (curvature_x x^2 + curvature_y y^2) / 2: each weight for itself, with its own curvature.
inline Surface bowl(double curvature_x, double curvature_y, double height = 1.2) {
  return {.name = "bowl",
          .loss = [=](const Variable& x,
                      const Variable& y) { return (curvature_x * square(x) + curvature_y * square(y)) / 2; },
          .start_x = 2,
          .start_y = 0.8,
          .x = {-2.4, 2.4},
          .y = {-height, height},
          .levels = {0.1, 0.5, 1, 2, 4, 8, 16},
          .lr = 0.1};
}

/// A weight of its own.
inline Variable weight(double value) { return {Tensor::from(std::vector<double>{value}), requires_grad}; }

/// The surface with another start.
inline Surface from(Surface surface, double x, double y) {
  surface.start_x = x, surface.start_y = y;
  return surface;
}

/// What an optimizer's step calls: the loss, after its backward pass.
inline optim::Closure closure_of(const std::function<Variable()>& loss) {
  return [loss] {
    Variable value = loss();
    value.backward();
    return value;
  };
}

/// A map with the walkthrough's names of the weights.
inline Map map_with(const Surface& surface, const std::string& title, const std::vector<Path>& paths) {
  Map map = map_of(surface);
  map.title = title, map.x_title = "w1", map.y_title = "w2";
  map.paths.insert(map.paths.end(), paths.begin(), paths.end());
  return map;
}

/// The step after `steps` steps from the surface's start, as a table.
inline Table table_of_step(const Surface& surface, const MakeOptimizer& make, int64_t steps) {
  const Variable x = weight(surface.start_x), y = weight(surface.start_y);
  const auto optimizer = make({x, y});
  const optim::Closure closure = closure_of([&] { return surface.loss(x, y); });
  for (int64_t i = 0; i < steps; ++i) optimizer->step(closure);
  return step_table(*optimizer, closure, {"w1", "w2"});
}

/// A quantity of the points of a path against the step, every `every` steps.
inline Series against_step(const std::string& label, const std::string& style, const std::vector<PathPoint>& points,
                           const std::function<double(const PathPoint&)>& quantity, size_t every = 1) {
  Series series{.label = label, .style = style};
  for (size_t i = 0; i < points.size(); i += every) {
    series.x.push_back(static_cast<double>(i));
    series.y.push_back(quantity(points[i]));
  }
  return series;
}

enum class Scale { linear, logarithmic };
/// A panel of quantities against the step.
inline Panel over_steps(const std::string& title, const std::string& y_title, std::vector<Series> series, Span steps,
                        Span range, Scale scale = Scale::linear, std::vector<Rule> rules = {}) {
  return {.title = title,
          .x_title = "step",
          .y_title = y_title,
          .log_y = scale == Scale::logarithmic,
          .series = std::move(series),
          .x_range = steps,
          .y_range = range,
          .rules = std::move(rules)};
}

inline double loss_of(const PathPoint& point) { return point.loss; }
inline double first_weight_of(const PathPoint& point) { return point.x; }
inline double first_size_of(const PathPoint& point) { return std::abs(point.x); }
/// The distance from the origin.
inline double distance_of(const PathPoint& point) { return std::hypot(point.x, point.y); }
/// The first step at whose weights a quantity is at most `bound`.
inline std::string first_step(const std::vector<PathPoint>& points,
                              const std::function<double(const PathPoint&)>& quantity, double bound) {
  for (size_t i = 0; i < points.size(); ++i)
    if (quantity(points[i]) <= bound) return std::to_string(i);
  return "never";
}

}  // namespace minima::examples
