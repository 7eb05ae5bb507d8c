// A loss of two weights that a person types, such as (w1 w2 - 1)^2 / 2. It is read once into a tree; computing the
// tree records minima's ops, so that gradients and curvatures come from minima's own automatic differentiation.
// Not here: surfaces that are known by name (examples/labs/surfaces.h).
#pragma once

#include <memory>
#include <string>

#include "autograd/variable.h"

namespace minima::playground {

/// Numbers, pi, the weights w1 and w2 (or x and y), + - * / ^, parentheses, and the functions abs, cos, erf, exp, log,
/// max, min, relu, sigmoid, sin, softplus, sqrt, square and tanh. A product needs no sign: 2 w1 w2, 3(w1 + 1). Products
/// and quotients are read from the left; ^ binds more tightly than a minus before it and is read from the right.
class Formula {
 public:
  static constexpr size_t longest = 200;  ///< characters
  static constexpr int deepest = 40;      ///< parentheses, functions and signs within each other

  /// Errors name the place in the text: an unknown name, a missing operand or parenthesis, an exponent that contains a
  /// weight below a base that does too, a formula without any weight, one that is too long or too deep.
  explicit Formula(const std::string& text);

  /// The value at each pair of elements; w1 and w2 have the same shape and are float64.
  Variable operator()(const Variable& w1, const Variable& w2) const;
  /// The same as a C++ expression of the Variables w1 and w2, for a program with `using namespace minima`.
  std::string cpp() const;

  struct Expression;

 private:
  std::shared_ptr<const Expression> root_;
};

}  // namespace minima::playground
