// show_rests() of quadratic.h: where SAM and MSAM come to rest on a quadratic.
#include <algorithm>
#include <cmath>

#include "examples/labs/quadratic.h"

namespace minima::examples {

namespace {

/// |w| on w^2 / 2 once it no longer changes from step to step, for 500 steps: by more than 1e-13 of itself and the
/// rounding of w + e - e. NaN if it does not come to rest.
double rest(Lab& lab, const Make& make, double start, double rho) {
  const Variable w(Tensor::full({1}, start, DType::float64), requires_grad);
  const auto optimizer = make({w});
  double before = start;
  for (int64_t step = 0, still = 0; still < 500; ++step) {
    if (step % 1000 == 0) lab.stop_if_interrupted();
    if (step == 100000) return NAN;
    optimizer->step([&] {
      Variable loss = sum(square(w)) / 2;
      loss.backward();
      return loss;
    });
    const double now = std::abs(w.value().item());
    still = std::abs(now - before) <= 1e-13 * now + 3e-15 * rho ? still + 1 : 0;
    before = now;
  }
  return before;
}

double relative(double got, double expected) { return std::abs(got - expected) / expected; }

struct Rest {
  std::string method;
  double momentum, lr_h, rho, theory;
  bool parks;
  double start;  ///< in units of rho
};

Rest sam_rest(double lr_h, double rho) { return {"sam", 0, lr_h, rho, lr_h * rho / (2 - lr_h), false, 10}; }

Rest msam_rest(double lr_h, double momentum, double rho, double start = 10) {
  const bool parks = lr_h < std::pow(1 - std::sqrt(momentum), 2) && start > 1;
  return {"msam", momentum, lr_h, rho, parks ? rho : lr_h * rho / (2 + 2 * momentum - lr_h), parks, start};
}

double measured_rest(Lab& lab, const Rest& r) {
  return rest(lab, r.method == "sam" ? sam(r.lr_h, r.rho) : msam(r.lr_h, r.momentum, r.rho), r.start * r.rho, r.rho);
}

Series rest_curve(Lab& lab, const std::string& style, bool theory) {
  Series series{.label = theory ? "closed form" : style, .style = theory ? "black" : style};
  series.draw = theory ? Series::Draw::dashed : Series::Draw::points;
  const int points = theory ? 400 : 40;
  bool parked = false;
  for (int i = 0; i <= points; ++i) {
    const double lr_h = std::pow(10, -3.5 + 3.7 * i / points);
    const Rest r = style == "sam" ? sam_rest(lr_h, 0.1) : msam_rest(lr_h, 0.9, 0.1);
    if (theory && parked && !r.parks) series.x.push_back(lr_h), series.y.push_back(NAN);  // a jump, not a line
    parked = r.parks;
    series.x.push_back(lr_h), series.y.push_back(theory ? r.theory : measured_rest(lab, r));
  }
  return series;
}

void draw_rests(Lab& lab) {
  Panel amplitude{.title = "|w| at rest, rho 0.1", .x_title = "lr h", .log_x = true, .log_y = true};
  for (const std::string name : {"sam", "msam"})
    for (const bool theory : {true, false}) amplitude.series.push_back(rest_curve(lab, name, theory));
  amplitude.rules = {{Rule::Along::x, std::pow(1 - std::sqrt(0.9), 2), "(1 - sqrt(mu))^2"}};

  Panel time{.title = "|w| against step, MSAM, rho 0.1, momentum 0.9", .x_title = "step", .log_y = true};
  constexpr int64_t steps = 4000;
  const auto add = [&](const std::string& label, const std::string& style, double lr_h, const optim::Schedule& rho) {
    const auto path = descend(lab, {1}, msam(lr_h, 0.9, rho), steps);
    Series series{.label = label, .style = style};
    for (int64_t i = 0; i <= steps; i += 8) {
      series.x.push_back(static_cast<double>(i)), series.y.push_back(std::max(path[i][0], 1e-8));
      lab.record("rests", {{"run", label}, {"lr_h", lr_h}, {"step", i}, {"w", path[i][0]}});
    }
    time.series.push_back(series);
  };
  add("msam, lr h 0.001: parks", "msam", 0.001, 0.1);
  add("msam, lr h 0.1: cycles", "msam'", 0.1, 0.1);
  add("msam, lr h 0.001, rho falling to 0 (cosine)", "black", 0.001, optim::cosine(0.1, steps));
  time.rules = {{Rule::Along::y, 0.1, "rho"}};
  lab.figure(
      "rests",
      line_figure("rests", "SAM without momentum, MSAM with momentum 0.9, on h w^2 / 2", {amplitude, time}, 2,
                  "Points are measured, dashed lines are the closed forms."),
      "Where SAM and MSAM come to rest: a small cycle, or parked at distance rho; a rho that falls to 0 frees MSAM.");
}

}  // namespace

void show_rests(Lab& lab) {
  lab.heading("Where SAM and MSAM come to rest");
  std::vector<Rest> rests;
  for (const double lr_h : {0.01, 0.1, 0.5, 1.5}) rests.push_back(sam_rest(lr_h, 0.1));
  for (const double lr_h : {0.001, 0.002, 0.003, 0.01, 0.1, 1.0, 3.0}) rests.push_back(msam_rest(lr_h, 0.9, 0.1));
  for (const double lr_h : {0.02, 0.3}) rests.push_back(msam_rest(lr_h, 0.5, 1));
  for (const double lr_h : {0.001, 0.002}) rests.push_back(msam_rest(lr_h, 0.9, 0.1, 0.5));
  Table table{
      {"method", "momentum", "lr h", "rho", "from w", "rests", "|w|, theory", "|w|, measured", "relative difference"}};
  std::map<std::string, double> worst;
  for (const Rest& r : rests) {
    const double got = measured_rest(lab, r), difference = relative(got, r.theory);
    table.push_back({r.method, number_text(r.momentum), number_text(r.lr_h), number_text(r.rho),
                     number_text(r.start * r.rho), r.parks ? "parked at rho" : "2-cycle", short_text(r.theory, 12),
                     short_text(got, 12), short_text(difference)});
    double& most = worst[r.parks ? "MSAM parked at |w| = rho" : r.method == "sam" ? "SAM's 2-cycle" : "MSAM's 2-cycle"];
    if (!(difference <= most)) most = std::isnan(difference) ? INFINITY : difference;
  }
  lab.table(
      "On h w^2 / 2 with a constant rho. SAM jumps between +a and -a with a = lr h rho / (2 - lr h), MSAM with a = lr "
      "h "
      "rho / (2 + 2 mu - lr h). But where lr h < (1 - sqrt(mu))^2 and MSAM comes from farther away than rho, its "
      "momentum never changes sign: the look-ahead stands on the minimum and the weights stop at distance rho. "
      "Overshooting is a premise of MSAM.",
      table);
  for (const auto& [what, difference] : worst)
    lab.expect(what + ": largest relative difference from the closed form", difference, at_most(1e-10));
  const double boundary = std::pow(1 - std::sqrt(0.9), 2);
  const double below = measured_rest(lab, msam_rest(0.95 * boundary, 0.9, 0.1));
  const double above = measured_rest(lab, msam_rest(1.05 * boundary, 0.9, 0.1));
  lab.expect("MSAM 5% below lr h = (1 - sqrt(mu))^2: |w| / rho", below / 0.1, within(1, 1e-6));
  lab.expect("MSAM 5% above it: |w| / rho", above / 0.1, at_most(0.01));
  draw_rests(lab);
}

}  // namespace minima::examples
