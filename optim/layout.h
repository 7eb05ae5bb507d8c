// Layout: how flat vectors and a list of parameters correspond, for curvature.h and landscape.h. A flat vector has one
// element per element of the parameters, in their order; frozen parameters have their place in it but stand still.
// Not here: the memory that an optimizer works on (flat.h), which holds the parameters themselves.
#pragma once

#include <string>
#include <vector>

#include "autograd/variable.h"

namespace minima::optim::detail {

class Layout {
 public:
  /// Errors, in the name of `where`: no parameter, none that is trainable, several dtypes or devices.
  Layout(const char* where, const std::vector<Variable>& parameters);

  const std::vector<Variable>& trainable() const { return trainable_; }
  int64_t numel() const { return numel_; }
  int64_t dimension() const { return dimension_; }  ///< of the space in which anything moves
  DType dtype() const { return trainable_[0].dtype(); }
  Device device() const { return trainable_[0].device(); }

  Tensor zeros() const { return Tensor::zeros({numel_}, dtype(), device()); }
  /// The part of trainable parameter i: a view of the flat vector, in the parameter's shape.
  Tensor part(const Tensor& flat, size_t i) const;
  std::vector<Tensor> split(const Tensor& flat) const;
  /// One vector of the parts, zeros where parameters are frozen.
  Tensor join(const std::vector<Tensor>& parts) const;
  Tensor without_frozen(const Tensor& flat) const { return join(split(flat)); }

  /// An error unless the vector has this layout's size and dtype.
  void check(const Tensor& flat) const;
  /// A direction as it moves the weights: frozen parts zero. One without length, or with an infinite one, is an error.
  Tensor direction(const Tensor& flat) const;

 private:
  const char* where_;
  std::vector<Variable> trainable_;
  std::vector<int64_t> offsets_;
  int64_t numel_ = 0, dimension_ = 0;
};

/// The number a loss came to, at the place named; one that is not finite is an error.
double finite_loss(const char* where, const Variable& loss, const std::string& place, const char* hint);

/// factor * x
Tensor scaled(const Tensor& x, double factor);

}  // namespace minima::optim::detail
