// SPDX-License-Identifier: MIT
// Hessian: the second derivatives of a loss, as something to multiply vectors by. The matrix itself is never built.
//   Hessian hessian(loss, parameters);          // one backward pass, recorded
//   std::vector<Tensor> product = hessian * v;  // one more backward pass a product
// Not here: eigenvalues and traces (optim/analysis).
#pragma once

#include <vector>

#include "autograd/variable.h"

namespace minima {

/// The matrix H of second derivatives of `loss` in `parameters`, at the values they had when the loss was computed.
/// Products are exact up to rounding: H v is the gradient of (gradient . v). The object keeps the graph of the loss
/// alive, and any number of products may be taken.
/// Errors: a loss that has not exactly one element or depends on no leaf; a parameter that requires no gradient.
class Hessian {
 public:
  Hessian(const Variable& loss, const std::vector<Variable>& parameters);

  /// H v. The vector and the product have one tensor per parameter, of its shape and dtype.
  std::vector<Tensor> operator*(const std::vector<Tensor>& vector) const;

 private:
  std::vector<Variable> parameters_;
  std::vector<Variable> gradients_;  // recorded: each can be differentiated again
};

/// One product: Hessian(loss, parameters) * vector.
std::vector<Tensor> hvp(const Variable& loss, const std::vector<Variable>& parameters,
                        const std::vector<Tensor>& vector);

}  // namespace minima
