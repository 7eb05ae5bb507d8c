// SPDX-License-Identifier: MIT
#include "optim/analysis/landscape.h"

#include <cmath>

#include "core/ops.h"
#include "core/random.h"
#include "optim/analysis/jacobi.h"
#include "optim/analysis/trainable.h"

namespace minima::optim {

using detail::scaled;
using detail::Trainable;

namespace {

// x + factor * y, a new tensor
Tensor moved(const Tensor& x, double factor, const Tensor& y) {
  Tensor sum = x.clone();
  core::add_scaled(sum, factor, y);
  return sum;
}

// The parameters moved about, without recording; back where they were when it ends, also by an exception.
class Excursion {
 public:
  Excursion(const char* where, const LossFunction& loss, const Trainable& trainable)
      : where_(where), loss_(loss), trainable_(trainable) {
    std::vector<Tensor> values;
    for (const Variable& parameter : trainable.trainable()) values.push_back(parameter.value());
    home_ = trainable.join(values);
  }
  Excursion(const Excursion&) = delete;
  Excursion& operator=(const Excursion&) = delete;
  ~Excursion() { go_to(home_); }

  const Tensor& home() const { return home_; }
  double loss_at(const Tensor& flat, const std::string& place) {
    trainable_.check(flat);
    go_to(flat);
    return detail::finite_loss(where_, loss_, place, "Look at a smaller range.").item();
  }

 private:
  void go_to(const Tensor& flat) {
    const std::vector<Tensor> parts = trainable_.split(flat);
    for (size_t i = 0; i < parts.size(); ++i) Tensor(trainable_.trainable()[i].value()).copy_from(parts[i]);
  }

