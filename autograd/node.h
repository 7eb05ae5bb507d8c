// SPDX-License-Identifier: MIT
// The graph behind Variables: leaves hold parameters; an op holds its inputs, what its backward rule needs, and the
// rule. Not here: how a program sees a node (variable.h), how an op comes into being (record.h), who walks the graph
// (backward.cpp).
#pragma once

#include <atomic>
#include <cstdint>

#include "core/pool.h"
#include "core/small_vector.h"
#include "core/tensor.h"

namespace minima {

class Variable;

namespace autograd {

class Context;
/// The gradients a rule returns, in the order of the inputs; undefined where none is needed.
using Gradients = core::SmallVector<Variable, 4>;

/// What leaves and ops have in common. Outputs have higher ids than their inputs: descending ids are a topological
/// order.
class Node {
 public:
  virtual ~Node() = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  void retain() { references_.fetch_add(1, std::memory_order_relaxed); }
  void release();

  const char* const name;  ///< of the op, for messages
  const bool is_leaf;
  const uint64_t id = next_id();
  Shape shape;  ///< of the value

  /// The traversal that visited this node last, and where it keeps what it knows about the node.
  struct Mark {
    uint64_t traversal = 0;
    size_t place = 0;
  } mark;

 protected:
  Node(const char* name, bool is_leaf) : name(name), is_leaf(is_leaf) {}

 private:
  static uint64_t next_id();
  std::atomic<int32_t> references_{0};
  Node* next_to_free_ = nullptr;  // see release()
};

/// A parameter.
struct Leaf final : Node, core::Pooled<Leaf> {
  Leaf() : Node("leaf", true) {}

  Tensor value, grad;
  bool requires_grad = true;
  bool grad_bound = false;  ///< grad is an optimizer's memory: write into it
  bool grad_empty = true;   ///< nothing accumulated since zero_grad
};

/// A tensor kept for the backward pass, with the version it had.
struct Saved {
  Tensor value;
  int64_t version = 0;
};

struct Edge {
  core::Shared<Node> node;  ///< null: a constant
  Shape shape;
  Saved saved;
};

/// A recorded op. The rule itself is in the derived type (record.h).
struct Op : Node {
  explicit Op(const char* name) : Node(name, false) {}

  core::SmallVector<Edge, 3> inputs;
  Saved output;
  bool freed = false;  ///< a backward pass has consumed this op

  virtual Gradients backward(const Context& context) = 0;
  /// Drops what the op saved; its inputs may then be freed.
  virtual void free_graph();
};

}  // namespace autograd
}  // namespace minima
