#include "optim/clip.h"

#include <cmath>

#include "core/ops.h"

namespace minima::optim {

double clip_gradient_norm(const std::vector<Variable>& parameters, double max_norm) {
  if (!(max_norm > 0)) fail("clip_gradient_norm", text("max_norm = ", max_norm), "a number above 0");
  double sum = 0;
  for (const Variable& parameter : parameters)
    if (const Tensor grad = parameter.grad(); grad.defined()) sum += core::dot(grad, grad);
  const double norm = std::sqrt(sum);
  if (!(norm > max_norm)) return norm;
  for (Variable parameter : parameters)
    if (const Tensor grad = parameter.grad(); grad.defined())
      parameter.set_grad(core::unary(UnaryOp::affine, grad, max_norm / norm, 0));
  return norm;
}

}  // namespace minima::optim
