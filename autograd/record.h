// SPDX-License-Identifier: MIT
// How an op is recorded: record(name, value, inputs, rule), in namespace minima::autograd. The rule maps the gradient
// of the output to the gradients of the inputs. It is written in differentiable ops, and it need not think about
// broadcasting, skipping or accumulation: the driver (backward.cpp) does that once for all.
//   Variable tanh(const Variable& x) {
//     return record("tanh", saved(core::unary(UnaryOp::tanh, x.value())), {x},
//                   [](const Context& c) { return c.grad * (1 - square(c.output())); });
//   }
// saved(...) marks what the rule reads again, the output here; everything else may be freed after the forward pass.
// Not here: the graph that recording builds (node.h).
#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <type_traits>

#include "autograd/node.h"
#include "autograd/variable.h"
#include "core/backend.h"

namespace minima::autograd {

class Traversal;

/// What a rule sees.
class Context {
 public:
  const Variable& grad;  ///< gradient of the output

  /// Operands that record() was told to save. Asking for another one is an error, and so is one whose memory was
  /// changed in place since.
  Variable input(int i) const;
  Variable output() const;
  /// The shape of an input, saved or not.
  const Shape& input_shape(int i) const;
  /// Whether this pass wants the gradient of input i: lets a rule skip work.
  bool needs(int i) const;
  /// The memory that an optimizer has bound to the parameter that is input i, to be overwritten by its gradient;
  /// undefined where there is none or it holds something already. It is given once.
  Tensor gradient_memory(int i) const;

  Context(const Variable& grad, Op& op, const Traversal& traversal) : grad(grad), op_(op), traversal_(traversal) {}

 private:
  Op& op_;
  const Traversal& traversal_;
};

/// An input of an op, or its output, and whether the rule reads it again.
struct Input {
  const Variable& variable;
  bool save = false;
  Input(const Variable& variable, bool save = false) : variable(variable), save(save) {}  // NOLINT: implicit
};
struct Output {
  Tensor value;
  bool save = false;
  Output(Tensor value, bool save = false) : value(std::move(value)), save(save) {}  // NOLINT: implicit
};

/// Keeps an operand for the rule, if it is needed at all: saved(x, y.requires_grad()) is kept for the gradient of y.
inline Input saved(const Variable& x, bool needed = true) { return {x, needed}; }
inline Output saved(Tensor output, bool needed = true) { return {std::move(output), needed}; }

/// An op with a rule of type F: a callable from Context to Gradients, or to the one gradient of a single input.
template <class F>
struct OpWithRule final : Op, core::Pooled<OpWithRule<F>> {
  OpWithRule(const char* name, F rule) : Op(name), rule(std::move(rule)) {}

  Gradients backward(const Context& context) override {
    if constexpr (std::is_same_v<std::invoke_result_t<F&, const Context&>, Variable>) {
      Gradients gradients;
      gradients.push_back((*rule)(context));
      return gradients;
    } else {
      return (*rule)(context);
    }
  }
  void free_graph() override {
    Op::free_graph();
    rule.reset();
  }

  std::optional<F> rule;
};

void add_input(Op& op, const Input& input);
Variable finish(core::Shared<Node> node, Op& op, Output output);

/// The result of an op as a Variable; recorded if gradients are enabled and an input requires one. The inputs are any
/// list of Variables or of saved(...) ones.
template <class Inputs, class F>
Variable record_list(const char* name, Output output, const Inputs& inputs, F rule) {
  bool wanted = false;
  if (grad_enabled())
    for (const Input input : inputs) wanted = wanted || input.variable.requires_grad();
  if (!wanted) return Variable(std::move(output.value));
  auto* op = new OpWithRule<F>(name, std::move(rule));
  core::Shared<Node> node(op);
  for (const Input input : inputs) add_input(*op, input);
  return finish(std::move(node), *op, std::move(output));
}

template <class F>
Variable record(const char* name, Output output, std::initializer_list<Input> inputs, F rule) {
  return record_list(name, std::move(output), inputs, std::move(rule));
}

/// The gradients of z and of the bias, input `bias_input` of an op y = activation(z + bias) that saved its output where
/// there is an activation.
struct EpilogueGradients {
  Variable z, bias;
};
EpilogueGradients epilogue_backward(const Context& context, core::Activation activation, int bias_input);

/// The product of a gradient with the Jacobian of formula(inputs), by differentiating the formula itself; undefined for
/// inputs that want none. This is how a fused kernel gets its second derivative: while a pass is being recorded, its
/// rule is the derivative of the plain formula that it fuses.
Gradients vjp(const std::function<Variable(const std::vector<Variable>&)>& formula, const std::vector<Variable>& inputs,
              const Variable& grad);

}  // namespace minima::autograd
