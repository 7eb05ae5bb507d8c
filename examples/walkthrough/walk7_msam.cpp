// walk7_msam: chapter 7 of the walkthrough, MSAM in the valley, with the wrong sign, and parked on a bowl; how often
// the loss rises along the step on real digits.
#include <cmath>

#include "examples/walkthrough/walk.h"

using namespace minima;
using namespace minima::examples;

namespace {

constexpr double lr = 0.02, mu = 0.9;

std::vector<PathPoint> on_a_bowl(double rate, int64_t steps) {
  return descend(from(bowl(1, 0), 1, 0), method("msam", rate, mu, 0.1), steps);
}

/// Share of steps in which the batch's loss is higher at w - rho v/|v| than at w, and the mean of cos(v, g).
std::pair<double, double> rises(double rho) {
  auto [train, test] = datasets::digits();
  manual_seed(1);
  nn::Sequential model{nn::Flatten{}, nn::Linear{64, 32}, nn::ReLU{}, nn::Linear{32, 10}};
  model.to(DType::float64);
  optim::MSAM optimizer{optim::SGD{model.parameters(), {.lr = 0.1, .momentum = mu}}, {.rho = rho}};
  optimizer.measure(optim::Measure::losses);
  double rose = 0, cosine = 0;
  for (int epoch = 0; epoch < 10; ++epoch)
    for (auto [images, labels] : datasets::Loader(train, {.batch_size = 64, .seed = 1}).epoch(epoch)) {
      const Tensor x = images.to(DType::float64), y = labels;
      optimizer.step(closure_of([&] { return nn::cross_entropy(model(x), y); }));
      if (optimizer.steps() == 1) continue;  // no momentum yet
      rose += optimizer.last_step().loss_perturbed > optimizer.last_step().loss_clean;
      cosine += optimizer.last_step().cosine;
    }
  const double count = static_cast<double>(optimizer.steps() - 1);
  return {rose / count, cosine / count};
}

void walk(const Walk& walk) {
  walk.paragraph("The second step of MSAM in the valley, lr = 0.02, rho = 0.1",
                 table_of_step(valley(), method("msam", lr, mu, 0.1), 1));

  Table ends{{"", "rho", "w1", "w2", "loss", "curvature", "gradients", "step of curvature 4"}};
  std::vector<Series> curvatures;
  for (const auto& [name, label, rho] : {std::tuple{"sgd", "momentum", 0.0},
                                         {"sam", "sam", 0.05},
                                         {"msam", "msam", 0.05},
                                         {"msam", "msam", 0.1},
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

  Table overshoot{{"rho", "loss higher ahead, % of steps", "mean cos(v, g)"}};
  for (const double rho : {0.0, 0.1, 0.3, 1.0}) {
    const auto [rose, cosine] = rises(rho);
    overshoot.push_back({fixed(rho, 1), rho > 0 ? fixed(100 * rose, 0) : "-", fixed(cosine, 2)});
  }
  walk.paragraph("MSAM on batches of 64 digits, ten epochs", overshoot);

  const Map map =
      map_with(valley(), "",
               {path_of("momentum", "momentum", descend(valley(), method("sgd", lr, mu), 600)),
                path_of("msam, rho = 0.3", "msam", descend(valley(), method("msam", lr, mu, 0.3), 600), 40)});
  walk.figure("walk7_valley", map_figure("walk7_valley", "Six hundred steps in the valley", {map}, 1,
                                         "Contours: the loss (w1 w2 - 1)^2 / 2."));
  Series quick = against_step("msam on a bowl, lr = 0.1", "msam", on_a_bowl(0.1, 1000), first_size_of, 2);
  Series parks = against_step("msam on a bowl, lr = 0.001", "msam", on_a_bowl(0.001, 1000), first_size_of, 5);
  parks.draw = Series::Draw::dashed;
  const Panel flatter = over_steps("in the valley", "w1^2 + w2^2", curvatures, {0, 5000}, {0, 12}, Scale::linear,
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
