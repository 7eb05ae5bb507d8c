// What the instruments of lab 9 show, in words, and the meters.
#include <algorithm>
#include <cmath>
#include <limits>

#include "examples/labs/fault_bench.h"

namespace minima::examples {

namespace {

using Vector = std::vector<double>;

int64_t steps_of(const Readings& readings) { return std::ssize(readings[0]); }

// The reading of an instrument over some steps.
Vector part(const Readings& readings, size_t instrument, int64_t begin, int64_t end) {
  const Vector& all = readings[instrument];
  return Vector(all.begin() + begin, all.begin() + end);
}

double middle(Vector values) {
  if (std::any_of(values.begin(), values.end(), [](double x) { return std::isnan(x); })) return NAN;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// NaN if there is one.
double largest(const Vector& values) {
  double most = -std::numeric_limits<double>::infinity();
  for (const double value : values)
    if (!(value <= most)) most = value;
  return most;
}

double mean(const Vector& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// While rho is on and constant, apart from the steps next to a mark.
Vector while_constant(const Readings& readings, size_t instrument) {
  const Marks at = marks(steps_of(readings));
  return part(readings, instrument, at.resumed + 1, at.falls - 1);
}

double largest_excess_while_falling(const Readings& readings) {
  const int64_t steps = steps_of(readings);
  const optim::Schedule rho = rho_schedule(bench_rho, steps);
  double worst = 0;
  for (int64_t t = marks(steps).falls; t < steps; ++t) worst = std::max(worst, std::abs(readings[1][t] / rho(t) - 1));
  return worst;
}

}  // namespace

const std::vector<Instrument>& instruments() {
  const Span errors{1e-17, 10};
  static const std::vector<Instrument> all{
      {"msam_test_loss",
       "1  MSAM: test loss",
       "at the weights evaluated",
       false,
       {},
       "Most faults do not show here. That is why they live so long."},
      {"msam_perturbation",
       "2  MSAM: length of the perturbation",
       "|e|",
       false,
       {},
       "e is the way from the weights that are evaluated to those where the gradient is taken. Its length should be "
       "rho: "
       "nothing at first, then constant, then falling."},
      {"msam_alignment", "3  MSAM: direction of the perturbation", "cosine of e and -v", false, Span{-1.2, 1.2},
       "MSAM looks ahead, along -v."},
      {"msam_step_error", "4  MSAM: error of the step", "|w' - (w - lr v')|", true, errors,
       "w and w' are the weights evaluated before and after a step. Look at which steps are wrong: all of them, those "
       "where rho changes, the one after resuming, the last."},
      {"msam_rule_error", "5  MSAM: error of the velocity", "|v' - (mu v + g + wd w)|", true, errors,
       "mu is the momentum, wd the weight decay, w the weights evaluated before the step, g the gradient computed."},
      {"msam_gradient_left", "6  MSAM: change of the gradient", "|g' - g| / |g|", true, errors,
       "g' is what a log of the gradient's norm, or another backward pass, would find after the step."},
      {"sam_test_loss", "7  SAM: test loss", "at the weights evaluated", false, {}, "As in panel 1."},
      {"sam_perturbation", "8  SAM: length of the perturbation", "|e|", false, Span{0, 0.2}, "It should be rho = 0.1."},
      {"sam_batches", "9  SAM: batches counted by batch norm", "in each step", false, Span{0, 3},
       "Two passes over one batch are one batch."},
      {"sam_evaluations", "10  SAM: gradients reported", "share of those taken", false, Span{0, 1.5},
       "The budget of a comparison is counted with this."},
      {"sam_from_sgd", "11  SAM with rho = 0", "distance from SGD", true, errors,
       "Without a radius SAM is SGD, to rounding."},
      {"sam_finite", "12  SAM from an exact minimum", "share of finite weights", false, Span{0, 1.5},
       "Where the gradient is 0 nothing should move."},
  };
  return all;
}

double Meter::departure(const Readings& readings) const {
  const double off = std::abs(read(readings) - right) / margin;
  return std::isnan(off) ? std::numeric_limits<double>::infinity() : off;
}

const std::vector<Meter>& meters() {
  static const std::vector<Meter> all{
      {"|e| / rho of MSAM while rho is constant, median", 1, 0.01,
       [](const Readings& r) { return middle(while_constant(r, 1)) / bench_rho; }},
      {"largest relative error of |e| of MSAM while rho falls", 0, 0.01, largest_excess_while_falling},
      {"cosine of e and -v of MSAM while rho is constant, mean", 1, 0.01,
       [](const Readings& r) { return mean(while_constant(r, 2)); }},
      {"step error of MSAM while rho is constant, median", 0, 1e-9,
       [](const Readings& r) { return middle(while_constant(r, 3)); }},
      {"step error of MSAM where rho is switched on", 0, 1e-9,
       [](const Readings& r) {
         const int64_t on = marks(steps_of(r)).on;
         return largest(part(r, 3, on - 1, on + 1));
       }},
      {"step error of MSAM in the step after resuming", 0, 1e-9,
       [](const Readings& r) { return r[3][marks(steps_of(r)).resumed]; }},
      {"step error of MSAM in the last step", 0, 1e-9, [](const Readings& r) { return r[3].back(); }},
      {"error of MSAM's velocity while rho is constant, median", 0, 1e-9,
       [](const Readings& r) { return middle(while_constant(r, 4)); }},
      {"relative change of the gradient by MSAM's step, median", 0, 1e-9,
       [](const Readings& r) { return middle(r[5]); }},
      {"batches counted by batch norm in a step of SAM, mean", 1, 0.01, [](const Readings& r) { return mean(r[8]); }},
      {"gradients that SAM reports, share of those taken", 1, 0.01, [](const Readings& r) { return r[9].back(); }},
      {"distance from SGD of SAM with rho = 0, at the end", 0, 1e-9, [](const Readings& r) { return r[10].back(); }},
      {"share of finite weights of SAM from an exact minimum", 1, 0.01, [](const Readings& r) { return r[11].back(); }},
  };
  return all;
}

const Meter& meter_of(int fault) {
  static const size_t shows[fault_count] = {2, 0, 0, 4, 3, 7, 9, 5, 8, 12, 11, 6, 1, 10};
  return meters().at(shows[fault - 1]);
}

}  // namespace minima::examples
