#include "examples/kit/statistics.h"

#include <algorithm>

#include "core/error.h"

namespace minima::examples {

namespace {

/// The continued fraction of the incomplete beta function, by Lentz's method (Numerical Recipes, 6.4).
double beta_fraction(double a, double b, double x) {
  const double tiny = 1e-300;
  double c = 1, d = 1 / std::max(tiny, 1 - (a + b) * x / (a + 1)), result = d;
  const auto step = [&](double numerator) {
    d = 1 + numerator * d, c = 1 + numerator / c;
    d = 1 / (std::abs(d) < tiny ? tiny : d), c = std::abs(c) < tiny ? tiny : c;
    result *= d * c;
    return d * c;
  };
  for (int m = 1; m < 1000; ++m) {
    step(m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)));
    if (std::abs(step(-(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))) - 1) < 1e-15) break;
  }
  return result;
}

/// The regularised incomplete beta function I_x(a, b).
double incomplete_beta(double a, double b, double x) {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  const double front =
      std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x));
  return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

}  // namespace

double student_t_p(double t, double degrees) { return incomplete_beta(degrees / 2, 0.5, degrees / (degrees + t * t)); }

double student_t_975(double degrees, int comparisons) {
  if (!(degrees >= 1))
    fail("student_t_975", text(degrees, " degrees of freedom"), "at least 1", "Use two seeds or more.");
  double low = 0, high = 16 * comparisons;  // t = 12.7 for one degree of freedom
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (student_t_p(middle, degrees) > 0.05 / comparisons ? low : high) = middle;
  }
  return (low + high) / 2;
}

double median(std::vector<double> values) {
  if (values.empty()) return NAN;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::vector<double> holm(const std::vector<double>& p) {
  std::vector<size_t> order;
  for (size_t i = 0; i < p.size(); ++i)
    if (!std::isnan(p[i])) order.push_back(i);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] < p[b]; });
  std::vector<double> adjusted(p.size(), NAN);
  double largest = 0;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    largest = std::max(largest, std::min(1.0, static_cast<double>(order.size() - rank) * p[order[rank]]));
    adjusted[order[rank]] = largest;
  }
  return adjusted;
}

Bounds binomial_95(int64_t count, int64_t trials) {
  const auto k = static_cast<double>(count), n = static_cast<double>(trials);
  // Where so many cases or more (or so many or fewer) have a probability of 2.5%.
  const auto point = [](double a, double b, double probability) {
    double low = 0, high = 1;
    for (int i = 0; i < 60; ++i) {
      const double middle = (low + high) / 2;
      (incomplete_beta(a, b, middle) < probability ? low : high) = middle;
    }
    return (low + high) / 2;
  };
  return {count == 0 ? 0 : point(k, n - k + 1, 0.025), count == trials ? 1 : point(k + 1, n - k, 0.975)};
}

// Samples that are equal but for rounding have no spread: one test row more is 35/36 - 34/36 in one run and 32/36 -
// 31/36 in another.
static constexpr double rounding = 1e-12;

Interval interval_95(const std::vector<double>& samples) {
  Interval result;
  result.count = static_cast<int>(samples.size());
  if (samples.empty()) return result;
  double above_first = 0;  // relative to the first sample, so that equal samples have exactly no spread
  for (double x : samples) above_first += x - samples[0];
  result.mean = samples[0] + above_first / result.count;
  if (result.count < 2) return result;
  double squares = 0;
  for (double x : samples) squares += (x - result.mean) * (x - result.mean);
  double deviation = std::sqrt(squares / (result.count - 1)), largest = 0;
  for (double x : samples) largest = std::max(largest, std::abs(x));
  if (deviation < rounding * largest) deviation = 0;
  result.half_width = student_t_975(result.count - 1) * deviation / std::sqrt(static_cast<double>(result.count));
  return result;
}

Interval paired_difference(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size())
    fail("paired_difference", text(a.size(), " and ", b.size(), " samples"), "one of each for every seed");
  std::vector<double> differences(a.size());
  for (size_t i = 0; i < a.size(); ++i) differences[i] = a[i] - b[i];
  return interval_95(differences);
}

}  // namespace minima::examples
