#include "examples/walkthrough/surface.h"

#include <cmath>

#include "examples/kit/metrics.h"

namespace minima::examples {

namespace {

std::vector<double> values_of(const std::vector<Variable>& variables, bool gradients) {
  std::vector<double> values;
  for (const Variable& v : variables) {
    const Tensor tensor = gradients ? v.grad() : v.value();
    const std::vector<double> some = tensor.defined() ? tensor.to_vector<double>() : std::vector<double>(v.numel());
    values.insert(values.end(), some.begin(), some.end());
  }
  return values;
}

}  // namespace

Surface valley() {
  return {.name = "valley",
          .formula = "(xy - 1)^2 / 2",
          .loss = [](const Variable& x, const Variable& y) { return square(x * y - 1) / 2; },
          .start_x = 3,
          .start_y = 0.5,
          .x = {0, 3.6},
          .y = {0, 3},
          .levels = {0.02, 0.1, 0.3, 1, 3, 8, 20},
          .lr = 0.02,
          .minima = [](double x) { return 1 / x; }};
}

std::vector<PathPoint> descend(const Surface& surface, const MakeOptimizer& make, int64_t steps,
                               const StepLoss& step_loss) {
  const Variable x(Tensor::full({1}, surface.start_x, DType::float64), requires_grad);
  const Variable y(Tensor::full({1}, surface.start_y, DType::float64), requires_grad);
  const auto optimizer = make({x, y});
  std::vector<PathPoint> path;
  for (int64_t step = 0; step <= steps; ++step) {
    NoGrad no_grad;
    const double at_x = x.value().item(), at_y = y.value().item();
    path.push_back({at_x, at_y, at_x, at_y, surface.loss(x, y).item()});
    if (step == steps || !std::isfinite(at_x + at_y + path.back().loss)) break;
    EnableGrad enable_grad;
    optimizer->step([&] {
      path.back().gradient_x = x.value().item(), path.back().gradient_y = y.value().item();
      const Variable loss = step_loss ? step_loss(x, y, step) : surface.loss(x, y);
      loss.backward();
      return loss;
    });
  }
  return path;
}

double curvature_of(const PathPoint& point) {
  const double x2 = point.x * point.x, y2 = point.y * point.y;
  return (x2 + y2) / 2 + std::hypot((x2 - y2) / 2, 2 * point.x * point.y - 1);
}

Map map_of(const Surface& surface, int columns, int rows) {
  Map map{.title = surface.name,
          .x_title = "x",
          .y_title = "y",
          .x = surface.x,
          .y = surface.y,
          .columns = columns,
          .rows = rows,
          .levels = surface.levels};
  std::vector<double> xs, ys;
  for (int row = 0; row < rows; ++row)
    for (int column = 0; column < columns; ++column) {
      xs.push_back(surface.x.low + (surface.x.high - surface.x.low) * column / (columns - 1));
      ys.push_back(surface.y.low + (surface.y.high - surface.y.low) * row / (rows - 1));
    }
  NoGrad no_grad;
  map.values = surface.loss(Variable(Tensor::from(xs)), Variable(Tensor::from(ys))).value().to_vector<double>();
  if (!surface.minima) return map;
  Path minima{.label = "minima", .style = "black''", .ends = false};
  for (int column = 0; column < columns; ++column)
    if (const double y = surface.minima(xs[column]); y >= surface.y.low && y <= surface.y.high)
      minima.x.push_back(xs[column]), minima.y.push_back(y);
  map.paths.push_back(minima);
  return map;
}

Path path_of(const std::string& label, const std::string& style, const std::vector<PathPoint>& points, int mark_every) {
  Path path{.label = label, .style = style, .mark_every = mark_every};
  for (const PathPoint& point : points) {
    path.x.push_back(point.x), path.y.push_back(point.y);
    path.perturbed_x.push_back(point.gradient_x), path.perturbed_y.push_back(point.gradient_y);
  }
  return path;
}

Table step_table(optim::Optimizer& optimizer, const optim::Closure& closure, const std::vector<std::string>& names) {
  const std::vector<Variable> parameters = optimizer.parameters();
  Table table{{""}};
  const auto add = [&](const std::string& name, const std::vector<double>& values) {
    table.push_back({name});
    for (double value : values) table.back().push_back(short_text(value, 6));
  };
  const auto add_buffers = [&](const char* when) {
    for (const auto& [name, buffer] : optimizer.buffers()) add(name + when, buffer.to_vector<double>());
  };
  const std::vector<double> start = values_of(parameters, false);
  for (size_t i = 0; i < start.size(); ++i) table[0].push_back(i < names.size() ? names[i] : text(i + 1));
  add("w", start);
  add_buffers("");
  optimizer.step([&] {
    const std::vector<double> here = values_of(parameters, false);
    const bool moved = here != start;
    if (moved) {
      std::vector<double> e = here;
      for (size_t i = 0; i < e.size(); ++i) e[i] -= start[i];
      add("e", e), add("w + e", here);
    }
    Variable loss = closure();
    add(moved ? "gradient at w + e" : "gradient at w", values_of(parameters, true));
    return loss;
  });
  add_buffers(" afterwards");
  add("w afterwards", values_of(parameters, false));
  return table;
}

}  // namespace minima::examples
