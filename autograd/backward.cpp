// The driver: what every backward rule would otherwise repeat. Topological order without recursion, skipping what
// needs no gradient, summing over broadcast axes, checking shapes, accumulation, freeing the graph as it goes.
#include <algorithm>

#include "autograd/ops.h"
#include "autograd/record.h"
#include "core/ops.h"

namespace minima {

using detail::Node;

namespace {

struct Pass {
  bool create_graph = false;
  bool retain_graph = false;
  bool into_leaves = false;    // backward(): accumulate into leaves
  std::vector<Node*> targets;  // grad(): leave these nodes' gradients in `pending`
};

// Nodes that lie between the outputs and the targets, outputs first. An op's id is larger than its inputs' ids, so
// nothing below the smallest target can lead to one.
std::vector<Shared<Node>> reachable(const std::vector<Variable>& outputs, const Pass& pass) {
  static std::atomic<uint64_t> traversals{0};
  const uint64_t mark = ++traversals;
  uint64_t lowest = 0;
  if (!pass.into_leaves) {
    lowest = ~uint64_t{0};
    for (const Node* target : pass.targets) lowest = std::min(lowest, target->id);
  }
  std::vector<Shared<Node>> found;
  auto visit = [&](const Shared<Node>& node) {
    if (!node || node->mark == mark || node->id < lowest) return;
    node->mark = mark;
    found.push_back(node);
  };
  for (const Variable& output : outputs) visit(output.node());
  for (size_t i = 0; i < found.size(); ++i) {
    const Shared<Node> node = found[i];
    if (node->freed)
      fail(node->op, "a second backward pass through a graph that the first has freed",
           "retain_graph on every pass but the last");
    for (const detail::Edge& edge : node->inputs) visit(edge.node);
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a->id > b->id; });
  return found;
}

// Adds to what a node has gathered. Always a new tensor: two nodes may hold the same gradient.
void gather(Node& node, Variable grad) {
  node.pending = node.pending.defined() ? node.pending + grad : std::move(grad);
}

void accumulate(Node& leaf, const Tensor& grad) {
  if (!leaf.requires_grad) return;
  if (leaf.grad_bound) {
    if (leaf.grad_empty) leaf.grad.copy_from(grad);
    else core::add_scaled(leaf.grad, 1.0, grad);
  } else {
    leaf.grad = leaf.grad_empty ? grad.clone() : core::binary(BinaryOp::add, leaf.grad, grad);
  }
  leaf.grad_empty = false;
}

void propagate(const Shared<Node>& node, const Variable& grad) {
  Gradients gradients = node->rule(Context(grad, node));
  if (gradients.size() != node->inputs.size())
    fail(node->op, text(gradients.size(), " gradients from its rule"), text(node->inputs.size(), ", one an input"));
  for (int i = 0; i < gradients.size(); ++i) {
    detail::Edge& edge = node->inputs[i];
    if (!edge.node || !gradients[i].defined()) continue;
    Variable& wanted = gradients[i];
    if (wanted.shape() != edge.shape) {
      if (broadcast_shapes(node->op, wanted.shape(), edge.shape) != wanted.shape())
        fail(node->op, text("a gradient of shape ", wanted.shape(), " for input ", i), text(edge.shape));
      wanted = sum_to(wanted, edge.shape);
    }
    gather(*edge.node, std::move(wanted));
  }
}

void run(const std::vector<Variable>& outputs, const std::vector<Variable>& seeds, const Pass& pass) {
  std::vector<Shared<Node>> order = reachable(outputs, pass);
  struct Cleaner {  // also when a rule throws
    std::vector<Shared<Node>>& order;
    const Pass& pass;
    ~Cleaner() {
      for (const auto& node : order)
        if (node && std::find(pass.targets.begin(), pass.targets.end(), node.get()) == pass.targets.end())
          node->pending = Variable();
    }
  } cleaner{order, pass};
  EnableGrad mode(pass.create_graph);
  for (size_t i = 0; i < outputs.size(); ++i)
    if (outputs[i].node()) gather(*outputs[i].node(), seeds[i]);
  for (Shared<Node>& node : order) {
    if (!node->pending.defined()) continue;
    if (node->is_leaf()) {
      if (pass.into_leaves) accumulate(*node, node->pending.value());
      continue;
    }
    const bool is_target = std::find(pass.targets.begin(), pass.targets.end(), node.get()) != pass.targets.end();
    const Variable grad = is_target ? node->pending : std::move(node->pending);
    propagate(node, grad);
    if (!pass.retain_graph && !pass.create_graph) {
      node->free_graph();
      if (!is_target) node = Shared<Node>();  // lets the activations behind it go at once
    }
  }
}

Variable default_seed(const Variable& output, const char* where) {
  if (output.numel() != 1)
    fail(where, text("an output of shape ", output.shape()), "one element",
         "Reduce it with sum() or mean(), or give a seed of its shape.");
  return Variable(Tensor::full(output.shape(), 1.0, output.dtype(), output.device()));
}

void require_graph(const Variable& output, const char* where) {
  if (!output.requires_grad())
    fail(where, "an output that depends on no leaf with requires_grad", "one that does",
         "Was it computed under NoGrad, or from detached values?");
}

}  // namespace

