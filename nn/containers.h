// Modules made of modules: one after the other, and around a shortcut. They hold their children by value.
#pragma once

#include "nn/module.h"

namespace minima::nn {

/// Applies its children in order. Children are named "0", "1", ... as in PyTorch, so that
/// Sequential{Linear{64, 32}, ReLU{}, Linear{32, 10}} has the parameters 0.weight, 0.bias, 2.weight, 2.bias.
class Sequential : public Module {
 public:
  template <class... Modules,
            class = std::enable_if_t<(std::is_convertible_v<Modules, AnyModule> && ...) &&
                                     !(sizeof...(Modules) == 1 && (std::is_base_of_v<Sequential, Modules> && ...))>>
  explicit Sequential(Modules... modules) {
    (add(std::move(modules)), ...);
  }

  Sequential& add(AnyModule child);
  int64_t size() const { return static_cast<int64_t>(children_.size()); }
  /// Child i; an index out of range is an error.
  Module& operator[](int64_t i);

  Variable forward(const Variable& x) override;
  void visit(Visitor& visitor) override;
  std::string describe() const override { return "Sequential"; }

 private:
  std::vector<AnyModule> children_;
};

/// y = x
struct Identity : Module {
  Variable forward(const Variable& x) override { return x; }
  std::string describe() const override { return "Identity"; }
};

/// y = body(x) + shortcut(x) (He et al., 2016); both sides give the same shape.
struct Residual : Module {
  AnyModule body, shortcut;

  explicit Residual(AnyModule body, AnyModule shortcut = Identity{});
  Variable forward(const Variable& x) override;
  void visit(Visitor& visitor) override { visitor("body", *body), visitor("shortcut", *shortcut); }
  std::string describe() const override { return "Residual"; }
};

}  // namespace minima::nn
