// SPDX-License-Identifier: MIT
// Module: a plain struct that computes something from its parameters. Its one `visit` names its members; named
// parameters, buffers, device moves, clone, summary and checkpoints all follow from it.
//   struct TwoLayers : nn::Module {
//     nn::Linear fc1{784, 128}, fc2{128, 10};
//     Variable forward(const Variable& x) override { return fc2(relu(fc1(x))); }
//     void visit(nn::Visitor& visitor) override { visitor("fc1", fc1), visitor("fc2", fc2); }
//   };
// A module is copyable; a copy shares its parameters and buffers with the original, a clone() shares nothing.
// Names are joined by dots ("layer1.0.weight"). A name may have dots of its own; it may not be empty, and no two
// members may have the same full name. Not here: the layers (layers.h, batch_norm.h, containers.h), saving
// (checkpoint.h), training (optim/).
#pragma once

#include <memory>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "autograd/variable.h"
#include "core/backend.h"

namespace minima::nn {

using core::Activation;

class Visitor;

struct Module {
  bool training = true;  ///< set by train() and eval(); read by layers that behave differently in the two

  virtual ~Module() = default;
  virtual Variable forward(const Variable& x) = 0;
  /// activation(forward(x)). Layers that do both in one pass override it; Sequential calls it where a ReLU follows.
  virtual Variable forward_then(const Variable& x, Activation activation);
  /// Names the members, in the order in which parameters are to be listed:
  ///   visitor("weight", weight)   a Variable: a parameter; left out while it is undefined
  ///   visitor.convolution_weight("weight", weight)   a parameter whose layout differs in PyTorch
  ///   visitor("mean", mean)       a Tensor: a buffer, saved but not trained
  ///   visitor("conv1", conv1)     a Module: a child
  virtual void visit(Visitor&) {}
  /// One line for summary(): "Linear(784, 128)".
  virtual std::string describe() const { return "Module"; }

  Variable operator()(const Variable& x) { return forward(x); }
  Variable operator()(const Variable& x, Activation activation) { return forward_then(x, activation); }

  /// Parameters with names as PyTorch writes them ("layer1.0.conv1.weight"), in the order of visits. One that is
  /// reached by several names is listed once, under the first.
  std::vector<std::pair<std::string, Variable>> named_parameters();
  std::vector<Variable> parameters();
  /// Handles of the buffers: writing into one changes the module's.
  std::vector<std::pair<std::string, Tensor>> named_buffers();
  int64_t parameter_count();

  /// Sets the flag `training` here and in every child, and nothing else.
  void train(bool on = true);
  void eval() { train(false); }

  /// Moves or converts this module's parameters and floating buffers. Those that change are replaced by new ones
  /// without a gradient: a copy of the module keeps the old ones and stays as it was, and so does an optimizer, which
  /// must therefore be made afterwards. Parameters that are shared within the module stay shared.
  void to(Device device);
  void to(DType dtype);  ///< float32 or float64

  /// A table: each layer with its parameters' shapes and count, and the total.
  std::string summary();
};

/// Walks a module and its children. Derive from it and override what is of interest; paths are joined by dots.
class Visitor {
 public:
  virtual ~Visitor() = default;
  void walk(Module& root);

  // what a module's visit() calls
  void operator()(const std::string& name, Variable& parameter);
  /// A parameter [out, kernel_h, kernel_w, in] that a checkpoint holds as PyTorch does, [out, in, kernel_h, kernel_w];
  /// or, of one dimension, [out, kernel, in] and [out, in, kernel]. Every other parameter is saved as it is, one of
  /// four axes too.
  void convolution_weight(const std::string& name, Variable& parameter);
  void operator()(const std::string& name, Tensor& buffer);
  void operator()(const std::string& name, Module& child);

 protected:
  virtual void on_parameter(const std::string& /*path*/, Variable&) {}
  virtual void on_convolution_weight(const std::string& path, Variable& weight) { on_parameter(path, weight); }
  virtual void on_buffer(const std::string& /*path*/, Tensor&) {}
  /// Called before the module's own members are visited. The root's path is empty.
  virtual void on_module(const std::string& /*path*/, Module&) {}

  /// How many modules contain the one that is being visited: 0 in the root.
  size_t depth() const { return depth_; }

 private:
  std::string path_to(const std::string& name);
  std::string path_;
  size_t depth_ = 0;
  std::set<std::string> taken_;  // full names seen in this walk
};

/// Calls f(path, module) for the root, whose path is empty, and for every module in it.
template <class F>
void for_each_module(Module& root, F f) {
  struct Each : Visitor {
    F& f;
    explicit Each(F& f) : f(f) {}
    void on_module(const std::string& path, Module& module) override { f(path, module); }
  } each(f);
  each.walk(root);
}

/// A module of any type, held by value: copying it copies the module. Reached like a pointer: model->eval(),
/// (*model)(x).
class AnyModule {
 public:
  AnyModule() = default;  ///< empty: reaching through it is an error
  template <class M, class = std::enable_if_t<std::is_base_of_v<Module, M>>>
  AnyModule(M module)  // NOLINT: implicit from any module
      : module_(std::make_unique<M>(std::move(module))), copy_([](const Module& m) -> std::unique_ptr<Module> {
          return std::make_unique<M>(static_cast<const M&>(m));
        }) {}
  AnyModule(const AnyModule& other)
      : module_(other.module_ ? other.copy_(*other.module_) : nullptr), copy_(other.copy_) {}
  AnyModule(AnyModule&&) noexcept = default;
  AnyModule& operator=(AnyModule other) noexcept {
    module_ = std::move(other.module_);
    copy_ = other.copy_;
    return *this;
  }

  Module& operator*();
  Module* operator->() { return &**this; }
  explicit operator bool() const { return module_ != nullptr; }

 private:
  std::unique_ptr<Module> module_;
  std::unique_ptr<Module> (*copy_)(const Module&) = nullptr;
};

namespace detail {
void own_memory(Module& module);
}

/// An independent copy: same values, flags and structure, but its own memory and no gradients. Parameters that are
/// shared within the model are shared within the clone.
template <class M, class = std::enable_if_t<std::is_base_of_v<Module, M>>>
M clone(const M& model) {
  M copy = model;
  detail::own_memory(copy);
  return copy;
}
AnyModule clone(const AnyModule& model);

}  // namespace minima::nn
