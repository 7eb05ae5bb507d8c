// SPDX-License-Identifier: MIT
// The loss at other weights than the present ones: sharpness at a distance, slices along a line or a plane, and the way
// between two minima.
//   model.eval();
//   auto loss = [&] { return nn::cross_entropy(model(images), labels); };
//   const Tensor w = optim::flat_weights(model.parameters());
//   const Tensor d = optim::filter_normalised_direction(model.parameters(), seed);
//   auto losses = optim::losses_along(loss, model.parameters(), w, d, {-1, -0.5, 0, 0.5, 1});
// The loss and flat vectors are as in curvature.h; in training mode, what is drawn is noise. Any number will do as a
// loss, an error rate as well. It is called without recording. The weights are put back exactly, also when the loss
// throws; a loss that is not finite is an error that says where.
#pragma once

#include "optim/analysis/curvature.h"

namespace minima::optim {

/// All parameters as one vector [numel], a copy, frozen ones included; and back.
Tensor flat_weights(const std::vector<Variable>& parameters);
void set_weights(const std::vector<Variable>& parameters, const Tensor& flat);

/// A random direction in which weights count by their size (Li et al., 2018): each filter of a convolution and each row
/// of a matrix (everything that leads to one output) is normal noise with the norm of the weights there. Biases and the
/// weights of normalisation, whatever has rank 1, get zero. Slices along it can be compared between networks that
/// differ by a rescaling of their layers; slices along plain noise cannot.
Tensor filter_normalised_direction(const std::vector<Variable>& parameters, uint64_t seed);

/// Losses at distance rho on both sides along a direction d: at w, w + rho d/|d| and w - rho d/|d|.
/// One side alone, ahead - loss, is mostly the slope while rho is small, and of either sign: "negative average
/// sharpness" tells of a gradient that is not yet zero. In the mean of both sides, (ahead + behind) / 2 - loss, the
/// slope cancels: it is about rho^2 / 2 times the curvature along d. Kinks of relu between the two sides add to it, and
/// no Hessian has them. A rise near the rounding of the loss tells nothing.
struct Sharpness {
  double loss = 0, ahead = 0, behind = 0;
  /// max over |e| = rho along the direction of loss(w + e) - loss(w)
  double rise() const { return (ahead > behind ? ahead : behind) - loss; }
};

/// rho > 0; the direction is flat (flat_gradient(), optimizer.momentum(), filter_normalised_direction()), not zero.
Sharpness sharpness(const LossFunction& loss, const std::vector<Variable>& parameters, const Tensor& direction,
                    double rho);

/// The slice loss(from + alpha * direction). `from` is flat_weights() or any other flat point.
std::vector<double> losses_along(const LossFunction& loss, const std::vector<Variable>& parameters, const Tensor& from,
                                 const Tensor& direction, const std::vector<double>& alphas);

/// From a to b: loss((1 - alpha) * a + alpha * b), at 0 exactly a's, at 1 exactly b's. Batch norm's running statistics
/// are those of no point but the one where they were gathered: with batch norm, gather them anew inside the loss.
std::vector<double> interpolation(const LossFunction& loss, const std::vector<Variable>& parameters, const Tensor& a,
                                  const Tensor& b, const std::vector<double>& alphas);

/// origin + alpha * u + beta * v
struct Plane {
  Tensor origin, u, v;
};

/// Losses on a grid of the plane, row by row: those of all alphas at the first beta, then at the next.
std::vector<double> losses_on(const LossFunction& loss, const std::vector<Variable>& parameters, const Plane& plane,
                              const std::vector<double>& alphas, const std::vector<double>& betas);

}  // namespace minima::optim
