// SPDX-License-Identifier: MIT
#include "autograd/variable.h"

#include "autograd/record.h"
#include "core/ops.h"

namespace minima {

using autograd::Leaf, autograd::Node;

Variable::Variable(Tensor value, RequiresGrad mode) : value_(std::move(value)) {
  if (mode == RequiresGrad::no) return;
  if (!value_.defined()) fail("Variable", "requires_grad on an undefined tensor", "a tensor");
  if (!is_floating(value_.dtype()))
    fail("Variable", text("requires_grad on a ", name_of(value_.dtype()), " tensor"), "float32 or float64");
  auto* leaf = new Leaf;
  node_ = core::Shared<Node>(leaf);
  leaf->shape = value_.shape();
  leaf->value = std::move(value_);
}

Variable::Variable(Tensor value, core::Shared<Node> node) : value_(std::move(value)), node_(std::move(node)) {}

// A leaf's value lives in its node, so that set_value reaches every handle. A rule's view of a saved leaf has its own.
const Tensor& Variable::value() const {
  return value_.defined() || !node_ || !node_->is_leaf ? value_ : static_cast<const Leaf&>(*node_).value;
}

bool Variable::requires_grad() const {
  return node_ && (!node_->is_leaf || static_cast<const Leaf&>(*node_).requires_grad);
}

bool Variable::is_leaf() const { return !node_ || node_->is_leaf; }

namespace {
Leaf& parameter(const Variable& variable, const char* what) {
  const auto& node = variable.node();
  if (!node || !node->is_leaf)
    fail(what, node ? text("the result of ", node->name) : std::string("a constant"), "a leaf made with requires_grad");
  return static_cast<Leaf&>(*node);
}

void check_fits(const char* what, const Tensor& given, const Leaf& leaf) {
  if (!given.defined()) fail(what, "an undefined tensor", text("a tensor of the parameter's shape ", leaf.shape));
  if (given.shape() != leaf.shape)
    fail(what, text("shape ", given.shape()), text("the parameter's shape ", leaf.shape));
}
}  // namespace

void Variable::set_requires_grad(bool on) { parameter(*this, "set_requires_grad").requires_grad = on; }

void Variable::set_value(Tensor value) {
  Leaf& leaf = parameter(*this, "set_value");
  check_fits("set_value", value, leaf);
  if (value.dtype() != leaf.value.dtype() || value.device() != leaf.value.device()) {
    leaf.grad = Tensor();
    leaf.grad_bound = false;
    leaf.grad_empty = true;
  }
  leaf.value = std::move(value);
}

Tensor Variable::grad() const {
  Leaf& leaf = parameter(*this, "grad");
  if (leaf.grad_empty && leaf.grad_bound) {
    leaf.grad.fill(0);
    leaf.grad_empty = false;
  }
  return leaf.grad_empty ? Tensor() : leaf.grad;
}

bool Variable::has_grad() const { return !parameter(*this, "has_grad").grad_empty; }

void Variable::zero_grad() {
  Leaf& leaf = parameter(*this, "zero_grad");
  leaf.grad_empty = true;
  if (!leaf.grad_bound) leaf.grad = Tensor();
}

void Variable::bind_grad(Tensor memory) {
  Leaf& leaf = parameter(*this, "bind_grad");
  check_fits("bind_grad", memory, leaf);
  if (memory.dtype() != leaf.value.dtype())
    fail("bind_grad", text("dtype ", name_of(memory.dtype())), text("the parameter's ", name_of(leaf.value.dtype())));
  leaf.grad = std::move(memory);
  leaf.grad_bound = true;
  leaf.grad_empty = true;
}

namespace autograd {

uint64_t Node::next_id() {
  static std::atomic<uint64_t> counter{1};
  return counter.fetch_add(1, std::memory_order_relaxed);
}

// Freeing a node may free its inputs, and theirs: a chain of 100,000 ops. The first release on a thread works through
// a list; releases that happen meanwhile only append to it. (Plain pointers: nodes may outlive the thread's objects.)
void Node::release() {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  thread_local Node* to_free = nullptr;
  thread_local bool freeing = false;
  next_to_free_ = std::exchange(to_free, this);
  if (freeing) return;
  freeing = true;
  while (to_free) {
    Node* node = std::exchange(to_free, to_free->next_to_free_);
    delete node;
  }
  freeing = false;
}

void Op::free_graph() {
  freed = true;
  inputs.clear();
  output = Saved();
}

void add_input(Op& op, const Input& input) {
  const Variable& x = input.variable;
  op.inputs.push_back(Edge{x.requires_grad() ? x.node() : core::Shared<Node>(), x.shape(),
                           input.save ? Saved{x.value(), x.value().version()} : Saved{}});
}

Variable finish(core::Shared<Node> node, Op& op, Output output) {
  op.shape = output.value.shape();
  if (output.save) op.output = Saved{output.value, output.value.version()};
  return Variable(std::move(output.value), std::move(node));
}

namespace {
// `input` is the operand's number, or -1 for the output. (A message is put together only when there is one.)
void check_saved(const Saved& saved, const char* op, int input) {
  if (saved.value.defined() && saved.version == saved.value.version()) return;
  const std::string which = input < 0 ? "its output" : text("input ", input);
  if (!saved.value.defined()) fail(op, text("a rule that reads ", which), "an operand that record() was told to save");
  fail(op, text(which, " changed in place ", saved.value.version() - saved.version, " time(s) since the op ran"),
       "the tensor that the backward pass needs, unchanged", "Change a clone, or change it after backward().");
}
}  // namespace

Variable Context::input(int i) const {
  const Edge& edge = op_.inputs[i];
  check_saved(edge.saved, op_.name, i);
  return edge.node ? Variable(edge.saved.value, edge.node) : Variable(edge.saved.value);
}

Variable Context::output() const {
  check_saved(op_.output, op_.name, -1);
  return Variable(op_.output.value, core::Shared<Node>(&op_));
}

const Shape& Context::input_shape(int i) const { return op_.inputs[i].shape; }

}  // namespace autograd
}  // namespace minima
