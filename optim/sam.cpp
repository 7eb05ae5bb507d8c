#include "optim/sam.h"

#include <cmath>

#include "core/ops.h"
#include "core/random.h"

namespace minima::optim {

Variable TwoPassWrapper::step(const Closure& closure) {
  begin_step();
  const Generator random_numbers = default_generator();
  Variable loss = gradient(closure);  // g at w
  base().observe(loss);
  const Perturbation uphill = ascent();
  StepStatistics& statistics = base().statistics();
  if (base().measured() != Measure::nothing) statistics.perturbation_norm = uphill.norm();
  {
    auto there = uphill.scope(Undo::from_copy);  // w + e until the brace closes; then w, exactly
    BatchStatisticsFrozen frozen;
    default_generator() = random_numbers;
    statistics.loss_perturbed = gradient(closure).item();  // g at w + e
  }
  statistics.loss_clean = statistics.loss;
  base().update(gradients());  // the base's rule at w, with that gradient
  return loss;
}

SAM::SAM(std::unique_ptr<BaseOptimizer> base, const SamOptions& options)
    : TwoPassWrapper("sam", std::move(base), options.rho) {}

Perturbation SAM::ascent() const { return along(gradients(), +1); }

ASAM::ASAM(std::unique_ptr<BaseOptimizer> base, const AsamOptions& options)
    : TwoPassWrapper("asam", std::move(base), options.rho), eta_(options.eta) {
  if (!(eta_ >= 0 && std::isfinite(eta_))) fail("asam", text("eta = ", eta_), "a finite number of at least 0");
}

Perturbation ASAM::ascent() const {
  const Tensor size = core::unary(UnaryOp::affine, core::unary(UnaryOp::abs, base().flat().weights()), 1, eta_);
  const Tensor scaled_gradient = core::binary(BinaryOp::multiply, size, gradients());
  return along(core::binary(BinaryOp::multiply, size, scaled_gradient), +1, norm(scaled_gradient));
}

}  // namespace minima::optim
