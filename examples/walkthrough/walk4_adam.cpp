// walk4_adam: chapter 4 of the walkthrough, what Adam's division does, where it helps, and how weight decay differs.
#include <cmath>

#include "examples/walkthrough/walk.h"

using namespace minima;
using namespace minima::examples;

namespace {

/// The bowl, turned by 45 degrees: the same loss in other coordinates.
Surface turned(Surface surface) {
  const double c = std::sqrt(0.5);
  const auto loss = surface.loss;
  surface.loss = [=](const Variable& x, const Variable& y) { return loss(c * (x + y), c * (y - x)); };
  const double x = surface.start_x, y = surface.start_y;
  surface.start_x = c * (x - y), surface.start_y = c * (x + y);
  return surface;
}

/// The first weight after `steps` steps on a loss whose gradient there is always 0, with a weight decay of 0.1.
double decayed(bool decoupled, double lr, int64_t steps) {
  const Variable w = weight(1);
  std::unique_ptr<optim::Optimizer> optimizer;
  if (decoupled)
    optimizer = std::make_unique<optim::AdamW>(std::vector{w}, optim::AdamOptions{.lr = lr, .weight_decay = 0.1});
  else
    optimizer = std::make_unique<optim::Adam>(std::vector{w}, optim::AdamOptions{.lr = lr, .weight_decay = 0.1});
  for (int64_t i = 0; i < steps; ++i) optimizer->step(closure_of([&] { return sum(0 * w); }));
  return w.value().item();
}

void walk(const Walk& walk) {
  const Surface surface = bowl(1, 25, 2.4);
  const MakeOptimizer adam = method("adam", 0.1, 0.9);
  walk.paragraph("The first step of Adam, lr = 0.1", table_of_step(surface, adam, 0));

  Table sizes{{"loss multiplied by", "first step of w1", "of w2", "w1 after 20 steps"}};
  for (const double scale : {0.001, 1.0, 1000.0}) {
    const auto points = descend(bowl(scale, 25 * scale), adam, 20);
    sizes.push_back({number_text(scale), fixed(points[1].x - points[0].x, 6), fixed(points[1].y - points[0].y, 6),
                     fixed(points[20].x, 6)});
  }
  walk.paragraph("Adam on the same loss in other units", sizes);

  Table reached{{"", "lr", "bowl", "turned bowl"}};
  std::vector<Panel> panels;
  for (const bool turn : {false, true}) {
    Panel panel = over_steps(turn ? "the bowl turned by 45 degrees" : "the bowl", "distance from the minimum", {},
                             {0, 200}, {1e-6, 10}, Scale::logarithmic);
    size_t row = 1;
    for (const auto& [name, style, lr, mu] :
         {std::tuple{"sgd", "gd", 2.0 / 26, 0.0}, {"sgd", "momentum", 1.0 / 9, 4.0 / 9}, {"adam", "adam", 0.1, 0.9}}) {
      const auto points = descend(turn ? turned(surface) : surface, method(name, lr, mu), 200);
      if (!turn) reached.push_back({style == std::string("gd") ? "gradient descent" : style, fixed(lr, 4)});
      reached[row++].push_back(fixed(std::log10(distance_of(points[100])), 1));
      panel.series.push_back(against_step(turn ? "" : reached[row - 1][0], style, points, distance_of));
    }
    panels.push_back(panel);
  }
  walk.paragraph("log10 of the distance from the minimum after 100 steps", reached);

  Table decay{{"lr", "Adam", "AdamW"}};
  for (const double lr : {0.01, 0.001})
    decay.push_back({fixed(lr, 3), fixed(decayed(false, lr, 10), 6), fixed(decayed(true, lr, 10), 6)});
  walk.paragraph("A weight of 1 that the loss ignores, after ten steps with weight decay 0.1", decay);

  std::vector<Map> maps;
  for (const bool turn : {false, true}) {
    const Surface shape = turn ? turned(surface) : surface;
    maps.push_back(map_with(shape, turn ? "turned by 45 degrees" : "along the axes",
                            {path_of("momentum", "momentum", descend(shape, method("sgd", 1.0 / 9, 4.0 / 9), 60)),
                             path_of("adam, lr = 0.1", "adam", descend(shape, adam, 60))}));
  }
  walk.figure("walk4_paths", map_figure("walk4_paths", "Sixty steps on one bowl in two coordinate systems", maps, 2,
                                        "Contours: the loss. The start is the same point of the bowl."));
  walk.figure("walk4_distance", line_figure("walk4_distance", "Distance from the minimum", panels, 2));
}

}  // namespace

int main(int argc, char** argv) {
  return run_walk(argc, argv, "walk4_adam", "Chapter 4: what Adam's division does.", walk);
}
