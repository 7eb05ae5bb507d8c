// The claims by which an assignment is graded. A claim is worth points, and is either true or not; what is wrong is
// said in terms of what the code does, never of how it should be written. Each claim runs in a process of its own, so
// that one that crashes, or never ends, costs its own points only. The same program is linked twice: with the library's
// files (then --reference writes the library's numbers), and with the student's in their place.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "minima.h"
#include "testing.h"

namespace minima::examples::course {

using Numbers = std::vector<double>;

class Checks {
 public:
  /// Writes the library's numbers to `path`, or reads them from there.
  enum class Mode { write_reference, grade };
  Checks(Mode mode, const std::string& path);

  /// `problem` returns "" where the claim holds, else what was seen. Throwing, crashing and being slow are problems
  /// too.
  void claim(int points, const std::string& what, const std::function<std::string()>& problem);
  /// The numbers are those of the library, within rtol of the largest of them.
  void as_library(int points, const std::string& what, const std::function<Numbers()>& numbers, double rtol = 1e-10,
                  size_t weights = 0);
  /// The same of a path(): the first number that differs is named by its step.
  void path_as_library(int points, const std::string& what, const std::function<Numbers()>& numbers) {
    as_library(points, what, numbers, 1e-10, /*weights=*/12);
  }

  /// Prints the claims, one a line: PASS or FAIL, points, what, what was seen; tabs between. Saves the reference.
  void finish() const;

 private:
  struct Result {
    int points;
    std::string what, problem;
  };
  Mode mode_;
  std::string path_;
  std::map<std::string, Numbers> reference_;
  std::vector<Result> results_;
};

// What each assignment claims.
void check_op(Checks& checks);
void check_backward(Checks& checks);
void check_sgd(Checks& checks);
void check_adam(Checks& checks);
void check_sam(Checks& checks);
void check_msam(Checks& checks);
void check_hessian(Checks& checks);
void check_batch_norm(Checks& checks);
void check_comparison(Checks& checks);

// ---- what several of them need

inline Variable leaf(const Numbers& values) { return {Tensor::from(values), requires_grad}; }

/// Three float64 tensors of different sizes, the same at every call.
std::vector<Variable> three_tensors();
/// A smooth loss of three tensors that is no quadratic, at least 0; its minimum is far from three_tensors().
Variable rugged(const std::vector<Variable>& w);
/// All elements, in order.
Numbers values_of(const std::vector<Variable>& variables);
Numbers gradients_of(const std::vector<Variable>& variables);
/// The gradient of rugged() at these values, by a graph of its own.
Numbers rugged_gradient(const Numbers& w);
double norm(const Numbers& values);
Numbers minus(Numbers a, const Numbers& b);
/// a + factor * b
Numbers plus(Numbers a, double factor, const Numbers& b);
/// A closure that runs rugged() on w, and notes in `seen` the weights at which it was called.
optim::Closure training(const std::vector<Variable>& w, std::vector<Numbers>* seen = nullptr);
template <class Optimizer>
struct OptionsOf {
  using Type = optim::SgdOptions;
};
template <>
struct OptionsOf<optim::Adam> {
  using Type = optim::AdamOptions;
};
template <>
struct OptionsOf<optim::AdamW> {
  using Type = optim::AdamOptions;
};
/// The weights after each of some steps of an optimizer on rugged().
template <class Optimizer>
Numbers path(const typename OptionsOf<Optimizer>::Type& options, int steps) {
  const std::vector<Variable> w = three_tensors();
  Optimizer optimizer{w, options};
  Numbers all;
  for (int i = 0; i < steps; ++i) {
    optimizer.step(training(w));
    for (const double value : values_of(w)) all.push_back(value);
  }
  return all;
}
/// A weight, from `start`, after each of these gradients.
template <class Optimizer>
Numbers driven(const typename OptionsOf<Optimizer>::Type& options, const Numbers& gradients, double start = 0) {
  const Variable w = leaf({start});
  Optimizer optimizer{{w}, options};
  Numbers all;
  for (const double gradient : gradients) {
    optimizer.step([&] {
      Variable loss = sum(gradient * w);
      loss.backward();
      return loss;
    });
    all.push_back(w.value().item());
  }
  return all;
}
/// "" if each number is within rtol of the larger of 1 and the expected one, else the first that is not. With `weights`
/// above 0 the numbers are those of so many weights after step 1, then after step 2, and so on.
std::string differs(const Numbers& got, const Numbers& expected, double rtol = 1e-10, size_t weights = 0);

}  // namespace minima::examples::course
