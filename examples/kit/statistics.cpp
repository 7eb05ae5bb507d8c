#include "examples/kit/statistics.h"

#include "core/error.h"

namespace minima::examples {

namespace {

/// P(|T| <= t), the closed forms for whole degrees of freedom (Abramowitz & Stegun, 26.7.3 and 26.7.4).
double central_probability(double t, int degrees) {
  const double angle = std::atan(t / std::sqrt(static_cast<double>(degrees)));
  const double cosine_squared = std::cos(angle) * std::cos(angle);
  const bool odd = degrees % 2 == 1;
  double term = odd ? std::cos(angle) : 1, sum = 0;
  for (int k = odd ? 1 : 0; k < degrees - 1; k += 2) {
    sum += term;
    term *= cosine_squared * (k + 1) / (k + 2);
  }
  const double pi = std::acos(-1.0);
  return odd ? 2 / pi * (angle + std::sin(angle) * sum) : std::sin(angle) * sum;
}

}  // namespace

double student_t_975(int degrees) {
  if (degrees < 1) fail("student_t_975", text(degrees, " degrees of freedom"), "at least 1", "Use two seeds or more.");
  double low = 0, high = 16;  // t = 12.7 for one degree of freedom
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (central_probability(middle, degrees) < 0.95 ? low : high) = middle;
  }
  return (low + high) / 2;
}

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
  const double deviation = std::sqrt(squares / (result.count - 1));
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
