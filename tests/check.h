// How tests compare numbers (core/difference.h says by which rule), bits and error messages. doctest's Approx is looser
// than it looks and is not used.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/difference.h"

namespace minima::test {

using testing::difference, testing::Tolerance;

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
  } catch (const Error& error) { return error.what(); }
  return "(no error)";
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace minima::test

#define CHECK_CLOSE(got, expected, ...)                                                                                \
  do {                                                                                                                 \
    const std::string problem = ::minima::test::difference((got), (expected), ::minima::test::Tolerance(__VA_ARGS__)); \
    CHECK_MESSAGE(problem.empty(), #got ": " << problem);                                                              \
  } while (0)
#define CHECK_SAME_BITS(a, b)                                             \
  do {                                                                    \
    const std::string problem = ::minima::test::bit_difference((a), (b)); \
    CHECK_MESSAGE(problem.empty(), #a " and " #b ": " << problem);        \
  } while (0)
#define CHECK_ERROR(expression, part)                                                     \
  do {                                                                                    \
    const std::string message = ::minima::test::error_of([&] { (void)(expression); });    \
    CHECK_MESSAGE(::minima::test::contains(message, (part)), "message was: " << message); \
  } while (0)
