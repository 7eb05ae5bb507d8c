// lab8_nesterov_msam: Nesterov's method and MSAM are two rungs of one ladder. Which rung does what: as identities that
// hold to rounding, as paths in a valley, and on images.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "core/ops.h"
#include "examples/labs/ladder.h"
#include "examples/walkthrough/surface.h"

using namespace minima;
using namespace minima::examples;

namespace {

const LabAbout about{
    .name = "lab8_nesterov_msam",
    .title = "Lab 8. Nesterov and MSAM",
    .question =
        "Nesterov's original method takes its gradient at w - lr mu v, MSAM at w - rho v / |v|: the same direction. "
        "Which of the two goes farther from w, and by how much at the end of training, when lr falls to zero? Which "
        "will end with the lower training loss, which with the lower test loss?",
    .refuted_by =
        "MSAM with rho = lr mu |v| leaving Nesterov's path by more than rounding; perturbations that shrink with lr "
        "lowering the test loss as much as those of constant length."};

constexpr double mu = 0.9;

// ---- identities, in float64

/// A smooth, non-quadratic loss: a tanh network on three spirals, all points in one batch.
struct Spirals {
  nn::Sequential model;
  Tensor x, y;

  Spirals() : model(network()) {
    model.to(DType::float64);
    const datasets::Batch points = datasets::spirals({.train = 90}).train.all();
    x = points.x.to(DType::float64), y = points.y;
  }
  static nn::Sequential network() {
    manual_seed(1);
    return nn::Sequential{nn::Linear{2, 16}, nn::Tanh{}, nn::Linear{16, 3}};
  }
  std::vector<Variable> weights() { return model.parameters(); }
  Variable loss() { return nn::cross_entropy(model(x), y); }
  optim::Closure closure() {
    return [this] {
      Variable value = loss();
      value.backward();
      return value;
    };
  }
};

/// Nesterov's original method, written out:  v <- mu v + gradient at (w - lr mu v),  w <- w - lr v.
class OriginalNesterov {
 public:
  explicit OriginalNesterov(Spirals& problem) : problem_(problem), w_(problem.weights()) {
    for (const Variable& w : w_) v_.push_back(Tensor::zeros(w.shape(), w.dtype()));
  }

  void step(double lr) {
    std::vector<Tensor> w;
    for (size_t i = 0; i < w_.size(); ++i) {
      w.push_back(w_[i].value().clone());
      w_[i].set_value(moved(w[i], -lr * mu, v_[i]));
      w_[i].zero_grad();
    }
    problem_.closure()();
    for (size_t i = 0; i < w_.size(); ++i) {
      v_[i] = moved(w_[i].grad(), mu, v_[i]);
      w_[i].set_value(moved(w[i], -lr, v_[i]));
    }
  }
  /// The point w - lr mu v at which the coming step takes its gradient, flat.
  Tensor look_ahead(double lr) const {
    std::vector<Tensor> parts;
    for (size_t i = 0; i < w_.size(); ++i)
      parts.push_back(moved(w_[i].value(), -lr * mu, v_[i]).reshape({w_[i].numel()}));
    return core::concatenate(parts, 0);
  }

 private:
  static Tensor moved(const Tensor& from, double factor, const Tensor& by) {
    Tensor to = from.clone();
    core::add_scaled(to, factor, by);
    return to;
  }
  Spirals& problem_;
  std::vector<Variable> w_;
  std::vector<Tensor> v_;
};

double relative_difference(const Tensor& got, const Tensor& expected) {
  Tensor difference = got.clone();
  core::add_scaled(difference, -1, expected);
  return core::norm(difference).item() / core::norm(expected).item();
}

struct Comparison {
  std::string label, style, compared_with;
  std::vector<double> differences;  ///< after each step, relative
  double loss_before = NAN, loss_after = NAN;

