// SPDX-License-Identifier: MIT
// Modules made of modules: lists, one after the other, and around a shortcut. They hold their children by value.
#pragma once

#include "nn/module.h"

namespace minima::nn {

/// A list of modules without a forward of its own: the module that holds it says what happens to its items. They are
/// named "0", "1", ... as in PyTorch, so that a list named "blocks" has the parameters blocks.0.weight and so on.
class ModuleList : public Module {
 public:
  template <class... Modules,
            class = std::enable_if_t<(std::is_convertible_v<Modules, AnyModule> && ...) &&
                                     !(sizeof...(Modules) == 1 && (std::is_same_v<ModuleList, Modules> && ...))>>
  explicit ModuleList(Modules... modules) {
    (add(std::move(modules)), ...);
  }

  ModuleList& add(AnyModule child);
  int64_t size() const { return static_cast<int64_t>(children_.size()); }
  /// Child i; an index out of range is an error.
  Module& operator[](int64_t i);
  /// For loops: for (nn::AnyModule& block : blocks) y = (*block)(y);
  std::vector<AnyModule>::iterator begin() { return children_.begin(); }
  std::vector<AnyModule>::iterator end() { return children_.end(); }

  /// An error: a list does not say what its items do.
  Variable forward(const Variable& x) override;
  void visit(Visitor& visitor) override;
  std::string describe() const override { return "ModuleList"; }

 protected:
  /// An error if the items have gone to another list by a move: without them, Sequential would do nothing and not say
  /// so.
  void require_items() const;

 private:
  struct Moved {
    bool from = false;
    Moved() = default;
    Moved(const Moved&) = default;
    Moved& operator=(const Moved&) = default;
    Moved(Moved&& other) noexcept : from(std::exchange(other.from, true)) {}
    Moved& operator=(Moved&& other) noexcept {
      from = std::exchange(other.from, true);
      return *this;
    }
  };
  std::vector<AnyModule> children_;
  Moved moved_;
};

/// Applies its children in order, a layer and the ReLU after it in one pass where the layer can: Sequential{Linear{64,
/// 32}, ReLU{}, Linear{32, 10}} has the parameters 0.weight, 0.bias, 2.weight, 2.bias.
class Sequential : public ModuleList {
 public:
  template <class... Modules,
            class = std::enable_if_t<(std::is_convertible_v<Modules, AnyModule> && ...) &&
                                     !(sizeof...(Modules) == 1 && (std::is_base_of_v<Sequential, Modules> && ...))>>
  explicit Sequential(Modules... modules) {
    (add(std::move(modules)), ...);
  }

  Variable forward(const Variable& x) override;
  std::string describe() const override { return "Sequential"; }
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
