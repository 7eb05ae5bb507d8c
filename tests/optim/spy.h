// Where the closure was called: the weights an optimizer shows it, beside the gradient there.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "tests/optim/problem.h"

namespace minima::test {

using Vector = std::vector<double>;

inline Vector values(const Parameters& parameters) {
  Vector all;
  for (const Variable& parameter : parameters)
    for (const double w : parameter.value().to_vector<double>()) all.push_back(w);
  return all;
}

inline Vector operator-(Vector a, const Vector& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] -= b[i];
  return a;
}

inline double norm(const Vector& x) {
  double sum = 0;
  for (const double value : x) sum += value * value;
  return std::sqrt(sum);
}

inline double largest(const Vector& x) {
  double most = 0;
  for (const double value : x) most = std::max(most, std::abs(value));
  return most;
}

// A closure that notes the weights it was called at.
struct Spy {
  Parameters parameters;
  std::vector<Vector> seen;

  Variable operator()() {
    seen.push_back(values(parameters));
    return training([this] { return rugged(parameters); })();
  }
  optim::Closure closure() {
    return [this] { return (*this)(); };
  }
};

inline Parameters three_tensors(DType dtype = DType::float64) {
  return {leaf({1.2, -0.7}, dtype), leaf({0.4}, dtype), leaf({2, -1.5, 0.3}, dtype)};
}

// The gradient of rugged() in three_tensors() at these values, without decay.
inline Vector gradient_at(const Vector& w) {
  const Parameters at{leaf({w[0], w[1]}), leaf({w[2]}), leaf({w[3], w[4], w[5]})};
  Vector all;
  for (const Variable& g : grad(rugged(at), at))
    for (const double value : g.value().to_vector<double>()) all.push_back(value);
  return all;
}

}  // namespace minima::test
