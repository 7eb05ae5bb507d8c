// SPDX-License-Identifier: MIT
#include "optim/analysis/curvature.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "autograd/hessian.h"
#include "core/ops.h"
#include "core/random.h"
#include "optim/analysis/jacobi.h"
#include "optim/analysis/trainable.h"

namespace minima::optim {

using detail::scaled;
using detail::Trainable;

namespace {

Variable recorded(const char* where, const LossFunction& loss) {
  EnableGrad recording;
  return detail::finite_loss(where, loss, "the weights as they are", "Did the training diverge?");
}

// The Hessian of the loss in flat vectors.
class FlatHessian {
 public:
  FlatHessian(const char* where, const LossFunction& loss, const Trainable& trainable)
      : where_(where), trainable_(trainable), hessian_(recorded(where, loss), trainable.trainable()) {}

  Tensor operator*(const Tensor& vector) const {
    Tensor product = trainable_.join(hessian_ * trainable_.split(vector));
    if (!core::all_finite(product))
      fail(where_, "a Hessian-vector product with elements that are not finite", "finite ones",
           "Is there a second derivative at these weights?");
    return product;
  }

 private:
  const char* where_;
  const Trainable& trainable_;
  Hessian hessian_;
};

// ---- Lanczos

// In exact arithmetic a new vector of the Krylov space needs to be made orthogonal to the last two only. In floating
// point the others come back, above all the top eigenvector, which would then be found again and again.
void orthogonalise(Tensor& vector, const std::vector<Tensor>& basis) {
  // BEGIN SOLUTION 7
  for (int twice = 0; twice < 2; ++twice)
    for (const Tensor& other : basis) core::add_scaled(vector, -1, core::dot(other, vector), other);
  // END SOLUTION
}

Tensor random_unit_vector(Generator& random, const Trainable& trainable, const std::vector<Tensor>& orthogonal_to) {
  Tensor vector =
      trainable.without_frozen(random.normal({trainable.numel()}, 0, 1, trainable.dtype(), trainable.device()));
  orthogonalise(vector, orthogonal_to);
  return scaled(vector, 1 / core::norm(vector).item());
}

detail::Matrix tridiagonal(const std::vector<double>& diagonal, const std::vector<double>& off_diagonal) {
  detail::Matrix matrix(diagonal.size(), std::vector<double>(diagonal.size(), 0));
  for (size_t i = 0; i < diagonal.size(); ++i) matrix[i][i] = diagonal[i];
  for (size_t i = 0; i + 1 < diagonal.size(); ++i) matrix[i][i + 1] = matrix[i + 1][i] = off_diagonal[i];
  return matrix;
}

// Whether the residuals |H u - value u| of the k largest are small: beta times the last element of each vector.
bool converged(const detail::Eigensystem& ritz, double beta, size_t k, double tolerance) {
  if (ritz.values.size() < k) return false;
  for (size_t i = 0; i < k; ++i)
    if (beta * std::abs(ritz.vectors[i].back()) > tolerance * std::abs(ritz.values[i])) return false;
  return true;
}

Eigenpair measured_pair(const FlatHessian& hessian, Tensor u, int iterations) {
  u = scaled(u, 1 / core::norm(u).item());
  // BEGIN SOLUTION 7
  Tensor error = hessian * u;
  const double value = core::dot(u, error).item();
  core::add_scaled(error, -value, u);
  const double distance = core::norm(error).item();
  return {{.value = value, .residual = distance == 0 ? 0 : distance / std::abs(value), .iterations = iterations}, u};
  // END SOLUTION
}

}  // namespace

std::vector<Eigenpair> top_eigenvalues(const LossFunction& loss, const std::vector<Variable>& parameters, int k,
                                       const LanczosOptions& options) {
  const Trainable trainable("top_eigenvalues", parameters);
  const int64_t most = std::min<int64_t>(options.max_iterations, trainable.dimension());
  if (k < 1 || k > most)
    fail("top_eigenvalues", text("k = ", k),
         text("1 to ", most, ", for ", trainable.dimension(),
              " trainable elements and max_iterations = ", options.max_iterations));
  const FlatHessian hessian("top_eigenvalues", loss, trainable);
  const double rounding = trainable.dtype() == DType::float32 ? std::numeric_limits<float>::epsilon()
                                                              : std::numeric_limits<double>::epsilon();
  Generator random{options.seed};
  std::vector<Tensor> basis{random_unit_vector(random, trainable, {})};
  std::vector<double> diagonal, off_diagonal;
  detail::Eigensystem ritz;
  for (;;) {
    Tensor next = hessian * basis.back();
    diagonal.push_back(core::dot(basis.back(), next).item());
    orthogonalise(next, basis);
    const double beta = core::norm(next).item();
    ritz = detail::symmetric_eigensystem(tridiagonal(diagonal, off_diagonal));
    if (std::ssize(basis) == most || converged(ritz, beta, static_cast<size_t>(k), options.tolerance)) break;
    const double largest = std::max(std::abs(ritz.values.front()), std::abs(ritz.values.back()));
    const bool exhausted = beta <= rounding * largest;  // the Krylov space ends here: go on from another vector
    off_diagonal.push_back(beta);
    basis.push_back(exhausted ? random_unit_vector(random, trainable, basis) : scaled(next, 1 / beta));
  }

  std::vector<Eigenpair> pairs;
  for (size_t i = 0; i < static_cast<size_t>(k); ++i) {
    Tensor u = trainable.zeros();
    for (size_t j = 0; j < basis.size(); ++j) core::add_scaled(u, ritz.vectors[i][j], basis[j]);
    pairs.push_back(measured_pair(hessian, u, static_cast<int>(basis.size())));
  }
  return pairs;
}

Eigenvalue largest_eigenvalue(const LossFunction& loss, const std::vector<Variable>& parameters,
                              const LanczosOptions& options) {
  return top_eigenvalues(loss, parameters, 1, options)[0];
}

// ---- trace

TraceEstimate hessian_trace(const LossFunction& loss, const std::vector<Variable>& parameters,
                            const TraceOptions& options) {
  if (options.samples < 2)
    fail("hessian_trace", text("samples = ", options.samples), "at least 2", "One sample has no standard error.");
  const Trainable trainable("hessian_trace", parameters);
  const FlatHessian hessian("hessian_trace", loss, trainable);
  Generator random{options.seed};
  std::vector<double> samples;
  for (int i = 0; i < options.samples; ++i) {
    const Tensor coins = random.bernoulli({trainable.numel()}, 0.5, trainable.dtype(), trainable.device());
    const Tensor signs = core::unary(core::UnaryOp::affine, coins, 2, -1);
    samples.push_back(core::dot(signs, hessian * signs).item());
  }
  const double n = options.samples, mean = std::accumulate(samples.begin(), samples.end(), 0.0) / n;
  double squares = 0;
  for (const double sample : samples) squares += (sample - mean) * (sample - mean);
  return {.value = mean, .standard_error = std::sqrt(squares / (n - 1) / n), .samples = options.samples};
}

// ---- single vectors

Tensor hessian_vector_product(const LossFunction& loss, const std::vector<Variable>& parameters, const Tensor& vector) {
  const Trainable trainable("hessian_vector_product", parameters);
  trainable.check(vector);
  return FlatHessian("hessian_vector_product", loss, trainable) * vector;
}

Tensor flat_gradient(const LossFunction& loss, const std::vector<Variable>& parameters) {
  const Trainable trainable("flat_gradient", parameters);
  std::vector<Tensor> gradients;
  for (const Variable& gradient : grad(recorded("flat_gradient", loss), trainable.trainable()))
    gradients.push_back(gradient.value());
  return trainable.join(gradients);
}

}  // namespace minima::optim
