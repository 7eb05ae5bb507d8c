// Losses of two weights that can be drawn: where they start, what part of the plane to show, the path that an optimizer
// takes on them, and one step of any optimizer as a table. A surface of one's own is one function.
// Not here: drawing (plot.h).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "examples/kit/plot.h"
#include "examples/kit/setting.h"
#include "examples/kit/table.h"
#include "minima.h"

namespace minima::examples {

struct Surface {
  std::string name, formula;
  std::function<Variable(const Variable& x, const Variable& y)> loss;  ///< of two variables of shape [1], float64
  double start_x, start_y;
  Span x, y;                                 ///< what to draw
  std::vector<double> levels;                ///< contours
  double lr;                                 ///< a learning rate for gradient descent here
  double lowest = 0;                         ///< the loss at its minimum
  std::function<double(double x)> minima{};  ///< y of the minimum at x, where the minima are a curve
};

/// (xy - 1)^2 / 2: every point of xy = 1 is a minimum of loss 0 with curvature x^2 + y^2, the flattest at (1, 1).
Surface valley();

/// How an optimizer is made for the two weights.
using MakeOptimizer = std::function<std::unique_ptr<optim::Optimizer>(std::vector<Variable> weights)>;

/// The loss that step number `step` (from 0) trains on, where it is not the surface's own: a noisy label.
using StepLoss = std::function<Variable(const Variable& x, const Variable& y, int64_t step)>;

/// One step: where the weights were, where the gradient that moved them was taken, and the surface's loss at the
/// weights.
struct PathPoint {
  double x, y, gradient_x, gradient_y, loss;
};

/// The points before each of `steps` steps and the last one, from the surface's start. Stops early where weights or
/// loss are no longer finite.
std::vector<PathPoint> descend(const Surface& surface, const MakeOptimizer& make, int64_t steps,
                               const StepLoss& step_loss = {});

/// The largest eigenvalue of the valley's Hessian, ((y^2, 2xy - 1), (2xy - 1, x^2)); on the valley's floor, x^2 + y^2.
/// What the walkthrough and the labs call the curvature there.
double curvature_of(const PathPoint& point);

/// The surface as a map without paths; the path as something to draw on it.
Map map_of(const Surface& surface, int columns = 121, int rows = 121);
Path path_of(const std::string& label, const std::string& style, const std::vector<PathPoint>& points,
             int mark_every = 0);

/// Takes one optimizer step and shows it as a table: w, the optimizer's buffers, the gradients in the order in which
/// they were taken with the perturbation e before those that were taken elsewhere than at w, then buffers and w
/// afterwards. One column an element, called by `names`, or 1, 2, ...
Table step_table(optim::Optimizer& optimizer, const optim::Closure& closure,
                 const std::vector<std::string>& names = {});

}  // namespace minima::examples
