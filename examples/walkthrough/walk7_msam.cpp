// walk7_msam: chapter 7 of the walkthrough, MSAM in the valley, with the wrong sign, and parked on a bowl; how the
// loss rises along the step on real digits.
#include <cmath>

#include "examples/walkthrough/overshoot.h"

using namespace minima;
using namespace minima::examples;

namespace {

constexpr double lr = 0.02, mu = 0.9;

std::vector<PathPoint> on_a_bowl(double rate, int64_t steps, double start = 1) {
  return descend(from(bowl(1, 0), start, 0), method("msam", rate, mu, 0.1), steps);
}

void walk(const Walk& walk) {
  walk.paragraph("The second step of MSAM in the valley, lr = 0.02, rho = 0.1",
                 table_of_step(valley(), method("msam", lr, mu, 0.1), 1));

  Table ends{{"", "rho", "w1", "w2", "loss", "curvature", "gradients", "first step of curvature <= 4"}};
  std::vector<Series> curvatures;
  for (const auto& [name, label, rho] : {std::tuple{"sgd", "momentum", 0.0},
                                         {"sam", "sam", 0.05},
                                         {"msam", "msam", 0.05},
                                         {"msam", "msam", 0.1},
                                         {"msam", "msam", 0.3},
                                         {"msam", "msam", -0.1}}) {
    const auto points = descend(valley(), method(name, lr, mu, rho), 5000);
    const PathPoint& end = points.back();
    ends.push_back({label, rho != 0 ? fixed(rho, 2) : "-", fixed(end.x, 2), fixed(end.y, 2), fixed(end.loss, 5),
                    fixed(curvature_of(end), 2), name == std::string("sam") ? "10000" : "5000",
                    first_step(points, curvature_of, 4)});
    if (rho == 0 || rho == 0.05)
      curvatures.push_back(
          against_step(rho != 0 ? label + std::string(", rho = 0.05") : label, label, points, curvature_of, 10));
  }
  walk.paragraph("After 5000 steps in the valley from (3, 0.5), momentum 0.9, lr = 0.02", ends);

  Table parked{{"lr", "the last", "three", "weights"}};
  for (const double rate : {0.1, 0.003, 0.002, 0.001}) {
    const auto points = on_a_bowl(rate, 20000);
    parked.push_back({fixed(rate, 3)});
    for (size_t i = points.size() - 3; i < points.size(); ++i) parked.back().push_back(fixed(points[i].x, 7));
  }
  walk.paragraph("MSAM on a bowl of curvature 1 after 20000 steps, momentum 0.9, rho = 0.1", parked);

  Table starts{{"from", "|w| after 20000 steps"}};
  for (const double start : {1.0, 0.11, 0.09, 0.05})
    starts.push_back({fixed(start, 2), fixed(first_size_of(on_a_bowl(0.001, 20000, start).back()), 7)});
  walk.paragraph("MSAM at lr = 0.001 from other places, momentum 0.9, rho = 0.1", starts);

  const Overshoot usual = overshoot(0.1), slower = overshoot(0.05);
  walk.paragraph("Away from w in trainings with momentum on digits, lr = 0.1: the loss of the step's batch",
                 table_of(usual.rises));
  walk.paragraph("Mean cos(v, g) in these trainings, g at w",
                 Table{{"lr", "epochs 1 to 5", "epochs 6 to 10"},
                       {"0.10", fixed(usual.cosine[0], 3), fixed(usual.cosine[1], 3)},
                       {"0.05", fixed(slower.cosine[0], 3), fixed(slower.cosine[1], 3)}});

  const Map map =
      map_with(valley(), "",
               {path_of("momentum", "momentum", descend(valley(), method("sgd", lr, mu), 600)),
                path_of("msam, rho = 0.3", "msam", descend(valley(), method("msam", lr, mu, 0.3), 600), 40)});
  walk.figure("walk7_valley", map_figure("walk7_valley", "Six hundred steps in the valley", {map}, 1,
                                         "Contours: the loss (w1 w2 - 1)^2 / 2."));
  Series quick = against_step("msam on a bowl, lr = 0.1", "msam", on_a_bowl(0.1, 1000), first_size_of, 2);
  Series parks = against_step("msam on a bowl, lr = 0.001", "msam", on_a_bowl(0.001, 1000), first_size_of, 5);
  parks.draw = Series::Draw::dashed;
  const Panel flatter = over_steps("in the valley", "curvature", curvatures, {0, 5000}, {0, 12}, Scale::linear,
                                   {{Rule::Along::y, 2, "flattest"}});
  const Panel bowls = over_steps("on a bowl, rho = 0.1", "|w|", {quick, parks}, {0, 1000}, {1e-3, 2},
                                 Scale::logarithmic, {{Rule::Along::y, 0.1, "rho"}});
  walk.figure("walk7_flatter", line_figure("walk7_flatter", "MSAM drifts to flat places; where it crawls, it parks",
                                           {flatter, bowls}, 2));
}

}  // namespace

int main(int argc, char** argv) {
  return run_walk(argc, argv, "walk7_msam", "Chapter 7: MSAM in the valley, on a bowl, and on digits.", walk);
}