void Variable::backward(bool retain_graph) const {
  require_graph(*this, "backward");
  run({*this}, {default_seed(*this, "backward")}, {.retain_graph = retain_graph, .into_leaves = true});
}

void Variable::backward(const Tensor& seed, bool retain_graph) const {
  require_graph(*this, "backward");
  if (seed.shape() != shape()) fail("backward", text("a seed of shape ", seed.shape()), text(shape()));
  run({*this}, {Variable(seed)}, {.retain_graph = retain_graph, .into_leaves = true});
}

std::vector<Variable> grad(const std::vector<Variable>& outputs, const std::vector<Variable>& inputs,
                           const GradOptions& options) {
  if (!options.grad_outputs.empty() && options.grad_outputs.size() != outputs.size())
    fail("grad", text(options.grad_outputs.size(), " grad_outputs"), text(outputs.size(), ", one an output"));
  Pass pass{.create_graph = options.create_graph, .retain_graph = options.retain_graph};
  for (const Variable& input : inputs) {
    if (!input.node()) fail("grad", "an input that is a constant", "one that requires a gradient");
    pass.targets.push_back(input.node().get());
  }
  std::vector<Variable> seeds;
  for (size_t i = 0; i < outputs.size(); ++i) {
    seeds.push_back(options.grad_outputs.empty() ? default_seed(outputs[i], "grad") : options.grad_outputs[i]);
    if (seeds[i].shape() != outputs[i].shape())
      fail("grad", text("grad_outputs[", i, "] of shape ", seeds[i].shape()), text(outputs[i].shape()));
  }
  struct Release {
    const std::vector<Variable>& inputs;
    ~Release() {
      for (const Variable& input : inputs) input.node()->pending = Variable();
    }
  } release{inputs};
  run(outputs, seeds, pass);
  std::vector<Variable> gradients;
  for (const Variable& input : inputs) {
    const Variable& found = input.node()->pending;
    gradients.push_back(found.defined()
                            ? found
                            : Variable(Tensor::zeros(input.shape(), input.dtype(), input.device())));
  }
  return gradients;
}

std::vector<Variable> grad(const Variable& output, const std::vector<Variable>& inputs, const GradOptions& options) {
  return grad(std::vector<Variable>{output}, inputs, options);
}

std::vector<Tensor> hvp(const Variable& loss, const std::vector<Variable>& parameters,
                        const std::vector<Tensor>& vector) {
  if (vector.size() != parameters.size())
    fail("hvp", text("a vector of ", vector.size(), " tensors"), text(parameters.size(), ", one a parameter"));
  std::vector<Variable> gradients = grad(loss, parameters, {.create_graph = true});
  std::vector<Variable> reached, seeds;
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (!gradients[i].requires_grad()) continue;  // the loss is linear in this parameter
    reached.push_back(gradients[i]);
    seeds.push_back(Variable(vector[i]));
  }
  std::vector<Tensor> product;
  if (reached.empty()) {
    for (const Variable& parameter : parameters)
      product.push_back(Tensor::zeros(parameter.shape(), parameter.dtype(), parameter.device()));
    return product;
  }
  for (const Variable& row : grad(reached, parameters, {.retain_graph = true, .grad_outputs = seeds}))
    product.push_back(row.value());
  return product;
}

Gradients vjp(const std::function<Variable(const std::vector<Variable>&)>& formula,
              const std::vector<Variable>& inputs, const Variable& seed) {
  const bool create_graph = grad_enabled();
  EnableGrad recording;
  // Fresh variables: the formula's graph is separate from the one being traversed, yet connected to it through these.
  std::vector<Variable> fresh;
  for (const Variable& input : inputs)
    fresh.push_back(create_graph && input.requires_grad() ? affine(input, 1, 0)
                                                          : Variable(input.value(), requires_grad));
  Gradients gradients;
  for (Variable& gradient : grad(formula(fresh), fresh, {.create_graph = create_graph, .grad_outputs = {seed}}))
    gradients.push_back(std::move(gradient));
  return gradients;
}

}  // namespace minima
