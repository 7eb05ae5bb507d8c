// SPDX-License-Identifier: MIT
#include "optim/directions/looksam.h"

#include <cmath>

#include "core/ops.h"

namespace minima::optim {

LookSAM::LookSAM(Wrapped base, const LookSamOptions& options)
    : Wrapper("looksam", std::move(base), options.rho, Range::at_least_0),
      period_(options.period),
      alpha_(options.alpha),
      u_(kept().flat.layout().zeros()) {
  if (period_ < 1) fail("looksam", text("period = ", period_), "at least 1");
  if (!(alpha_ >= 0 && std::isfinite(alpha_)))
    fail("looksam", text("alpha = ", alpha_), "a finite number of at least 0");
  remember("u", u_);
}

Variable LookSAM::step(const Closure& closure) {
  begin_step();
  Variable loss = gradient_at_weights(closure);
  Tensor g = gradients().clone();
  if (steps() % period_ == 0) {
    second_gradient_at(along(g, +1), closure);
    remember_orthogonal_part(g, gradients());
    base().update(gradients());
  } else {
    core::add_scaled(g, alpha_, norm(g), u_);  // g + alpha * |g| * u
    base().update(g);
  }
  return loss;
}

// All numbers here stay on the device. where_positive(x, y) is x where y > 0, else 0: no division by zero gets through.
void LookSAM::remember_orthogonal_part(const Tensor& g, const Tensor& g2) {
  const FlatParameters& flat = kept().flat;
  const auto divide = [](const Tensor& x, const Tensor& y) { return core::binary(core::BinaryOp::divide, x, y); };
  const Tensor gg = flat.dot(g, g);
  const Tensor parallel = core::binary(core::BinaryOp::where_positive, divide(flat.dot(g2, g), gg), gg);
  Tensor p = g2.clone();
  core::add_scaled(p, -1, parallel, g);
  const double rounding = g.dtype() == DType::float64 ? 1e-14 : 1e-6;
  const Tensor length = norm(p), one = Tensor::full({}, 1, DType::float64, g.device());
  Tensor beyond = length.clone();
  core::add_scaled(beyond, -rounding, norm(g2));
  u_.fill(0);
  core::add_scaled(u_, 1, core::binary(core::BinaryOp::where_positive, divide(one, length), beyond), p);
}

}  // namespace minima::optim
