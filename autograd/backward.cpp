// SPDX-License-Identifier: MIT
// The driver: what every backward rule would otherwise repeat. Topological order without recursion, skipping what
// needs no gradient, summing over broadcast axes, checking shapes, accumulation, freeing the graph as it goes.
// A rule may itself call grad(): its traversal sees only nodes younger than those of the one around it.
#include <algorithm>

#include "autograd/ops.h"
#include "autograd/record.h"
#include "core/ops.h"

namespace minima {

using autograd::Context, autograd::Edge, autograd::Gradients, autograd::Leaf, autograd::Node, autograd::Op;

namespace {
struct Pass {
  const std::vector<Variable>* inputs = nullptr;  // what grad() asks for; null: accumulate into every leaf
  bool create_graph = false;
  bool retain_graph = false;
};

void accumulate(Leaf& leaf, const Tensor& grad) {
  if (!leaf.requires_grad) return;
  // BEGIN SOLUTION 2
  const bool is_there = grad.shares_storage_with(leaf.grad) && grad.raw() == leaf.grad.raw();  // by claim_memory
  if (leaf.grad_bound && leaf.grad_empty) {
    if (!is_there) leaf.grad.copy_from(grad);
  } else if (leaf.grad_bound) {
    core::add_scaled(leaf.grad, 1.0, grad);
  } else {
    leaf.grad = leaf.grad_empty ? grad.clone() : core::binary(core::BinaryOp::add, leaf.grad, grad);
  }
  leaf.grad_empty = false;
  // END SOLUTION
}

std::atomic<uint64_t> traversals{0};  // so far

Op& op_of(const core::Shared<Node>& node) { return static_cast<Op&>(*node); }
}  // namespace

namespace autograd {

/// One walk over the graph, outputs first. What it knows about a node is in notes_, at the node's mark.place.
class Traversal {
 public:
  Traversal(const std::vector<Variable>& outputs, const Pass& pass);

  /// Whether the node's gradient is asked for, or leads to one that is.
  bool wants(const core::Shared<Node>& node) const {
    return node && node->mark.traversal == id_ && notes_[node->mark.place].role != Role::passed;
  }
  /// The leaf's bound memory, if this pass is to fill it and nobody has yet got it.
  Tensor claim_memory(const core::Shared<Node>& node) const;
  /// Runs the rules. Returns the gradients of pass.inputs, undefined where the outputs do not depend on one.
  std::vector<Variable> run(const std::vector<Variable>& outputs, const std::vector<Variable>& seeds);

 private:
  enum class Role : uint8_t {
    passed,  // leads to nothing whose gradient is asked for
    wanted,  // lies between the outputs and what is asked for
    target,  // is itself asked for
  };
  struct Note {
    Role role;
    Variable gradient = {};        // gathered so far
    mutable bool claimed = false;  // the leaf's memory
  };

  void find(const std::vector<Variable>& outputs);
  void assign_roles();
  bool leads_on(const Op& op) const;
  void propagate(Op& op, const Variable& grad);
  // Adds to what a node has gathered. Always a new tensor: two nodes may hold the same gradient.
  void gather(const Node& node, Variable grad) {
    // BEGIN SOLUTION 2
    Variable& sum = notes_[node.mark.place].gradient;
    sum = sum.defined() ? sum + grad : std::move(grad);
    // END SOLUTION
  }

