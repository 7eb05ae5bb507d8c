// How an op is recorded: record(name, value, inputs, rule). The rule maps the gradient of the output to the gradients
// of the inputs, is written in differentiable ops, and need not think about broadcasting, skipping or accumulation:
// the driver (backward.cpp) does that once for all.
//   Variable tanh(const Variable& x) {
//     return record("tanh", core::unary(UnaryOp::tanh, x.value()), {x}, saves_output,
//                   [](const Context& c) { return c.grad * (1 - square(c.output())); });
//   }
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <type_traits>

#include "autograd/variable.h"
#include "core/small_vector.h"

namespace minima {

/// The gradients a rule returns, in the order of the inputs; undefined where none is needed.
using Gradients = SmallVector<Variable, 4>;

class Context;

namespace detail {

/// A rule: a callable from Context to Gradients (or to one Variable), kept inline when small.
class Rule {
 public:
  Rule() = default;
  template <class F>
  Rule(F rule) {  // NOLINT: implicit from a lambda
    if constexpr (sizeof(F) <= sizeof(inline_) && alignof(F) <= alignof(std::max_align_t)) {
      object_ = ::new (static_cast<void*>(inline_)) F(std::move(rule));
      destroy_ = [](void* object) { static_cast<F*>(object)->~F(); };
    } else {
      object_ = new F(std::move(rule));
      destroy_ = [](void* object) { delete static_cast<F*>(object); };
    }
    call_ = [](void* object, const Context& context) -> Gradients {
      if constexpr (std::is_same_v<std::invoke_result_t<F&, const Context&>, Variable>) {
        Gradients gradients;
        gradients.push_back((*static_cast<F*>(object))(context));
        return gradients;
      } else {
        return (*static_cast<F*>(object))(context);
      }
    };
  }
  Rule(const Rule&) = delete;
  Rule& operator=(const Rule&) = delete;
  ~Rule() { reset(); }

  Gradients operator()(const Context& context) const { return call_(object_, context); }
  explicit operator bool() const { return object_ != nullptr; }
  void reset() {
    if (object_) destroy_(object_);
    object_ = nullptr;
  }

 private:
  alignas(std::max_align_t) std::byte inline_[352];
  void* object_ = nullptr;
  void (*destroy_)(void*) = nullptr;
  Gradients (*call_)(void*, const Context&) = nullptr;
};

/// A tensor kept for the backward pass, with the version it had.
struct Saved {
  Tensor value;
  int64_t version = 0;
};

struct Edge {
  Shared<Node> node;  // null: a constant
  Shape shape;
  Saved saved;
};

/// One recorded op, or a leaf. Outputs have higher ids than their inputs: descending ids are a topological order.
class Node : public Pooled<Node> {
 public:
  Node() = default;  // a leaf
  template <class F>
  Node(const char* op, F rule) : op(op), rule(std::move(rule)) {}

  void retain() { references_.fetch_add(1, std::memory_order_relaxed); }
  void release();
  bool is_leaf() const { return !rule && !freed; }
  /// Drops what the op saved; its inputs may then be freed.
  void free_graph();

  const char* op = "leaf";
  const uint64_t id = next_id();

  // during a traversal
  enum class Role : uint8_t {
    passed,  ///< leads to nothing whose gradient is asked for
    wanted,  ///< lies between the outputs and what is asked for
    target,  ///< is itself asked for
  };
  uint64_t traversal = 0;  ///< the last one that visited this node
  Role role = Role::passed;
  Variable pending;              ///< the gradient gathered so far
  Node* next_to_free = nullptr;  ///< see release()

  // an op
  Rule rule;
  SmallVector<Edge, 3> inputs;
  Saved output;
  Shape shape;
  bool freed = false;  ///< a backward pass has consumed this op

  // a leaf
  Tensor value, grad;
  bool requires_grad = true;
  bool grad_bound = false;  ///< grad is an optimizer's memory: write into it
  bool grad_empty = true;   ///< nothing accumulated since zero_grad

 private:
  static uint64_t next_id();
  std::atomic<int32_t> references_{0};
};

}  // namespace detail

/// What a rule sees.
class Context {
 public:
  const Variable& grad;  ///< gradient of the output

  /// Saved operands. Asking for one that record() was not told to save is an error, and so is one whose memory was
  /// changed in place since.
  Variable input(int i) const;
  Variable output() const;
  /// The shape of an input, saved or not.
  const Shape& input_shape(int i) const;
  /// Whether this pass wants the gradient of input i: lets a rule skip work.
  bool needs(int i) const;

  Context(const Variable& grad, const Shared<detail::Node>& node) : grad(grad), node_(node) {}

 private:
  const Shared<detail::Node>& node_;
};

/// What is kept for the rule. Keeping less lets activations be freed early.
enum class Saves : uint8_t {
  nothing = 0,
  first = 1,      ///< input 0
  second = 2,     ///< input 1
  inputs = 0x3f,  ///< all (up to 6)
  output = 0x40,
  both = inputs | output,
  partners = 0x80,  ///< of a bilinear op: inputs 0 and 1, each only if the other one wants a gradient
};
constexpr Saves operator|(Saves a, Saves b) { return Saves(static_cast<int>(a) | static_cast<int>(b)); }
inline constexpr Saves saves_nothing = Saves::nothing, saves_first = Saves::first, saves_second = Saves::second,
                       saves_inputs = Saves::inputs, saves_output = Saves::output, saves_both = Saves::both,
                       saves_partners = Saves::partners;

namespace detail {
/// Whether input i is kept; bit k of `wanted` tells whether input k wants a gradient.
constexpr bool keeps_input(Saves saves, int i, unsigned wanted) {
  if (saves == Saves::partners) return i < 2 && ((wanted >> (1 - i)) & 1) != 0;
  return i < 6 && ((static_cast<unsigned>(saves) >> i) & 1) != 0;
}
constexpr bool keeps_output(Saves saves) { return (static_cast<int>(saves) & static_cast<int>(Saves::output)) != 0; }
void link(Node& node, const Variable& input, bool save);
Variable finish(Tensor value, Shared<Node> node, bool save_output);
}  // namespace detail

/// The result of an op as a Variable; recorded if gradients are enabled and an input requires one.
template <class Inputs, class F>
Variable record_list(const char* op, Tensor value, const Inputs& inputs, Saves saves, F rule) {
  unsigned wanted = 0;
  bool any = false;
  int i = 0;
  if (grad_enabled())
    for (const Variable& input : inputs) {
      const bool wants = input.requires_grad();
      any = any || wants;
      if (i < 6) wanted |= unsigned{wants} << i;
      ++i;
    }
  if (!any) return Variable(std::move(value));
  Shared<detail::Node> node(new detail::Node(op, std::move(rule)));
  i = 0;
  for (const Variable& input : inputs) detail::link(*node, input, detail::keeps_input(saves, i++, wanted));
  return detail::finish(std::move(value), std::move(node), detail::keeps_output(saves));
}

template <class F>
Variable record(const char* op, Tensor value, std::initializer_list<std::reference_wrapper<const Variable>> inputs,
                Saves saves, F rule) {
  return record_list(op, std::move(value), inputs, saves, std::move(rule));
}

/// The product of a gradient with the Jacobian of formula(inputs), by differentiating the formula itself; undefined for
/// inputs that want none. This is how a fused kernel gets its second derivative: while a pass is being recorded, its
/// rule is the derivative of the plain formula that it fuses.
Gradients vjp(const std::function<Variable(const std::vector<Variable>&)>& formula, const std::vector<Variable>& inputs,
              const Variable& grad);

}  // namespace minima
