// SPDX-License-Identifier: MIT
// Trainable: a FlatLayout in whose vectors only trainable parameters move, for curvature.h and landscape.h. Frozen
// parameters have their place in a vector but stand still: their part counts as zero.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "optim/flat.h"

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::optim::detail {

class Trainable : public FlatLayout {
 public:
  /// Errors, in the name of `where`: FlatLayout's, and no parameter that is trainable.
  Trainable(const char* where, const std::vector<Variable>& parameters);

  const std::vector<Variable>& trainable() const { return trainable_; }
  int64_t dimension() const { return dimension_; }  ///< of the space in which anything moves

  /// A view of the flat vector for each trainable parameter, in its shape.
  std::vector<Tensor> split(const Tensor& flat) const;
  /// One vector of the parts, zeros where parameters are frozen.
  Tensor join(const std::vector<Tensor>& parts) const;
  Tensor without_frozen(const Tensor& flat) const { return join(split(flat)); }

  /// An error unless the vector has the layout's size and dtype.
  void check(const Tensor& flat) const;
  /// A direction as it moves the weights: frozen parts zero. One without length, or with an infinite one, is an error.
  Tensor direction(const Tensor& flat) const;

 private:
  const char* where_;
  std::vector<Variable> trainable_;
  std::vector<size_t> positions_;  // in the layout
  int64_t dimension_ = 0;
};

/// The loss at the place named. An empty function is an error, and so is a loss that is not a finite number.
Variable finite_loss(const char* where, const std::function<Variable()>& loss, const std::string& place,
                     const char* hint);

/// factor * x
Tensor scaled(const Tensor& x, double factor);

}  // namespace minima::optim::detail
#pragma GCC visibility pop
