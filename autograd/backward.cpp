// The driver: what every backward rule would otherwise repeat. Topological order without recursion, skipping what
// needs no gradient, summing over broadcast axes, checking shapes, accumulation, freeing the graph as it goes.
// A rule may itself call grad(): its traversal sees only nodes younger than those of the one around it.
#include <algorithm>

#include "autograd/ops.h"
#include "autograd/record.h"
#include "core/ops.h"

namespace minima {

using detail::Node;
using Role = Node::Role;

namespace {

struct Pass {
  const std::vector<Variable>* inputs = nullptr;  // what grad() asks for; null: accumulate into every leaf
  bool create_graph = false;
  bool retain_graph = false;
};

// Nodes that lie between the outputs and what is asked for, outputs first. An op's id is larger than its inputs' ids:
// descending ids are a topological order, and nothing below the smallest target can lead to one.
std::vector<Shared<Node>> reachable(const std::vector<Variable>& outputs, const Pass& pass) {
  static std::atomic<uint64_t> traversals{0};
  const uint64_t traversal = ++traversals;
  uint64_t lowest = 0;
  if (pass.inputs) {
    lowest = ~uint64_t{0};
    for (const Variable& input : *pass.inputs) lowest = std::min(lowest, input.node()->id);
  }
  std::vector<Shared<Node>> found;
  auto visit = [&](const Shared<Node>& node) {
    if (!node || node->traversal == traversal || node->id < lowest) return;
    node->traversal = traversal;
    node->role = pass.inputs ? Role::passed : node->is_leaf() ? Role::target : Role::wanted;
    found.push_back(node);
  };
  for (const Variable& output : outputs) visit(output.node());
  for (size_t i = 0; i < found.size(); ++i) {
    const Node* node = found[i].get();
    if (node->freed)
      fail(node->op, "a second backward pass through a graph that the first one freed", "a graph that is still whole",
           "Use retain_graph on every pass but the last.");
    for (const detail::Edge& edge : node->inputs) visit(edge.node);
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a->id > b->id; });
  if (!pass.inputs) return found;

  for (const Variable& input : *pass.inputs)
    if (input.node()->traversal == traversal) input.node()->role = Role::target;
  for (auto node = found.rbegin(); node != found.rend(); ++node)
    for (const detail::Edge& edge : (*node)->inputs)
      if ((*node)->role == Role::passed && edge.node && edge.node->traversal == traversal &&
          edge.node->role != Role::passed)
        (*node)->role = Role::wanted;
  found.erase(std::remove_if(found.begin(), found.end(), [](const auto& node) { return node->role == Role::passed; }),
              found.end());
  return found;
}

// Adds to what a node has gathered. Always a new tensor: two nodes may hold the same gradient.
void gather(Node& node, Variable grad) {
  node.pending = node.pending.defined() ? node.pending + grad : std::move(grad);
}

void accumulate(Node& leaf, const Tensor& grad) {
  if (!leaf.requires_grad) return;
  if (leaf.grad_bound)
    if (leaf.grad_empty)
      leaf.grad.copy_from(grad);
    else
      core::add_scaled(leaf.grad, 1.0, grad);
  else
    leaf.grad = leaf.grad_empty ? grad.clone() : core::binary(BinaryOp::add, leaf.grad, grad);
  leaf.grad_empty = false;
}

// Runs a node's rule and hands its gradients on to the inputs that want one.
void propagate(const Shared<Node>& node, const Variable& grad) {
  const Context context(grad, node);
  Gradients gradients = node->rule(context);
  if (gradients.size() != node->inputs.size())
    fail(node->op, text(gradients.size(), " gradients from its rule"), text(node->inputs.size(), ", one an input"));
  for (int i = 0; i < gradients.size(); ++i) {
    Variable& wanted = gradients[i];
    if (!wanted.defined() || !context.needs(i)) continue;
    const detail::Edge& edge = node->inputs[i];
    if (wanted.shape() != edge.shape) {
      if (broadcast_shapes(node->op, wanted.shape(), edge.shape) != wanted.shape())
        fail(node->op, text("a gradient of shape ", wanted.shape(), " for input ", i), text(edge.shape));
      wanted = sum_to(wanted, edge.shape);
    }
    gather(*edge.node, std::move(wanted));
  }
}

bool leads_on(const Node& node) {
  if (node.role == Role::wanted) return true;
  for (const detail::Edge& edge : node.inputs)
    if (edge.node && edge.node->traversal == node.traversal && edge.node->role != Role::passed) return true;
  return false;
}

// One traversal. Returns the gradients of pass.inputs, undefined where the outputs do not depend on one.
std::vector<Variable> run(const std::vector<Variable>& outputs, const std::vector<Variable>& seeds, const Pass& pass) {
  std::vector<Shared<Node>> order = reachable(outputs, pass);
  struct Cleaner {  // also when a rule throws
    std::vector<Shared<Node>>& order;
    ~Cleaner() {
      for (const auto& node : order)
        if (node) node->pending = Variable();
    }
  } cleaner{order};
  const uint64_t traversal = order.empty() ? 0 : order[0]->traversal;
  auto takes_part = [&](const Shared<Node>& node) {
    return node && node->traversal == traversal && node->role != Role::passed;
  };
  EnableGrad mode(pass.create_graph);
  for (size_t i = 0; i < outputs.size(); ++i)
    if (takes_part(outputs[i].node())) gather(*outputs[i].node(), seeds[i]);
  for (Shared<Node>& node : order) {
    if (!node->pending.defined()) continue;
    if (node->is_leaf()) {
      if (!pass.inputs) accumulate(*node, node->pending.value());
      continue;
    }
    if (!leads_on(*node)) continue;
    const bool is_target = node->role == Role::target;
    const Variable grad = is_target ? node->pending : std::move(node->pending);
    propagate(node, grad);
    if (pass.retain_graph || pass.create_graph) continue;
    node->free_graph();
    if (!is_target) node = Shared<Node>();  // lets the activations behind it go at once
  }
  std::vector<Variable> gradients;
  if (pass.inputs)
    for (const Variable& input : *pass.inputs)
      gradients.push_back(takes_part(input.node()) ? input.node()->pending : Variable());
  return gradients;
}

void check_seed(const Variable& seed, const Variable& output, const char* where, const std::string& name) {
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

Gradients vjp(const std::function<Variable(const std::vector<Variable>&)>& formula, const std::vector<Variable>& inputs,
              const Variable& seed) {
  const bool create_graph = grad_enabled();
  EnableGrad recording;
  // The formula gets variables of its own: its graph is apart from the one being traversed, so that it can be
  // differentiated now, and hangs on it (when that is wanted) by an op that does nothing.
  std::vector<Variable> fresh, wanted;
  for (const Variable& input : inputs) {
    if (!input.requires_grad())
      fresh.push_back(input);
    else if (!create_graph)
      fresh.push_back(Variable(input.value(), requires_grad));
    else
      fresh.push_back(record("vjp", input.value(), {input}, saves_nothing, [](const Context& c) { return c.grad; }));
    if (input.requires_grad()) wanted.push_back(fresh.back());
  }
  std::vector<Variable> found = grad(formula(fresh), wanted, {.create_graph = create_graph, .grad_outputs = {seed}});
  Gradients gradients;
  size_t next = 0;
  for (const Variable& input : inputs) gradients.push_back(input.requires_grad() ? found[next++] : Variable());
  return gradients;
}

}  // namespace minima
