// How sharp a minimum is: the largest eigenvalue of the loss's Hessian, by Lanczos on exact Hessian-vector products,
// and how much the loss rises at a given distance along a direction. The loss is a function of the parameters alone:
// compute it on a fixed sample, with the model in eval mode (a batch-norm or dropout layer in training mode makes it
// another function at every call), without calling backward().
//   model.eval();
//   auto loss = [&] { return nn::cross_entropy(model(images), labels); };
//   auto [value, residual, iterations] = optim::largest_eigenvalue(loss, model.parameters());
// Gradients and weights are left as they were. A flat vector has one element per element of the parameters, in their
// order; frozen parameters stand still and count as zero.
#pragma once

#include <functional>
#include <vector>

#include "autograd/variable.h"

namespace minima::optim {

using LossFunction = std::function<Variable()>;

struct LanczosOptions {
  int max_iterations = 60;  ///< Hessian-vector products at most; each also costs one vector of the parameters' size
  double tolerance = 1e-3;  ///< stop once the residual is below
  uint64_t seed = 0;        ///< of the random start vector
};

/// An eigenvalue and how far to trust it: residual = |H u - value u| / |value| for the unit vector u that was found,
/// computed by one more product at the end rather than estimated. Some eigenvalue of H lies within residual * |value|.
struct Eigenvalue {
  double value = 0;
  double residual = 0;
  int iterations = 0;  ///< Hessian-vector products used, that of the residual not counted
};

/// The largest (most positive) eigenvalue of the Hessian in the parameters.
Eigenvalue largest_eigenvalue(const LossFunction& loss, const std::vector<Variable>& parameters,
                              const LanczosOptions& options = {});

/// The Hessian times a flat vector, flat.
Tensor hessian_vector_product(const LossFunction& loss, const std::vector<Variable>& parameters, const Tensor& vector);

/// The gradient of the loss, flat: a direction for sharpness().
Tensor flat_gradient(const LossFunction& loss, const std::vector<Variable>& parameters);

/// Losses at distance rho on both sides along a direction d: at w, w + rho d/|d| and w - rho d/|d|.
struct Sharpness {
  double loss = 0, ahead = 0, behind = 0;
  /// max over |e| = rho along the direction of loss(w + e) - loss(w)
  double rise() const { return (ahead > behind ? ahead : behind) - loss; }
};

/// rho > 0; the direction is flat (flat_gradient(), optimizer.momentum()) and must not be zero.
Sharpness sharpness(const LossFunction& loss, const std::vector<Variable>& parameters, const Tensor& direction,
                    double rho);

}  // namespace minima::optim
