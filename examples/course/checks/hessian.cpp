// Assignment 7: Hessian-vector products, and the largest eigenvalues by Lanczos' method.
#include <cmath>

#include "examples/course/checks/checks.h"

namespace minima::examples::course {

namespace {

std::vector<Tensor> direction(uint64_t seed) {
  std::vector<Tensor> parts;
  for (const Variable& like : three_tensors())
    parts.push_back(Generator{seed++}.normal(like.shape(), 0, 1, DType::float64));
  return parts;
}

Numbers flat(const std::vector<Tensor>& tensors) {
  Numbers all;
  for (const Tensor& tensor : tensors)
    for (const double x : tensor.to_vector<double>()) all.push_back(x);
  return all;
}

double dot(const Numbers& a, const Numbers& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// The valley (w1 w2 - 1)^2 / 2 of the walkthrough.
optim::LossFunction valley(const Variable& w1, const Variable& w2) {
  return [=] { return sum(square(w1 * w2 - 1)) / 2; };
}

}  // namespace

void check_hessian(Checks& checks) {
  checks.claim(15, "H v of a quadratic is the matrix times the vector", [] {
    const Variable x = leaf({0.5}), y = leaf({-1});
    const Variable loss = sum(2 * x * x + 3 * x * y - y * y);  // H = (4, 3; 3, -2)
    const std::vector<Tensor> v{Tensor::from(Numbers{1}), Tensor::from(Numbers{10})};
    return differs(flat(hvp(loss, {x, y}, v)), {34, -17}, 1e-13);
  });
  checks.claim(20, "H v is the change of the gradient along v, by central differences", [] {
    const std::vector<Variable> w = three_tensors();
    const std::vector<Tensor> v = direction(5);
    const Numbers at = values_of(w), along = flat(v);
    constexpr double h = 1e-5;
    Numbers expected = minus(rugged_gradient(plus(at, h, along)), rugged_gradient(plus(at, -h, along)));
    for (double& x : expected) x /= 2 * h;
    return differs(flat(hvp(rugged(w), w, v)), expected, 1e-6);
  });
  checks.claim(10, "u . H v is v . H u", [] {
    const std::vector<Variable> w = three_tensors();
    const Hessian hessian(rugged(w), w);
    const std::vector<Tensor> u = direction(1), v = direction(9);
    return differs({dot(flat(u), flat(hessian * v))}, {dot(flat(v), flat(hessian * u))}, 1e-12);
  });
  checks.claim(10, "one Hessian gives any number of products, and takes no gradient away", [] {
    const std::vector<Variable> w = three_tensors();
    const Hessian hessian(rugged(w), w);
    const Numbers first = flat(hessian * direction(1)), again = flat((hessian * direction(9), hessian * direction(1)));
    for (const Variable& part : w)
      if (part.has_grad()) return std::string("a gradient was left in a parameter");
    return norm(first) > 0 ? differs(again, first, 0) : "the product is 0";
  });
  checks.claim(15, "the largest eigenvalue of the valley at (2, 1/2) is 4.25", [] {
    const Variable w1 = leaf({2}), w2 = leaf({0.5});
    return differs({optim::largest_eigenvalue(valley(w1, w2), {w1, w2}).value}, {4.25}, 1e-9);
  });
  checks.as_library(
      15, "the three largest eigenvalues of a loss of twelve weights are the library's",
      [] {
        const std::vector<Variable> w = three_tensors();
        Numbers values;
        for (const auto& pair : optim::top_eigenvalues([&] { return rugged(w); }, w, 3)) values.push_back(pair.value);
        return values;
      },
      1e-5);
  checks.claim(10, "the residual is |H u - value u| / |value|: small when it has converged, large when it has not", [] {
    const std::vector<Variable> w = three_tensors();
    const auto loss = [&] { return rugged(w); };
    const double few = optim::top_eigenvalues(loss, w, 1, {.max_iterations = 2})[0].residual;
    const double many = optim::top_eigenvalues(loss, w, 1, {.max_iterations = 12, .tolerance = 1e-12})[0].residual;
    return few > 1e-3 && many < 1e-8 ? std::string() : text("after 2 products ", few, ", after 12 ", many);
  });
  checks.claim(5, "the eigenvectors have length 1 and are orthogonal", [] {
    const std::vector<Variable> w = three_tensors();
    const auto pairs = optim::top_eigenvalues([&] { return rugged(w); }, w, 2, {.tolerance = 1e-10});
    const Numbers a = pairs[0].vector.to_vector<double>(), b = pairs[1].vector.to_vector<double>();
    return differs({norm(a), norm(b), dot(a, b)}, {1, 1, 0}, 1e-8);
  });
}

}  // namespace minima::examples::course
