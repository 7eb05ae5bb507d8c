#include "optim/looksam.h"

#include <cmath>

#include "core/ops.h"

namespace minima::optim {

LookSAM::LookSAM(std::unique_ptr<BaseOptimizer> base, const LookSamOptions& options)
    : Wrapper("looksam", std::move(base), options.rho, Radius::not_negative),
      period_(options.period),
      alpha_(options.alpha),
      u_(this->base().flat().zeros()) {
  if (period_ < 1) fail("looksam", text("period = ", period_), "at least 1");
  if (!(alpha_ >= 0 && std::isfinite(alpha_)))
    fail("looksam", text("alpha = ", alpha_), "a finite number of at least 0");
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
    core::add_scaled(g, alpha_ * norm(g), u_);
    base().update(g);
  }
  return loss;
}

void LookSAM::remember_orthogonal_part(const Tensor& g, const Tensor& g2) {
  const FlatParameters& flat = base().flat();
  const double gg = flat.dot(g, g), parallel = gg > 0 ? flat.dot(g2, g) / gg : 0;
  u_.copy_from(g2);
  core::add_scaled(u_, -parallel, g);
  const double length = norm(u_), rounding = g.dtype() == DType::float64 ? 1e-14 : 1e-6;
  if (length > rounding * norm(g2))
    u_.copy_from(core::unary(core::UnaryOp::affine, u_, 1 / length, 0));
  else
    u_.fill(0);
}

Optimizer::Buffers LookSAM::buffers() const {
  Buffers buffers = Wrapper::buffers();
  buffers.emplace_back("u", u_);
  return buffers;
}

}  // namespace minima::optim