  const Pass pass_;
  const uint64_t id_;
  std::vector<core::Shared<Node>> order_;  // descending ids
  std::vector<Note> notes_;                // of the nodes of order_
};

Traversal::Traversal(const std::vector<Variable>& outputs, const Pass& pass) : pass_(pass), id_(++traversals) {
  find(outputs);
  assign_roles();
}

// The nodes that the outputs depend on. An op's id is larger than its inputs' ids: descending ids are a topological
// order, and nothing below the smallest target can lead to one.
void Traversal::find(const std::vector<Variable>& outputs) {
  uint64_t lowest = 0;
  if (pass_.inputs) {
    lowest = ~uint64_t{0};
    for (const Variable& input : *pass_.inputs) lowest = std::min(lowest, input.node()->id);
  }
  // BEGIN SOLUTION 2
  const auto visit = [&](const core::Shared<Node>& node) {
    if (!node || node->mark.traversal == id_ || node->id < lowest) return;
    node->mark.traversal = id_;
    order_.push_back(node);
  };
  for (const Variable& output : outputs) visit(output.node());
  for (size_t i = 0; i < order_.size(); ++i) {
    if (order_[i]->is_leaf) continue;
    const Op& op = op_of(order_[i]);
    if (op.freed)
      fail(op.name, "a second backward pass through a graph that the first one freed", "a graph that is still whole",
           "Use retain_graph on every pass but the last.");
    for (const Edge& edge : op.inputs) visit(edge.node);
  }
  std::sort(order_.begin(), order_.end(), [](const auto& a, const auto& b) { return a->id > b->id; });
  // END SOLUTION
}

void Traversal::assign_roles() {
  notes_.reserve(order_.size());
  for (const auto& node : order_) {
    node->mark.place = notes_.size();
    notes_.push_back({pass_.inputs ? Role::passed : node->is_leaf ? Role::target : Role::wanted});
  }
  if (!pass_.inputs) return;
  for (const Variable& input : *pass_.inputs)
    if (input.node()->mark.traversal == id_) notes_[input.node()->mark.place].role = Role::target;
  for (size_t i = order_.size(); i-- > 0;)
    if (!order_[i]->is_leaf && notes_[i].role == Role::passed && leads_on(op_of(order_[i])))
      notes_[i].role = Role::wanted;
}

bool Traversal::leads_on(const Op& op) const {
  return std::any_of(op.inputs.begin(), op.inputs.end(), [&](const Edge& edge) { return wants(edge.node); });
}

std::vector<Variable> Traversal::run(const std::vector<Variable>& outputs, const std::vector<Variable>& seeds) {
  EnableGrad mode(pass_.create_graph);
  for (size_t i = 0; i < outputs.size(); ++i)
    if (wants(outputs[i].node())) gather(*outputs[i].node(), seeds[i]);
  // BEGIN SOLUTION 2
  for (size_t i = 0; i < order_.size(); ++i) {
    Note& note = notes_[i];
    if (!note.gradient.defined()) continue;
    if (order_[i]->is_leaf) {
      if (!pass_.inputs) accumulate(static_cast<Leaf&>(*order_[i]), note.gradient.value());
      continue;
    }
    Op& op = op_of(order_[i]);
    if (!leads_on(op)) continue;
    const bool is_target = note.role == Role::target;
    propagate(op, is_target ? note.gradient : std::exchange(note.gradient, Variable()));
    if (pass_.retain_graph || pass_.create_graph) continue;
    op.free_graph();
    if (!is_target) order_[i] = core::Shared<Node>();  // lets the activations behind it go at once
  }
  // END SOLUTION
  std::vector<Variable> gradients;
  if (pass_.inputs)
    for (const Variable& input : *pass_.inputs)
      gradients.push_back(wants(input.node()) ? notes_[input.node()->mark.place].gradient : Variable());
  return gradients;
}

// Runs an op's rule and hands its gradients on to the inputs that want one.
void Traversal::propagate(Op& op, const Variable& grad) {
  Gradients gradients = op.backward(Context(grad, op, *this));
  if (gradients.size() != op.inputs.size())
    fail(op.name, text(gradients.size(), " gradients from its rule"), text(op.inputs.size(), ", one an input"));
  for (int i = 0; i < gradients.size(); ++i) {
    Variable& wanted = gradients[i];
    const Edge& edge = op.inputs[i];
    if (!wanted.defined() || !wants(edge.node)) continue;
    if (wanted.shape() != edge.shape) {
      if (core::broadcast_shapes(op.name, wanted.shape(), edge.shape) != wanted.shape())
        fail(op.name, text("a gradient of shape ", wanted.shape(), " for input ", i), text(edge.shape));
      wanted = sum_to(wanted, edge.shape);
    }
    gather(*edge.node, std::move(wanted));
  }
}

Tensor Traversal::claim_memory(const core::Shared<Node>& node) const {
  if (pass_.inputs || pass_.create_graph || !wants(node) || !node->is_leaf) return {};
  const Leaf& leaf = static_cast<const Leaf&>(*node);
  const Note& note = notes_[node->mark.place];
  if (!leaf.grad_bound || !leaf.grad_empty || !leaf.requires_grad || note.claimed || note.gradient.defined()) return {};
  note.claimed = true;
  return leaf.grad;
}

Tensor Context::gradient_memory(int i) const { return traversal_.claim_memory(op_.inputs[i].node); }

bool Context::needs(int i) const { return traversal_.wants(op_.inputs[i].node); }

}  // namespace autograd

namespace {
std::vector<Variable> run(const std::vector<Variable>& outputs, const std::vector<Variable>& seeds, const Pass& pass) {
  return autograd::Traversal(outputs, pass).run(outputs, seeds);
}

void check_seed(const Variable& seed, const Variable& output, const char* where, const std::string& name) {
  if (!seed.defined()) fail(where, text(name, " that is undefined"), text("one of shape ", output.shape()));
  if (seed.shape() != output.shape() || seed.dtype() != output.dtype())
    fail(where, text(name, " of ", name_of(seed.dtype()), " ", seed.shape()),
         text("the output's ", name_of(output.dtype()), " ", output.shape()));
}

Variable default_seed(const Variable& output, const char* where) {
  if (output.numel() != 1)
    fail(where, text("an output of shape ", output.shape()), "one element",
         "Reduce it with sum() or mean(), or give a seed of its shape.");
  return Variable(Tensor::full(output.shape(), 1.0, output.dtype(), output.device()));
}

void require_graph(bool found, const char* where) {
  if (!found)
    fail(where, "an output that depends on no leaf with requires_grad", "one that does",
         "Was it computed under NoGrad, or from detached values?");
}

Variable zeros_like(const Variable& x) { return Variable(Tensor::zeros(x.shape(), x.dtype(), x.device())); }
}  // namespace

void Variable::backward(bool retain_graph) const {
  require_graph(requires_grad(), "backward");
  run({*this}, {default_seed(*this, "backward")}, {nullptr, false, retain_graph});
}

void Variable::backward(const Tensor& seed, bool retain_graph) const {
  require_graph(requires_grad(), "backward");
  check_seed(seed, *this, "backward", "a seed");
  run({*this}, {Variable(seed)}, {nullptr, false, retain_graph});
}

std::vector<Variable> grad(const std::vector<Variable>& outputs, const std::vector<Variable>& inputs,
                           const GradOptions& options) {
  if (!options.grad_outputs.empty() && options.grad_outputs.size() != outputs.size())
    fail("grad", text(options.grad_outputs.size(), " grad_outputs"), text(outputs.size(), ", one an output"));
  for (size_t i = 0; i < inputs.size(); ++i)
    if (!inputs[i].requires_grad())
      fail("grad", text("input ", i, ", a constant or a frozen leaf"), "one that requires a gradient",
           "Make it with Variable(tensor, requires_grad) before computing the output.");
  require_graph(std::any_of(outputs.begin(), outputs.end(), [](const Variable& o) { return o.requires_grad(); }),
                "grad");
  std::vector<Variable> seeds;
  for (size_t i = 0; i < outputs.size(); ++i) {
    seeds.push_back(options.grad_outputs.empty() ? default_seed(outputs[i], "grad") : options.grad_outputs[i]);
    check_seed(seeds[i], outputs[i], "grad", text("grad_outputs[", i, "]"));
  }
  std::vector<Variable> gradients = run(outputs, seeds, {&inputs, options.create_graph, options.retain_graph});
  for (size_t i = 0; i < inputs.size(); ++i)
    if (!gradients[i].defined()) gradients[i] = zeros_like(inputs[i]);
  return gradients;
}

std::vector<Variable> grad(const Variable& output, const std::vector<Variable>& inputs, const GradOptions& options) {
  return grad(std::vector<Variable>{output}, inputs, options);
}

namespace autograd {

Gradients vjp(const std::function<Variable(const std::vector<Variable>&)>& formula, const std::vector<Variable>& inputs,
              const Variable& seed) {
  const bool create_graph = grad_enabled();
  EnableGrad recording;
  // The formula gets variables of its own: its graph is apart from the one being traversed, so that it can be
  // differentiated now, and hangs on it (when that is wanted) by an op that does nothing.
  std::vector<Variable> fresh, wanted;
  for (const Variable& input : inputs) {
    fresh.push_back(!input.requires_grad() ? input
                    : !create_graph        ? Variable(input.value(), requires_grad)
                                    : record("vjp", input.value(), {input}, [](const Context& c) { return c.grad; }));
    if (input.requires_grad()) wanted.push_back(fresh.back());
  }
  std::vector<Variable> found = grad(formula(fresh), wanted, {.create_graph = create_graph, .grad_outputs = {seed}});
  Gradients gradients;
  size_t next = 0;
  for (const Variable& input : inputs) gradients.push_back(input.requires_grad() ? found[next++] : Variable());
  return gradients;
}

}  // namespace autograd
}  // namespace minima
