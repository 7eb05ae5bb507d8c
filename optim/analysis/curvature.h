// SPDX-License-Identifier: MIT
// The curvature of the loss at the present weights: exact Hessian-vector products, and what follows from them, the
// largest eigenvalues of the Hessian and its trace.
//   model.eval();
//   auto loss = [&] { return nn::cross_entropy(model(images), labels); };
//   auto pairs = optim::top_eigenvalues(loss, model.parameters(), 5);
//   auto [trace, standard_error, samples] = optim::hessian_trace(loss, model.parameters());
// The loss must be a function of the parameters alone, called without backward(): on a fixed sample, with the model in
// eval mode. In training mode batch norm normalises by the sample and dropout draws another mask at every call, which
// is another function with another curvature; and batch norm's running statistics would move with every call.
// Gradients and weights are left as they were. A flat vector has one element per element of the parameters, in their
// order; frozen parameters stand still and count as zero.
// Not here: the loss at other weights than the present ones (landscape.h).
#pragma once

#include <functional>
#include <vector>

#include "autograd/variable.h"

namespace minima::optim {

using LossFunction = std::function<Variable()>;

/// The Hessian times a flat vector, flat.
Tensor hessian_vector_product(const LossFunction& loss, const std::vector<Variable>& parameters, const Tensor& vector);

/// The gradient of the loss, flat.
Tensor flat_gradient(const LossFunction& loss, const std::vector<Variable>& parameters);

struct LanczosOptions {
  int max_iterations = 100;  ///< Hessian-vector products at most; each also costs one vector of the parameters' size
  double tolerance = 1e-3;   ///< stop once all residuals are below
  uint64_t seed = 0;         ///< of the random start vector
};

/// An eigenvalue and how far to trust it: residual = |H u - value u| / |value| for the unit vector u that was found,
/// measured by one more product at the end rather than estimated. Some eigenvalue of H lies within residual * |value|.
/// Of an eigenvalue that is zero but for rounding the residual is large by nature.
struct Eigenvalue {
  double value = 0;
  double residual = 0;
  int iterations = 0;  ///< Hessian-vector products used, those of the residuals not counted
};

struct Eigenpair : Eigenvalue {
  Tensor vector;  ///< u: flat, of length 1, orthogonal to the others
};

/// The k largest (most positive) eigenvalues of the Hessian in the parameters, largest first: Lanczos' method with full
/// reorthogonalisation. The gradient's graph is built once and serves all products. Ends at max_iterations whether or
/// not the tolerance is met: look at the residuals.
/// One start vector finds one vector of each eigenspace: an eigenvalue that the Hessian has twice is listed once, and
/// what follows moves up, unless rounding or the end of the Krylov space brings in the second vector. Errors: k < 1, k
/// above the number of trainable elements or max_iterations; a loss or a product that is not finite.
std::vector<Eigenpair> top_eigenvalues(const LossFunction& loss, const std::vector<Variable>& parameters, int k,
                                       const LanczosOptions& options = {});

/// The first of them.
Eigenvalue largest_eigenvalue(const LossFunction& loss, const std::vector<Variable>& parameters,
                              const LanczosOptions& options = {});

struct TraceOptions {
  int samples = 100;  ///< Hessian-vector products, at least 2
  uint64_t seed = 0;
};

/// The trace of the Hessian (divided by the number of weights: the mean eigenvalue) with its standard error, the
/// standard deviation of one sample divided by sqrt(samples). Samples are far from normal where few weights matter;
/// think of two standard errors as what they usually are, not as a bound.
struct TraceEstimate {
  double value = 0, standard_error = 0;
  int samples = 0;
};

/// Hutchinson's estimator (1990): the mean of z . H z over vectors z of random signs. Its variance comes from the
/// elements off the diagonal alone, so that it is exact where there are none.
TraceEstimate hessian_trace(const LossFunction& loss, const std::vector<Variable>& parameters,
                            const TraceOptions& options = {});

}  // namespace minima::optim
