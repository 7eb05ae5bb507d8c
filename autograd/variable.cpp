#include "autograd/variable.h"

#include "autograd/record.h"
#include "core/ops.h"

namespace minima {

Variable::Variable(Tensor value, RequiresGrad mode) : value_(std::move(value)) {
  if (mode == RequiresGrad::no) return;
  if (!is_floating(value_.dtype()))
    fail("Variable", text("requires_grad on a ", name_of(value_.dtype()), " tensor"), "float32 or float64");
  node_ = Shared<detail::Node>(new detail::Node);
  node_->shape = value_.shape();
  node_->value = std::move(value_);
}

Variable::Variable(Tensor value, Shared<detail::Node> node) : value_(std::move(value)), node_(std::move(node)) {}

// A leaf's value lives in its node, so that set_value reaches every handle. A rule's view of a saved leaf has its own.
const Tensor& Variable::value() const { return value_.defined() || !node_ ? value_ : node_->value; }

bool Variable::requires_grad() const { return node_ && (!node_->is_leaf() || node_->requires_grad); }

bool Variable::is_leaf() const { return !node_ || node_->is_leaf(); }

namespace {
detail::Node& parameter(const Variable& variable, const char* what) {
  if (!variable.node() || !variable.is_leaf())
    fail(what, variable.node() ? text("the result of ", variable.node()->op) : std::string("a constant"),
         "a leaf made with requires_grad");
  return *variable.node();
}
}  // namespace

void Variable::set_requires_grad(bool on) { parameter(*this, "set_requires_grad").requires_grad = on; }

void Variable::set_value(Tensor value) {
  detail::Node& leaf = parameter(*this, "set_value");
  if (value.shape() != leaf.shape)
    fail("set_value", text("shape ", value.shape()), text("the parameter's shape ", leaf.shape));
  if (value.dtype() != leaf.value.dtype() || value.device() != leaf.value.device()) {
    leaf.grad = Tensor();
    leaf.grad_bound = false;
    leaf.grad_empty = true;
  }
  leaf.value = std::move(value);
}

Tensor Variable::grad() const {
  detail::Node& leaf = parameter(*this, "grad");
  if (leaf.grad_empty && leaf.grad_bound) {
    leaf.grad.fill(0);
    leaf.grad_empty = false;
  }
  return leaf.grad_empty ? Tensor() : leaf.grad;
}

void Variable::set_grad(Tensor grad) {
  detail::Node& leaf = parameter(*this, "set_grad");
  if (grad.shape() != leaf.shape)
    fail("set_grad", text("shape ", grad.shape()), text("the parameter's shape ", leaf.shape));
  if (leaf.grad_bound)
    leaf.grad.copy_from(grad);
  else
    leaf.grad = grad.clone();
  leaf.grad_empty = false;
}

void Variable::zero_grad() {
  detail::Node& leaf = parameter(*this, "zero_grad");
  leaf.grad_empty = true;
  if (!leaf.grad_bound) leaf.grad = Tensor();
}

void Variable::bind_grad(Tensor memory) {
  detail::Node& leaf = parameter(*this, "bind_grad");
  if (memory.shape() != leaf.shape || memory.dtype() != leaf.value.dtype())
    fail("bind_grad", text(name_of(memory.dtype()), " ", memory.shape()),
         text(name_of(leaf.value.dtype()), " ", leaf.shape));
  leaf.grad = std::move(memory);
  leaf.grad_bound = true;
  leaf.grad_empty = true;
}

// ---------------------------------------------------------------------------------------------------- nodes

namespace detail {

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
  next_to_free = std::exchange(to_free, this);
  if (freeing) return;
  freeing = true;
  while (to_free) {
    Node* node = std::exchange(to_free, to_free->next_to_free);
    delete node;
  }
  freeing = false;
}

void Node::free_graph() {
  freed = true;
  rule.reset();
  inputs.clear();
  output = Saved();
}

void link(Node& node, const Variable& input, bool save) {
  const bool wanted = input.requires_grad();
  node.inputs.push_back(Edge{wanted ? input.node() : Shared<Node>(), input.shape(),
                             save ? Saved{input.value(), input.value().version()} : Saved{}});
}

Variable finish(Tensor value, Shared<Node> node, bool save_output) {
  node->shape = value.shape();
  if (save_output) node->output = Saved{value, value.version()};
  return Variable(std::move(value), std::move(node));
}

}  // namespace detail

// -------------------------------------------------------------------------------------------------- context

namespace {
void check_saved(const detail::Saved& saved, const char* op, const std::string& which) {
  if (!saved.value.defined()) fail(op, text("a rule that reads ", which), "an operand that record() was told to save");
  if (saved.version != saved.value.version())
    fail(op, text(which, " changed in place ", saved.value.version() - saved.version, " time(s) since the op ran"),
         "the tensor that the backward pass needs, unchanged", "Change a clone, or change it after backward().");
}
}  // namespace

Variable Context::input(int i) const {
  const detail::Edge& edge = node_->inputs[i];
  check_saved(edge.saved, node_->op, text("input ", i));
  return edge.node ? Variable(edge.saved.value, edge.node) : Variable(edge.saved.value);
}

Variable Context::output() const {
  check_saved(node_->output, node_->op, "its output");
  return Variable(node_->output.value, node_);
}

const Shape& Context::input_shape(int i) const { return node_->inputs[i].shape; }

bool Context::needs(int i) const {
  const detail::Node* input = node_->inputs[i].node.get();
  return input && input->traversal == node_->traversal && input->role != detail::Node::Role::passed;
}

}  // namespace minima
