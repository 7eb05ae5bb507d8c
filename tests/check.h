// How tests compare numbers: |a - b| <= atol + rtol * |b|, written once. Also: error messages and gradient checks'
// shared helpers. doctest's Approx is looser than it looks and is not used.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace minima::test {

struct Tolerance {
  double rtol = 1e-5;
  double atol = 1e-8;
};

/// Empty when got is close to expected, else the worst index with both values.
inline std::string difference(const std::vector<double>& got, const std::vector<double>& expected, Tolerance t) {
  if (got.size() != expected.size()) return text("got ", got.size(), " values, expected ", expected.size());
  double worst = 0;
  size_t at = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double excess = std::abs(got[i] - expected[i]) / (t.atol + t.rtol * std::abs(expected[i]));
    const bool same = got[i] == expected[i] || (std::isnan(got[i]) && std::isnan(expected[i]));
    if (!same && !(excess <= worst)) worst = std::isnan(excess) ? INFINITY : excess, at = i;
  }
  if (worst <= 1) return "";
  std::ostringstream out;
  out.precision(17);
  out << "index " << at << ": got " << got[at] << ", expected " << expected[at] << " (rtol " << t.rtol << ", atol "
      << t.atol << "; " << worst << " times the tolerance)";
  return out.str();
}

inline std::string difference(double got, double expected, Tolerance t) {
  return difference(std::vector<double>{got}, std::vector<double>{expected}, t);
}

inline std::string difference(const Tensor& got, const Tensor& expected, Tolerance t) {
  if (got.shape() != expected.shape()) return text("got shape ", got.shape(), ", expected ", expected.shape());
  return difference(got.to_vector<double>(), expected.to_vector<double>(), t);
}

/// Empty when the two hold the same bits.
inline std::string bit_difference(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype()) return text("dtypes ", name_of(a.dtype()), " and ", name_of(b.dtype()));
  return difference(a, b, {0, 0});
}

/// The message of the Error that f throws, or "(no error)".
template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "(no error)";
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace minima::test

#define CHECK_CLOSE(got, expected, ...)                                                                \
  do {                                                                                                 \
    const std::string problem = ::minima::test::difference((got), (expected), ::minima::test::Tolerance(__VA_ARGS__)); \
    CHECK_MESSAGE(problem.empty(), #got ": " << problem);                                              \
  } while (0)
#define CHECK_SAME_BITS(a, b)                                              \
  do {                                                                     \
    const std::string problem = ::minima::test::bit_difference((a), (b));  \
    CHECK_MESSAGE(problem.empty(), #a " and " #b ": " << problem);         \
  } while (0)
#define CHECK_ERROR(expression, part)                                                                 \
  do {                                                                                                \
    const std::string message = ::minima::test::error_of([&] { (void)(expression); });                \
    CHECK_MESSAGE(::minima::test::contains(message, (part)), "message was: " << message);             \
  } while (0)
