// The path of a training, seen on the plane in which it lies best (Li et al., 2018, section 7).
// Not here: the losses on a plane (optim/analysis/landscape.h).
#pragma once

#include "optim/analysis/landscape.h"

namespace minima::examples {

/// The plane through the last of these points in which the others lie best: the first two principal components of their
/// differences from it, as unit vectors. At least three points, not on a line.
/// Any long path has most of its variance in two principal components, a random walk's too, and looks smooth there.
optim::Plane trajectory_plane(const std::vector<Tensor>& points);

/// The point of the plane nearest to w, by its coordinates, and how far away w is.
struct PlanePoint {
  double alpha, beta, distance;
};
PlanePoint project(const optim::Plane& plane, const Tensor& w);

/// A point of a path seen on a plane: the loss that the plane shows there, and the true one.
struct ProjectedPoint : PlanePoint {
  double plane_loss, loss;
};
std::vector<ProjectedPoint> losses_of_path(const optim::LossFunction& loss, const std::vector<Variable>& parameters,
                                           const optim::Plane& plane, const std::vector<Tensor>& points);

}  // namespace minima::examples
