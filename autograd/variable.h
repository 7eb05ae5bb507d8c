// SPDX-License-Identifier: MIT
// Variable: a Tensor that remembers how it was made, and the functions that differentiate it.
//   Variable w(Tensor::full({3}, 2.0), requires_grad);
//   Variable loss = sum(w * w);
//   loss.backward();                    // w.grad() is 2 w
// A Variable is a handle: copies of a leaf share its value and its gradient.
// Not here: the ops themselves (ops.h), how they are recorded (record.h), Hessian-vector products (hessian.h).
#pragma once

#include <vector>

#include "autograd/mode.h"
#include "autograd/node.h"

namespace minima {

enum class RequiresGrad : bool { no, yes };
inline constexpr RequiresGrad requires_grad = RequiresGrad::yes;

class Variable {
 public:
  /// Undefined.
  Variable() = default;
  /// A constant, or with requires_grad a leaf whose gradient backward() accumulates.
  Variable(Tensor value, RequiresGrad mode = RequiresGrad::no);

  bool defined() const { return value().defined(); }
  const Tensor& value() const;
  const Shape& shape() const { return value().shape(); }
  int64_t size(int axis) const { return value().size(axis); }
  int64_t numel() const { return value().numel(); }
  DType dtype() const { return value().dtype(); }
  Device device() const { return value().device(); }
  double item() const { return value().item(); }
  bool requires_grad() const;
  /// The same value, cut off from how it was made.
  Variable detach() const { return Variable(value()); }

  // ---- leaves only (parameters); on anything else these are errors
  bool is_leaf() const;
  /// Freezes (false) or thaws a parameter.
  void set_requires_grad(bool on);
  /// Puts another tensor in the leaf's place, for every handle: another device or dtype, or a view of a flat buffer.
  void set_value(Tensor value);
  /// The accumulated gradient: the value's shape; zeros if bound and nothing was accumulated; else undefined.
  Tensor grad() const;
  /// Whether anything was accumulated since the last zero_grad().
  bool has_grad() const;
  /// Forgets the gradient: the next backward() overwrites instead of adding.
  void zero_grad();
  /// Gradients accumulate in this memory from now on (an optimizer's flat buffer); the value's shape and dtype.
  void bind_grad(Tensor memory);

  /// Adds d(this)/d(leaf) to every leaf's gradient. This must have one element unless a seed of its shape is given.
  /// Frees the graph as it goes unless retain_graph. Graphs that share leaves belong to one thread at a time.
  void backward(bool retain_graph = false) const;
  void backward(const Tensor& seed, bool retain_graph = false) const;

  // ---- for record.h and the driver
  Variable(Tensor value, core::Shared<autograd::Node> node);
  /// The place in the graph, null for a constant. Two Variables are one parameter when their nodes are equal.
  const core::Shared<autograd::Node>& node() const { return node_; }

 private:
  Tensor value_;  // a leaf's is in its node
  core::Shared<autograd::Node> node_;
};

struct GradOptions {
  bool create_graph = false;             ///< the result can itself be differentiated
  bool retain_graph = false;             ///< keep the graph for another pass (implied by create_graph)
  std::vector<Variable> grad_outputs{};  ///< seeds, one per output; default: 1 for one-element outputs
};

/// Gradients of the outputs' sum with respect to each input, returned instead of accumulated. An input that the
/// outputs do not depend on gets zeros.
std::vector<Variable> grad(const std::vector<Variable>& outputs, const std::vector<Variable>& inputs,
                           const GradOptions& options = {});
std::vector<Variable> grad(const Variable& output, const std::vector<Variable>& inputs,
                           const GradOptions& options = {});

}  // namespace minima
