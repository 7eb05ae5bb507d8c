// SPDX-License-Identifier: MIT
#include "optim/analysis/landscape.h"

#include <cmath>

#include "core/ops.h"
#include "core/random.h"
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

std::vector<double> losses_on(const LossFunction& loss, const std::vector<Variable>& parameters, const Plane& plane,
                              const std::vector<double>& alphas, const std::vector<double>& betas) {
  const Trainable trainable("losses_on", parameters);
  require_some("losses_on", "alphas", alphas);
  require_some("losses_on", "betas", betas);
  trainable.check(plane.origin);
  const Tensor u = trainable.direction(plane.u), v = trainable.direction(plane.v);
  Excursion excursion("losses_on", loss, trainable);
  std::vector<double> losses;
  for (const double beta : betas)
    for (const double alpha : alphas) {
      const Tensor point = moved(moved(plane.origin, alpha, u), beta, v);
      losses.push_back(excursion.loss_at(point, text("alpha = ", alpha, ", beta = ", beta)));
    }
  return losses;
}

}  // namespace minima::optim