  double largest() const { return *std::max_element(differences.begin(), differences.end()); }
};

/// One of optim's optimizers beside the method written out: its weights against w, or against the look-ahead points.
Comparison beside_original(const std::string& name, bool cosine, int64_t steps) {
  const optim::Schedule lr = cosine ? optim::cosine(0.1, steps + 1) : 0.1;
  Spirals ours, theirs;
  std::unique_ptr<optim::Optimizer> optimizer;
  if (name == "nesterov") {
    optimizer = std::make_unique<optim::Nesterov>(ours.weights(), optim::SgdOptions{.lr = lr, .momentum = mu});
  } else {
    optim::SGD base{ours.weights(), {.lr = lr, .momentum = mu}};
    if (name == "msam") {
      optimizer = std::make_unique<optim::MSAM>(std::move(base));
      optimizer->group(0)["rho"] = [&](int64_t t) { return lr(t) * mu * core::norm(optimizer->momentum()).item(); };
    } else {
      optimizer = std::make_unique<optim::Along>(std::move(base), optim::directions::lr_momentum(),
                                                 optim::AlongOptions{.rho = mu});
    }
  }
  OriginalNesterov original(theirs);
  Comparison c{.label = "", .style = name, .compared_with = name == "nesterov" ? "look-ahead points" : "weights"};
  c.loss_before = ours.loss().item();
  for (int64_t t = 0; t < steps; ++t) {
    optimizer->step(ours.closure());
    original.step(lr(t));
    c.differences.push_back(relative_difference(
        optim::flat_weights(ours.weights()),
        name == "nesterov" ? original.look_ahead(lr(t + 1)) : optim::flat_weights(theirs.weights())));
  }
  c.loss_after = ours.loss().item();
  return c;
}

void show_identities(Lab& lab) {
  constexpr int64_t steps = 400;
  lab.heading("Identities");
  std::vector<Comparison> all;
  const auto add = [&](const std::string& name, bool cosine, const std::string& label, const std::string& style) {
    Comparison c = beside_original(name, cosine, steps);
    c.label = label + (cosine ? ", cosine" : ", constant lr"), c.style = style;
    all.push_back(c);
  };
  add("msam", false, "MSAM", "msam");
  add("msam", true, "MSAM", "asam");
  add("along-lr-momentum", true, "along -lr v", "along-lr-momentum");
  add("nesterov", false, "PyTorch's form", "nesterov");
  add("nesterov", true, "PyTorch's form", "gd");
  Table table{{"optimizer", "compared with the original's", "largest relative difference", "loss before", "after"}};
  Panel panel{
      .title = "after each step, in float64", .x_title = "step", .y_title = "relative difference", .log_y = true};
  for (const Comparison& c : all) {
    char largest[32];
    std::snprintf(largest, sizeof largest, "%.1e", c.largest());
    table.push_back({c.label, c.compared_with, largest, fixed(c.loss_before, 4), fixed(c.loss_after, 4)});
    Series series{.label = c.label, .style = c.style, .x = {}, .y = c.differences, .low = {}, .high = {}};
    for (int64_t t = 1; t <= steps; ++t) {
      series.x.push_back(static_cast<double>(t));
      lab.record("identities", {{"optimizer", c.label}, {"step", t}, {"difference", c.differences[t - 1]}});
    }
    if (c.style != "along-lr-momentum") panel.series.push_back(series);  // lies on MSAM's
  }
  lab.table(text("Nesterov's original method, written out in this program, beside optim's optimizers: ", steps,
                 " steps in float64 on a tanh network (a non-quadratic loss), lr 0.1 or a cosine from 0.1 to 0, mu ",
                 mu, ". MSAM with rho = lr mu |v|, along -lr v with rho = mu."),
            table);
  lab.figure("identities", line_figure("identities", "How far from Nesterov's original method", {panel}, 1),
             "MSAM with rho = lr mu |v|: its weights beside the original's. PyTorch's form: its weights beside the "
             "original's look-ahead points. Rounding is 1e-16. PyTorch's form stores the look-ahead points; under a "
             "schedule of lr it looks ahead with "
             "the old lr, and leaves the original's path.");
  for (size_t i : {0, 1, 2})
    lab.expect(all[i].label + ": largest relative difference from Nesterov", all[i].largest(), at_most(1e-12));
  lab.expect(all[3].label + ": from the look-ahead points", all[3].largest(), at_most(1e-12));
  lab.expect(all[4].label + ": from the look-ahead points", all[4].largest(), at_least(1e-6));
  lab.expect("loss after training / before", all[0].loss_after / all[0].loss_before, at_most(0.5));
}

// ---- rho = 0

Tensor weights_after(const Problem& problem, const std::string& optimizer, int64_t steps) {
  Setting setting{.optimizer = optimizer, .hyperparameters = {{"lr", 0.05}, {"momentum", mu}}, .steps = steps};
  if (optim::is_wrapper(optimizer)) setting.hyperparameters["rho"] = 0;
  Run run(problem, setting, /*seed=*/1);
  train_to_end(run);
  return optim::flat_weights(run.model().parameters());
}

void show_rho_zero(Lab& lab, const Problem& problem) {
  lab.heading("Without a radius");
  constexpr int64_t steps = 100;
  const std::vector<float> sgd = weights_after(problem, "sgd", steps).to_vector<float>();
  for (const std::string optimizer : {"msam", "along-lr-momentum"}) {
    const std::vector<float> got = weights_after(problem, optimizer, steps).to_vector<float>();
    int64_t different = 0;
    for (size_t i = 0; i < sgd.size(); ++i) different += std::memcmp(&got[i], &sgd[i], sizeof(float)) != 0;
    lab.expect_always(text(optimizer, " with rho 0: weights, of ", sgd.size(),
                           ", that differ from SGD's in any bit after ", steps, " steps on images"),
                      static_cast<double>(different), at_most(0));
  }
  lab.say(
      text("With rho = 0, ", steps, " steps on images are compared with SGD's bit by bit; see the stated figures."));
}

// ---- the valley

struct ValleyPath {
  std::string title, style;
  MakeOptimizer make;
};

void show_valley(Lab& lab) {
  lab.heading("Four paths in a valley");
  constexpr double lr = 0.02, unscaled = 0.1, rho = 0.05;
  const auto along = [](const optim::Direction& direction, double radius) {
    return [=](std::vector<Variable> weights) -> std::unique_ptr<optim::Optimizer> {
      return std::make_unique<optim::Along>(optim::SGD{std::move(weights), {.lr = lr, .momentum = mu}}, direction,
                                            optim::AlongOptions{.rho = radius});
    };
  };
  const std::vector<ValleyPath> paths{
      {"momentum: e = 0", "momentum", along(optim::directions::momentum(), 0)},
      {"Nesterov: e = -lr mu v", "nesterov", along(optim::directions::lr_momentum(), mu)},
      {text("not scaled by lr: e = -", unscaled, " v"), "along-last-gradient",
       along(optim::directions::lr_momentum(), unscaled / lr)},
      {text("normalised, MSAM: e = -", rho, " v / |v|"), "msam", along(optim::directions::momentum(), rho)}};
  Surface surface = valley();
  surface.x = {0.6, 3.3}, surface.y = {0.1, 1.45};
  std::vector<Map> maps;
  Table table{{"gradient taken at w + e", "x", "y", "curvature", "loss"}};
  std::vector<double> curvatures;
  for (const ValleyPath& path : paths) {
    const std::vector<PathPoint> points = descend(surface, path.make, 5000);
    const PathPoint& end = points.back();
    curvatures.push_back(curvature_of(end));
    char loss[32];
    std::snprintf(loss, sizeof loss, "%.1e", end.loss);
    table.push_back({path.title, fixed(end.x, 3), fixed(end.y, 3), fixed(curvatures.back(), 3), loss});
    lab.record("valley", {{"path", path.title}, {"x", end.x}, {"y", end.y}, {"loss", end.loss}});
    Map map = map_of(surface);
    map.title = path.title;
    map.paths.push_back(path_of("", path.style, points, /*mark_every=*/0));
    maps.push_back(map);
  }
  lab.table(text("(xy - 1)^2 / 2 from (", surface.start_x, ", ", surface.start_y, "), lr ", lr, ", mu ", mu,
                 ", 5000 steps. Every point of xy = 1 is a minimum; the flattest, at (1, 1), has curvature 2."),
            table);
  lab.say(
      "Perturbations in proportion to v vanish with it: they change the way into the valley, not where in it the path "
      "stops. Only one of constant length goes on once the loss is zero, and walks to the flattest minimum.");
  lab.figure("valley", map_figure("valley", "The ladder from Nesterov to MSAM in a valley of minima", maps, 2),
             "The same start, lr and mu; only where the gradient is taken differs.");
  lab.expect("valley: curvature where Nesterov ends", curvatures[1], within(8.80, 0.01));
  lab.expect("valley: curvature where MSAM ends", curvatures[3], within(2, 0.01));
}

LabData data{{.images = 10000, .epochs = 30, .seeds = 3}, {.images = 2000, .epochs = 20, .seeds = 2}};

void nesterov_msam(Lab& lab) {
  show_identities(lab);
  show_valley(lab);
  data.take(lab);
  const ImageLadder ladder(lab.quick(), data);
  show_rho_zero(lab, ladder.problem());
  show_ladder(lab, ladder);
}

}  // namespace

int main(int argc, char** argv) {
  return run_lab(argc, argv, about, nesterov_msam, [](CommandLine& line) { data.add_to(line); });
}
