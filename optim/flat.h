// SPDX-License-Identifier: MIT
// Flat memory: how a list of parameters and one long vector correspond (FlatLayout), and the parameters themselves and
// their gradients gathered into two such vectors (FlatParameters), so that an optimizer's step is one pass over memory
// whatever the number of layers, and a norm over everything is one reduction.
// Not here: what is done with the memory (optimizer.h, analysis/).
#pragma once

#include <vector>

#include "autograd/variable.h"

namespace minima::optim {

/// A flat vector has one element for each element of the parameters, in their order; frozen parameters included.
class FlatLayout {
 public:
  /// Errors, in the name of `where`: no parameter at all, a constant or the result of an op, a parameter given twice,
  /// more than one dtype or device.
  FlatLayout(const char* where, std::vector<Variable> parameters);

  const std::vector<Variable>& parameters() const { return parameters_; }
  int64_t numel() const { return numel_; }
  DType dtype() const { return parameters_[0].dtype(); }
  Device device() const { return parameters_[0].device(); }

  Tensor zeros() const { return Tensor::zeros({numel_}, dtype(), device()); }
  /// Where parameter i begins.
  int64_t offset(size_t i) const { return offsets_[i]; }
  /// The part of parameter i: a view of the flat vector, in the parameter's shape.
  Tensor part(const Tensor& flat, size_t i) const;

 private:
  std::vector<Variable> parameters_;
  std::vector<int64_t> offsets_;
  int64_t numel_ = 0;
};

/// The parameters stay what they were, for every handle: their values become views of one block of memory. Parameters
/// that share their memory (tied weights: b.set_value(a.value())) go on sharing it; each still has a gradient of its
/// own, and each moves the shared weights.
class FlatParameters {
 public:
  /// A stretch of trainable elements of one group that have been updated equally often.
  struct Run {
    int64_t begin, end;     ///< in flat vectors
    int64_t weights_begin;  ///< where its weights lie: at `begin`, except where parameters share memory
    int group;
    int64_t steps;        ///< updates so far
    bool reached = true;  ///< by the loss of this step
  };

  /// Gathers the parameters, each of which is in a group by number. Errors as FlatLayout's.
  FlatParameters(const char* where, std::vector<Variable> all, std::vector<int> group_of);

  const std::vector<Variable>& parameters() const { return layout_.parameters(); }
  const FlatLayout& layout() const { return layout_; }
  const Tensor& gradients() const { return gradients_; }
  /// The weights as a flat vector: the memory itself, or a copy where parameters share memory. To be read only.
  Tensor weights() const;
  /// The memory of a run's weights.
  Tensor weights_of(const Run& run) const;
  /// The memory of all weights.
  const Tensor& memory() const { return weights_; }
  /// The parameters have their values in `memory` from now on, which is laid out as memory(). One whose value lies
  /// elsewhere, because somebody has replaced it, stays there.
  void lie_in(const Tensor& memory);

  /// To be called before each step. Takes back parameters that lie elsewhere now, with the values they have there:
  /// another optimizer has gathered them, or set_value() has replaced their value. Notes which are frozen.
  void refresh();
  /// The elements that were trainable at the last refresh().
  const std::vector<Run>& runs() const { return runs_; }
  /// An update has been done: one more for each trainable parameter that was reached.
  void count_step();
  /// Updates of each parameter.
  std::vector<int64_t>& steps() { return steps_; }
  const std::vector<int64_t>& steps() const { return steps_; }

  /// Forgets the gradients of trainable parameters.
  void zero_gradients();
  /// To be called after a backward pass: notes which parameters it reached. The gradient of all others is zero. Errors:
  /// none was reached, unless `none_is_right`; a value or a gradient lies elsewhere now.
  void complete_gradients(bool none_is_right = false);
  /// Which parameters were reached; and what other processes have found besides, where the gradients are sums of
  /// theirs.
  const std::vector<bool>& reached() const { return reached_; }
  void reach(const std::vector<bool>& reached);

  /// Sums of products over trainable elements, accumulated in double: one float64 element, on the device.
  Tensor dot(const Tensor& a, const Tensor& b) const;
  Tensor norm(const Tensor& a) const;

 private:
  bool in_place() const;
  void gather();
  void find_runs();

  const char* where_;
  FlatLayout layout_;
  std::vector<int> group_of_;
  std::vector<int64_t> steps_;
  std::vector<bool> trainable_, reached_;
  std::vector<bool> gradient_is_zero_;  ///< of frozen parameters
  std::vector<int64_t> weights_at_;     ///< where the weights of parameter i lie
  Tensor gradients_, weights_;
  std::vector<Run> runs_;
};

}  // namespace minima::optim
