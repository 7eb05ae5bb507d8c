// lab2_quadratics: what theory says exactly of gradient descent, momentum, Nesterov, SAM and MSAM on quadratics, and
// what the optimizers do: rates against the condition number, limits of stability, the noise floor, and where SAM and
// MSAM come to rest.
#include <algorithm>
#include <cmath>

#include "examples/labs/lab.h"
#include "examples/labs/quadratic.h"

using namespace minima;
using namespace minima::examples;

namespace {

const LabAbout about{
    .name = "lab2_quadratics",
    .title = "Lab 2. Quadratics: rates, stability, noise, and where SAM and MSAM rest",
    .question =
        "On h w^2 / 2, gradient descent and momentum run into the minimum w = 0. Do SAM and MSAM with a constant "
        "rho? At what distance from it do they end, and does that depend on the learning rate?",
    .refuted_by =
        "A measured rate, limit, floor or amplitude that differs from its closed form by more than the stated "
        "tolerance: the closed forms have no free parameter."};

/// Scaled, for errors whose squares would underflow.
double norm(const std::vector<double>& values) {
  const double largest = *std::max_element(values.begin(), values.end());
  double squares = 0;
  for (double value : values) squares += std::pow(value / largest, 2);
  return largest > 0 ? largest * std::sqrt(squares) : 0;
}

// ---- rates against the condition number

/// A method with the lr and momentum that are best for curvatures from 1 / kappa to 1, and its rate there.
struct Method {
  std::string name;
  Make make;
  double rate;  ///< the error is multiplied by it in every step
};

/// Polyak (1964) for the first two; for Nesterov on quadratics Lessard, Recht & Packard (2016).
std::vector<Method> best_methods(double kappa) {
  const double root = std::sqrt(kappa), slow = 1 / kappa, rate = (root - 1) / (root + 1);
  std::vector<Method> methods{{"gd", gradient_descent(2 / (1 + slow)), (kappa - 1) / (kappa + 1)},
                              {"momentum", heavy_ball(4 / std::pow(1 + std::sqrt(slow), 2), rate * rate), rate}};
  const double s = std::sqrt(3 * kappa + 1);
  if (kappa > 1) methods.push_back({"nesterov", nesterov(4 / (3 + slow), (s - 2) / (s + 2)), 1 - 2 / s});
  return methods;
}

void show_rates(Lab& lab) {
  lab.heading("Condition number and rate");
  Table table{{"kappa", "method", "rate, theory", "rate, measured", "steps for a factor 10"}};
  std::vector<Panel> panels;
  Panel summary{.title = "steps for a factor of 10", .x_title = "condition number", .log_x = true, .log_y = true};
  std::map<std::string, Series> theory, measured;
  for (const double kappa : {1.0, 10.0, 100.0, 1e3, 1e4}) {
    const int64_t window = static_cast<int64_t>(100 * std::sqrt(kappa));
    Panel panel{.title = "kappa = " + number_text(kappa), .x_title = "step", .log_y = true};
    for (const Method& method : best_methods(kappa)) {
      const auto path = descend(lab, {1 / kappa, 1}, method.make, 2 * window);
      Series curve{.label = method.name, .style = method.name};
      for (int64_t i = 0; i <= window / 5; i += std::max<int64_t>(1, window / 1000)) {
        curve.x.push_back(static_cast<double>(i)), curve.y.push_back(std::max(norm(path[i]) / norm(path[0]), 1e-16));
        lab.record("rates", {{"kappa", kappa}, {"method", method.name}, {"step", i}, {"error", norm(path[i])}});
      }
      panel.series.push_back(curve);
      if (kappa == 1) {
        table.push_back({"1", method.name, "0", "0 after one step", "1"});
        lab.expect("kappa 1, " + method.name + ": error after one step", norm(path[1]), at_most(1e-15));
        continue;
      }
      // The ends of the spectrum are double roots for momentum, t * rate^t: the later, the closer to the rate.
      const double slope = std::log(norm(path[2 * window]) / norm(path[window])) / static_cast<double>(window);
      const auto steps = [](double log_rate) { return std::log(0.1) / log_rate; };
      table.push_back(
          {number_text(kappa), method.name, fixed(method.rate, 6), fixed(std::exp(slope), 6), fixed(steps(slope), 1)});
      lab.expect(text("kappa ", kappa, ", ", method.name, ": log of the rate, measured / theory"),
                 slope / std::log(method.rate), within(1, 0.01));
      for (const bool is_theory : {true, false}) {
        Series& series = (is_theory ? theory : measured)[method.name];
        series.x.push_back(kappa), series.y.push_back(steps(is_theory ? std::log(method.rate) : slope));
      }
    }
    panels.push_back(panel);
  }
  for (const std::string name : {"gd", "momentum", "nesterov"}) {
    theory[name].label = "theory", theory[name].style = "black", theory[name].draw = Series::Draw::dashed;
    measured[name].style = name, measured[name].draw = Series::Draw::points;
    summary.series.push_back(theory[name]), summary.series.push_back(measured[name]);
  }
  panels.push_back(summary);
  lab.table(
      "Curvatures 1 / kappa and 1, lr and momentum each the best for them. The rate is measured over as many steps "
      "again after the first 100 sqrt(kappa).",
      table);
  lab.figure(
      "rates",
      line_figure("rates", "Error |w| relative to the start, lr and momentum the best for each kappa", panels, 3,
                  "Errors below 1e-16 are drawn there. Last panel: points are measured, dashed lines are theory."),
      "The error on a quadratic: momentum turns the condition number into its square root.");
}

// ---- stability

/// The spectral radius of one step on (w, v), from its characteristic polynomial z^2 - trace z + determinant.
double spectral_radius(double lr_h, double momentum, bool is_nesterov) {
  const double trace = is_nesterov ? (1 + momentum) * (1 - lr_h) : 1 + momentum - lr_h;
  const double determinant = is_nesterov ? momentum * (1 - lr_h) : momentum;
  const double root = trace * trace - 4 * determinant;
  return root < 0 ? std::sqrt(determinant) : (std::abs(trace) + std::sqrt(root)) / 2;
}

double stability_limit(double momentum, bool is_nesterov) {
  return is_nesterov ? (2 + 2 * momentum) / (1 + 2 * momentum) : 2 + 2 * momentum;
}

double largest(const std::vector<std::vector<double>>& path, size_t weight, size_t from, size_t to) {
  double result = 0;
  for (size_t i = from; i < to; ++i) result = std::max(result, path[i][weight]);
  return result;
}

/// lr = 1 and many curvatures at once; each row of the map is one run.
Map radius_map(Lab& lab, bool is_nesterov, int columns, int rows, double& worst) {
  Map map{.title = is_nesterov ? "Nesterov" : "SGD with momentum",
          .x_title = "lr h",
          .y_title = "momentum",
          .x = {0.02, is_nesterov ? 2.0 : 4.0},
          .y = {0.02, 0.98},
          .columns = columns,
          .rows = rows,
          .colours = Span{0.4, 1.2}};
  constexpr size_t steps = 400;
  std::vector<double> curvatures;
  for (int i = 0; i < columns; ++i) curvatures.push_back(map.x.low + (map.x.high - map.x.low) * i / (columns - 1));
  for (int row = 0; row < rows; ++row) {
    const double momentum = map.y.low + (map.y.high - map.y.low) * row / (rows - 1);
    const auto path = descend(lab, curvatures, is_nesterov ? nesterov(1, momentum) : heavy_ball(1, momentum), steps);
    for (int i = 0; i < columns; ++i) {
      const double early = largest(path, i, steps / 4, steps / 2), late = largest(path, i, 3 * steps / 4, steps);
      const double rate = late > 0 ? std::pow(late / early, 2.0 / steps) : 0;
      const double theory = spectral_radius(curvatures[i], momentum, is_nesterov);
      if (late > 1e-290) worst = std::max(worst, std::abs(rate - theory));  // below, doubles lose digits
      map.values.push_back(rate);
      lab.record("stability", {{"method", is_nesterov ? "nesterov" : "momentum"},
                               {"lr_h", curvatures[i]},
                               {"momentum", momentum},
                               {"rate", rate},
                               {"theory", theory}});
    }
  }
  Path limit{.label = "limit of stability, theory", .style = "black", .ends = false};
  for (int i = 0; i <= 50; ++i) {
    const double momentum = map.y.low + (map.y.high - map.y.low) * i / 50.0;
    limit.x.push_back(stability_limit(momentum, is_nesterov)), limit.y.push_back(momentum);
  }
  map.paths = {limit};
  return map;
}

void show_stability(Lab& lab) {
  lab.heading("Stability");
  double worst = 0;
  const int size = lab.quick() ? 41 : 101;
  std::vector<Map> maps;
  for (const bool is_nesterov : {false, true}) maps.push_back(radius_map(lab, is_nesterov, size, size, worst));
  lab.figure(
      "stability",
      map_figure("stability", "By what the error is multiplied each step, measured (spectral radius)", maps, 2,
                 "Darker is faster; what is outside the scale has the colour of its end. h: curvature."),
      "Rate of convergence on h w^2 / 2, measured from 400 steps of the optimizers; right of the line they diverge.");
  lab.expect("measured rate against spectral radius, largest difference on the maps", worst, at_most(0.01));

  Table table{{"method", "momentum", "limit of lr h", "|w| 0.1% below it", "|w| 0.1% above it"}};
  int64_t bracketed = 0, limits = 0;
  for (const bool is_nesterov : {false, true})
    for (const double momentum : {0.0, 0.5, 0.9, 0.99}) {
      if (is_nesterov && momentum == 0) continue;
      const double limit = stability_limit(momentum, is_nesterov);
      const Make make = momentum == 0 ? gradient_descent(1)
                        : is_nesterov ? nesterov(1, momentum)
                                      : heavy_ball(1, momentum);
      const auto end = descend(lab, {limit * 0.999, limit * 1.001}, make, 5000).back();
      table.push_back({is_nesterov     ? "nesterov"
                       : momentum == 0 ? "gd"
                                       : "momentum",
                       number_text(momentum), fixed(limit, 4), short_text(end[0]), short_text(end[1])});
      bracketed += end[0] < 1e-2 && !(end[1] < 1e2) ? 1 : 0;
      ++limits;
    }
  lab.table(
      "Limits of stability, 2 + 2 mu for SGD with momentum and (2 + 2 mu) / (1 + 2 mu) for Nesterov: |w| after 5,000 "
      "steps from 1 just below and just above.",
      table);
  lab.expect(text("limits of stability bracketed within 0.1%, of ", limits), static_cast<double>(bracketed),
             at_least(static_cast<double>(limits)));
}

// ---- noise

/// The mean of w^2 at rest for a gradient h w + noise: of SGD with momentum, and without where mu = 0.
double noise_floor(double lr, double momentum, double h, double noise) {
  return lr * noise * noise * (1 + momentum) / (h * (1 - momentum) * (2 + 2 * momentum - lr * h));
}

void show_noise(Lab& lab) {
  lab.heading("The noise floor");
  const int64_t copies = lab.quick() ? 500 : 4000, steps = 1000;
  struct Case {
    std::string label, style;
    Make make;
    double floor;
  };
  const std::vector<Case> cases{{"gd lr 0.1", "gd", gradient_descent(0.1), noise_floor(0.1, 0, 1, 1)},
                                {"momentum lr 0.1", "momentum", heavy_ball(0.1, 0.9), noise_floor(0.1, 0.9, 1, 1)},
                                {"momentum lr 0.01", "momentum'", heavy_ball(0.01, 0.9), noise_floor(0.01, 0.9, 1, 1)},
                                {"gd, cosine lr to 0", "gd'", gradient_descent(optim::cosine(0.1, steps)), NAN}};
  Table table{{"method", "floor of w^2, theory", "measured"}};
  Panel panel{.title = "mean of w^2 (log scale)", .x_title = "step", .log_y = true};
  for (const Case& c : cases) {
    const auto path = descend(lab, std::vector<double>(copies, 1.0), c.make, steps, 10, 1);
    Series curve{.label = c.label, .style = c.style};
    double rest = 0;
    for (int64_t i = 0; i <= steps; ++i) {
      const double mean = std::pow(norm(path[i]), 2) / static_cast<double>(copies);
      if (i > steps / 2) rest += mean / (static_cast<double>(steps) / 2);
      if (i % 5 == 0) curve.x.push_back(static_cast<double>(i)), curve.y.push_back(mean);
      lab.record("noise", {{"method", c.label}, {"step", i}, {"mean_square", mean}});
    }
    panel.series.push_back(curve);
    if (std::isnan(c.floor)) continue;
    panel.series.push_back({.label = "theory",
                            .style = "black",
                            .x = {0, 1.0 * steps},
                            .y = {c.floor, c.floor},
                            .draw = Series::Draw::dashed});
    table.push_back({c.label, fixed(c.floor, 5), fixed(rest, 5)});
    lab.expect("noise floor, " + c.label + ": measured / theory", rest / c.floor, within(1, 0.05));
  }
  lab.table(
      text("h = 1, gradient noise of standard deviation 1, ", copies, " independent copies, second half of ", steps,
           " steps. Momentum 0.9 at the same lr has ten times the floor: its steps are ten times as long."),
      table);
  lab.figure("noise",
             line_figure("noise", "With noise in the gradient, w comes to rest around 0, not at it", {panel}, 1),
             "The noise floor: proportional to the learning rate, and gone as that goes to 0.");
}

void lab2(Lab& lab) {
  show_rates(lab);
  show_stability(lab);
  show_noise(lab);
  show_rests(lab);
}

}  // namespace

int main(int argc, char** argv) { return run_lab(argc, argv, about, lab2); }