  const char* where_;
  const LossFunction& loss_;
  const Trainable& trainable_;
  Tensor home_;
  NoGrad evaluating_;
};

void require_some(const char* where, const char* name, const std::vector<double>& values) {
  if (values.empty()) fail(where, text("no ", name), "at least one");
}

// The losses at point(alpha) for each alpha.
template <class Point>
std::vector<double> losses_at(const char* where, const LossFunction& loss, const Trainable& trainable,
                              const std::vector<double>& alphas, const Point& point) {
  require_some(where, "alphas", alphas);
  Excursion excursion(where, loss, trainable);
  std::vector<double> losses;
  for (const double alpha : alphas) losses.push_back(excursion.loss_at(point(alpha), text("alpha = ", alpha)));
  return losses;
}

}  // namespace

// ---- weights and directions

Tensor flat_weights(const std::vector<Variable>& parameters) {
  const FlatLayout layout("flat_weights", parameters);
  const Tensor flat = layout.zeros();
  for (size_t i = 0; i < parameters.size(); ++i) layout.part(flat, i).copy_from(parameters[i].value());
  return flat;
}

void set_weights(const std::vector<Variable>& parameters, const Tensor& flat) {
  const Trainable trainable("set_weights", parameters);
  trainable.check(flat);
  for (size_t i = 0; i < parameters.size(); ++i) Tensor(parameters[i].value()).copy_from(trainable.part(flat, i));
}

Tensor filter_normalised_direction(const std::vector<Variable>& parameters, uint64_t seed) {
  const Trainable trainable("filter_normalised_direction", parameters);
  const auto norms = [](const Tensor& rows) {
    return core::unary(core::UnaryOp::sqrt,
                       core::reduce(core::ReduceOp::sum, core::unary(core::UnaryOp::power, rows, 2), 1, true));
  };
  Generator random{seed};
  std::vector<Tensor> parts;
  for (const Variable& parameter : trainable.trainable()) {
    const Shape& shape = parameter.shape();
    if (shape.rank() < 2 || shape.numel() == 0) {
      parts.push_back(Tensor::zeros(shape, trainable.dtype(), trainable.device()));
      continue;
    }
    const Tensor filters = parameter.value().reshape({shape[0], -1});
    const Tensor noise = random.normal(filters.shape(), 0, 1, trainable.dtype(), trainable.device());
    const Tensor scale = core::binary(core::BinaryOp::divide, norms(filters), norms(noise));
    parts.push_back(core::binary(core::BinaryOp::multiply, noise, scale).reshape(shape));
  }
  return trainable.join(parts);
}

// ---- lines

Sharpness sharpness(const LossFunction& loss, const std::vector<Variable>& parameters, const Tensor& direction,
                    double rho) {
  const Trainable trainable("sharpness", parameters);
  if (!(rho > 0 && std::isfinite(rho))) fail("sharpness", text("rho = ", rho), "a finite number above 0");
  const Tensor d = trainable.direction(direction);
  const double factor = rho / core::norm(d).item();
  Excursion excursion("sharpness", loss, trainable);
  const Tensor& w = excursion.home();
  return {.loss = excursion.loss_at(w, "the weights as they are"),
          .ahead = excursion.loss_at(moved(w, factor, d), text("distance ", rho, " ahead")),
          .behind = excursion.loss_at(moved(w, -factor, d), text("distance ", rho, " behind"))};
}

std::vector<double> losses_along(const LossFunction& loss, const std::vector<Variable>& parameters, const Tensor& from,
                                 const Tensor& direction, const std::vector<double>& alphas) {
  const Trainable trainable("losses_along", parameters);
  trainable.check(from);
  const Tensor d = trainable.direction(direction);
  return losses_at("losses_along", loss, trainable, alphas, [&](double alpha) { return moved(from, alpha, d); });
}

std::vector<double> interpolation(const LossFunction& loss, const std::vector<Variable>& parameters, const Tensor& a,
                                  const Tensor& b, const std::vector<double>& alphas) {
  const Trainable trainable("interpolation", parameters);
  trainable.check(a);
  trainable.check(b);
  return losses_at("interpolation", loss, trainable, alphas,
                   [&](double alpha) { return moved(scaled(a, 1 - alpha), alpha, b); });
}

// ---- planes

namespace {

Tensor point_on(const Plane& plane, double alpha, double beta) {
  Tensor point = moved(plane.origin, alpha, plane.u);
  core::add_scaled(point, beta, plane.v);
  return point;
}

void check_same(const char* where, const Tensor& got, const Tensor& expected, const std::string& name) {
  if (got.shape() != expected.shape() || got.dtype() != expected.dtype())
    fail(where, text(name, " of ", name_of(got.dtype()), " ", got.shape()),
         text(name_of(expected.dtype()), " ", expected.shape(), ", as the others"));
}

}  // namespace

std::vector<double> losses_on(const LossFunction& loss, const std::vector<Variable>& parameters, const Plane& plane,
                              const std::vector<double>& alphas, const std::vector<double>& betas) {
  const Trainable trainable("losses_on", parameters);
  require_some("losses_on", "alphas", alphas);
  require_some("losses_on", "betas", betas);
  trainable.check(plane.origin);
  const Plane moving{plane.origin, trainable.direction(plane.u), trainable.direction(plane.v)};
  Excursion excursion("losses_on", loss, trainable);
  std::vector<double> losses;
  for (const double beta : betas)
    for (const double alpha : alphas)
      losses.push_back(excursion.loss_at(point_on(moving, alpha, beta), text("alpha = ", alpha, ", beta = ", beta)));
  return losses;
}

Plane trajectory_plane(const std::vector<Tensor>& points) {
  if (points.size() < 3)
    fail("trajectory_plane", text(points.size(), " points"), "at least 3", "Fewer do not tell which plane.");
  std::vector<Tensor> steps;  // away from the last
  for (size_t i = 0; i + 1 < points.size(); ++i) {
    check_same("trajectory_plane", points[i], points.back(), text("point ", i));
    steps.push_back(moved(points[i], -1, points.back()));
  }
  // The principal components of n points in many dimensions, from the n x n products between them.
  detail::Matrix products(steps.size(), std::vector<double>(steps.size()));
  for (size_t i = 0; i < steps.size(); ++i)
    for (size_t j = 0; j <= i; ++j) products[i][j] = products[j][i] = core::dot(steps[i], steps[j]).item();
  const detail::Eigensystem system = detail::symmetric_eigensystem(std::move(products));
  if (!(system.values[1] > 1e-14 * system.values[0]))
    fail("trajectory_plane", "points on a line", "points that span a plane");
  const auto component = [&](size_t k) {
    Tensor axis = scaled(steps[0], system.vectors[k][0]);
    for (size_t i = 1; i < steps.size(); ++i) core::add_scaled(axis, system.vectors[k][i], steps[i]);
    return scaled(axis, 1 / core::norm(axis).item());
  };
  return {points.back(), component(0), component(1)};
}

PlanePoint project(const Plane& plane, const Tensor& w) {
  check_same("project", w, plane.origin, "a point");
  Tensor rest = moved(w, -1, plane.origin);
  const auto dot = [](const Tensor& x, const Tensor& y) { return core::dot(x, y).item(); };
  const double uu = dot(plane.u, plane.u), uv = dot(plane.u, plane.v), vv = dot(plane.v, plane.v),
               ur = dot(plane.u, rest), vr = dot(plane.v, rest), determinant = uu * vv - uv * uv;
  if (!(determinant > 1e-10 * uu * vv)) fail("project", "a plane whose directions are parallel", "two different ones");
  const double alpha = (ur * vv - vr * uv) / determinant, beta = (vr * uu - ur * uv) / determinant;
  core::add_scaled(rest, -alpha, plane.u);
  core::add_scaled(rest, -beta, plane.v);
  return {.alpha = alpha, .beta = beta, .distance = core::norm(rest).item()};
}

std::vector<ProjectedPoint> losses_of_path(const LossFunction& loss, const std::vector<Variable>& parameters,
                                           const Plane& plane, const std::vector<Tensor>& points) {
  const Trainable trainable("losses_of_path", parameters);
  Excursion excursion("losses_of_path", loss, trainable);
  std::vector<ProjectedPoint> path;
  for (size_t i = 0; i < points.size(); ++i) {
    const PlanePoint at = project(plane, points[i]);
    path.push_back({at, excursion.loss_at(point_on(plane, at.alpha, at.beta), text("the projection of point ", i)),
                    excursion.loss_at(points[i], text("point ", i))});
  }
  return path;
}

}  // namespace minima::optim
