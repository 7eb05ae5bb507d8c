#include "examples/labs/trajectory.h"

#include "core/ops.h"
#include "optim/analysis/jacobi.h"

namespace minima::examples {

namespace {

void check_same(const char* where, const Tensor& got, const Tensor& expected, const std::string& name) {
  if (got.shape() != expected.shape() || got.dtype() != expected.dtype())
    fail(where, text(name, " of ", name_of(got.dtype()), " ", got.shape()),
         text(name_of(expected.dtype()), " ", expected.shape(), ", as the others"));
}

Tensor difference(const Tensor& x, const Tensor& y) { return core::binary(core::BinaryOp::subtract, x, y); }

/// factor * x
Tensor scaled(const Tensor& x, double factor) { return core::unary(core::UnaryOp::affine, x, factor, 0); }

double dot(const Tensor& x, const Tensor& y) { return core::dot(x, y).item(); }

}  // namespace

optim::Plane trajectory_plane(const std::vector<Tensor>& points) {
  if (points.size() < 3)
    fail("trajectory_plane", text(points.size(), " points"), "at least 3", "Fewer do not tell which plane.");
  std::vector<Tensor> steps;  // away from the last
  for (size_t i = 0; i + 1 < points.size(); ++i) {
    check_same("trajectory_plane", points[i], points.back(), text("point ", i));
    steps.push_back(difference(points[i], points.back()));
  }
  // The principal components of n points in many dimensions, from the n x n products between them.
  optim::detail::Matrix products(steps.size(), std::vector<double>(steps.size()));
  for (size_t i = 0; i < steps.size(); ++i)
    for (size_t j = 0; j <= i; ++j) products[i][j] = products[j][i] = dot(steps[i], steps[j]);
  const optim::detail::Eigensystem system = optim::detail::symmetric_eigensystem(std::move(products));
  if (!(system.values[1] > 1e-14 * system.values[0]))
    fail("trajectory_plane", "points on a line", "points that span a plane");
  const auto component = [&](size_t k) {
    Tensor axis = scaled(steps[0], system.vectors[k][0]);
    for (size_t i = 1; i < steps.size(); ++i) core::add_scaled(axis, system.vectors[k][i], steps[i]);
    return scaled(axis, 1 / core::norm(axis).item());
  };
  return {points.back(), component(0), component(1)};
}

PlanePoint project(const optim::Plane& plane, const Tensor& w) {
  check_same("project", w, plane.origin, "a point");
  Tensor rest = difference(w, plane.origin);
  const double uu = dot(plane.u, plane.u), uv = dot(plane.u, plane.v), vv = dot(plane.v, plane.v),
               ur = dot(plane.u, rest), vr = dot(plane.v, rest), determinant = uu * vv - uv * uv;
  if (!(determinant > 1e-10 * uu * vv)) fail("project", "a plane whose directions are parallel", "two different ones");
  const double alpha = (ur * vv - vr * uv) / determinant, beta = (vr * uu - ur * uv) / determinant;
  core::add_scaled(rest, -alpha, plane.u);
  core::add_scaled(rest, -beta, plane.v);
  return {.alpha = alpha, .beta = beta, .distance = core::norm(rest).item()};
}

std::vector<ProjectedPoint> losses_of_path(const optim::LossFunction& loss, const std::vector<Variable>& parameters,
                                           const optim::Plane& plane, const std::vector<Tensor>& points) {
  std::vector<ProjectedPoint> path;
  for (const Tensor& point : points) {
    const PlanePoint at = project(plane, point);
    path.push_back({at, optim::losses_on(loss, parameters, plane, {at.alpha}, {at.beta})[0],
                    optim::interpolation(loss, parameters, point, point, {0})[0]});
  }
  return path;
}

}  // namespace minima::examples
