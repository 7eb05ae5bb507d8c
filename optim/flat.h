// FlatParameters: the parameters of a model gathered into one contiguous block of memory, and their gradients into
// another, so that an optimizer's step is one pass over memory whatever the number of layers and a norm over everything
// is one reduction. The parameters stay what they were, for every handle: their values become views of the block.
// Not here: what is done with the memory (optimizer.h).
#pragma once

#include <vector>

#include "autograd/variable.h"

namespace minima::optim {

class FlatParameters {
 public:
  /// Trainable elements [begin, end) of one group.
  struct Run {
    int64_t begin, end;
    int group;
  };

  /// Gathers the groups one after the other. Errors, in the name of `where`: no parameter at all, a constant or the
  /// result of an op, a parameter given twice, more than one dtype or device.
  FlatParameters(const char* where, const std::vector<std::vector<Variable>>& groups);

  const std::vector<Variable>& parameters() const { return parameters_; }
  /// All elements, frozen ones included, in the order of parameters(); [numel].
  const Tensor& weights() const { return weights_; }
  const Tensor& gradients() const { return gradients_; }
  /// A buffer beside the weights: zeros of their size, dtype and device.
  Tensor zeros() const { return Tensor::zeros(weights_.shape(), weights_.dtype(), weights_.device()); }

  /// To be called before each step: takes back parameters that another optimizer has gathered since (with the values
  /// they have now), and notes which are frozen.
  void refresh();
  /// The elements of parameters that require a gradient, adjacent ones joined, as of the last refresh().
  const std::vector<Run>& runs() const { return runs_; }

  /// Forgets the gradients of trainable parameters.
  void zero_gradients();
  /// A trainable parameter that the loss did not reach has a gradient of zero. None reached is an error.
  void complete_gradients();

  /// Sums of products over trainable elements, in double.
  double dot(const Tensor& a, const Tensor& b) const;
  double norm(const Tensor& a) const;

 private:
  void gather(size_t i);

  const char* where_;
  std::vector<Variable> parameters_;
  std::vector<int> group_of_;
  std::vector<int64_t> offsets_;
  Tensor weights_, gradients_;
  std::vector<Run> runs_;
};

}  // namespace minima::optim
