// SPDX-License-Identifier: MIT
#include "autograd/hessian.h"

namespace minima {

Hessian::Hessian(const Variable& loss, const std::vector<Variable>& parameters)
    : parameters_(parameters), gradients_(grad(loss, parameters, {.create_graph = true})) {}

std::vector<Tensor> Hessian::operator*(const std::vector<Tensor>& vector) const {
  if (vector.size() != parameters_.size())
    fail("Hessian", text("a vector of ", vector.size(), " tensors"), text(parameters_.size(), ", one a parameter"));
  std::vector<Variable> reached, seeds;
  for (size_t i = 0; i < vector.size(); ++i) {
    const Variable &part = parameters_[i], seed(vector[i]);
    if (seed.shape() != part.shape() || seed.dtype() != part.dtype() || seed.device() != part.device())
      fail("Hessian",
           text("vector[", i, "] of ", name_of(seed.dtype()), " ", seed.shape(), " on ", name_of(seed.device())),
           text("the parameter's ", name_of(part.dtype()), " ", part.shape(), " on ", name_of(part.device())));
    if (!gradients_[i].requires_grad()) continue;  // the loss is linear in this parameter
    reached.push_back(gradients_[i]);
    seeds.push_back(seed);
  }
  std::vector<Tensor> product;
  // BEGIN SOLUTION 7
  if (reached.empty())
    for (const Variable& part : parameters_)
      product.push_back(Tensor::zeros(part.shape(), part.dtype(), part.device()));
  else
    for (const Variable& row : grad(reached, parameters_, {.retain_graph = true, .grad_outputs = seeds}))
      product.push_back(row.value());
  // END SOLUTION
  return product;
}

std::vector<Tensor> hvp(const Variable& loss, const std::vector<Variable>& parameters,
                        const std::vector<Tensor>& vector) {
  return Hessian(loss, parameters) * vector;
}

}  // namespace minima
