// SPDX-License-Identifier: MIT
#include "nn/module.h"

#include <map>

#include "autograd/ops.h"

namespace minima::nn {

Variable Module::forward_then(const Variable& x, Activation activation) {
  const Variable y = forward(x);
  return activation == Activation::relu ? relu(y) : y;
}

void Visitor::walk(Module& root) {
  taken_.clear();
  on_module(path_, root);
  root.visit(*this);
}

void Visitor::operator()(const std::string& name, Variable& parameter) {
  const std::string path = path_to(name);
  if (parameter.defined()) on_parameter(path, parameter);
}

void Visitor::convolution_weight(const std::string& name, Variable& parameter) {
  if (parameter.defined()) on_convolution_weight(path_to(name), parameter);
}

void Visitor::operator()(const std::string& name, Tensor& buffer) { on_buffer(path_to(name), buffer); }

void Visitor::operator()(const std::string& name, Module& child) {
  std::string parent = std::exchange(path_, path_to(name));
  ++depth_;
  on_module(path_, child);
  child.visit(*this);
  --depth_;
  path_ = std::move(parent);
}

std::string Visitor::path_to(const std::string& name) {
  if (name.empty())
    fail("visit", path_.empty() ? "a member without a name" : "a member of " + path_ + " without a name",
         "a name for each member");
  std::string path = path_.empty() ? name : path_ + "." + name;
  if (!taken_.insert(path).second) fail("visit", text("two members named ", path), "distinct names in each visit()");
  return path;
}

std::vector<std::pair<std::string, Variable>> Module::named_parameters() {
  struct Collect : Visitor {
    std::vector<std::pair<std::string, Variable>> found;
    std::set<const autograd::Node*> seen;
    void on_parameter(const std::string& path, Variable& parameter) override {
      if (!parameter.node()) fail(path, "a constant", "a parameter", "Make it with Variable(tensor, requires_grad).");
      if (seen.insert(parameter.node().get()).second) found.emplace_back(path, parameter);
    }
  } collect;
  collect.walk(*this);
  return std::move(collect.found);
}

std::vector<Variable> Module::parameters() {
  std::vector<Variable> parameters;
  for (auto& [name, parameter] : named_parameters()) parameters.push_back(parameter);
  return parameters;
}

std::vector<std::pair<std::string, Tensor>> Module::named_buffers() {
  struct Collect : Visitor {
    std::vector<std::pair<std::string, Tensor>> found;
    void on_buffer(const std::string& path, Tensor& buffer) override { found.emplace_back(path, buffer); }
  } collect;
  collect.walk(*this);
  return std::move(collect.found);
}

int64_t Module::parameter_count() {
  int64_t count = 0;
  for (const auto& [name, parameter] : named_parameters()) count += parameter.numel();
  return count;
}

void Module::train(bool on) {
  for_each_module(*this, [on](const std::string&, Module& module) { module.training = on; });
}

namespace {
// Gives every parameter and buffer the tensor replace(it); a parameter whose tensor changes becomes a new leaf. Leaves
// that were shared stay shared.
template <class Replace>
void replace_all(Module& module, Replace replace) {
  struct ReplaceAll : Visitor {
    Replace replace;
    struct Change {
      Variable before, after;  // `before` keeps its node alive: the key is not given to another leaf
    };
    std::map<const autograd::Node*, Change> changes;

    explicit ReplaceAll(Replace f) : replace(f) {}
    void on_parameter(const std::string&, Variable& parameter) override {
      if (!parameter.node()) {  // a constant: nobody shares it
        parameter = Variable(replace(parameter.value()));
        return;
      }
      const auto [found, is_new] = changes.try_emplace(parameter.node().get());
      Change& change = found->second;
      if (is_new) {
        const Tensor value = replace(parameter.value());
        change.before = change.after = parameter;
        if (!value.shares_storage_with(parameter.value())) {
          change.after = Variable(value, requires_grad);
          change.after.set_requires_grad(parameter.requires_grad());
        }
      }
      parameter = change.after;
    }
    void on_buffer(const std::string&, Tensor& buffer) override { buffer = replace(buffer); }
  } all(replace);
  all.walk(module);
}
}  // namespace

void Module::to(Device device) {
  replace_all(*this, [device](const Tensor& x) { return x.to(device); });
}

void Module::to(DType dtype) {
  if (!is_floating(dtype)) fail("Module::to", text("dtype ", name_of(dtype)), "float32 or float64");
  replace_all(*this, [dtype](const Tensor& x) { return is_floating(x.dtype()) ? x.to(dtype) : x; });
}

Module& AnyModule::operator*() {
  if (!module_) fail("AnyModule", "an empty one", "a module", "Assign one first: AnyModule model = nn::Linear{2, 1};");
  return *module_;
}

void detail::own_memory(Module& module) {
  replace_all(module, [](const Tensor& x) { return x.clone(); });
}

AnyModule clone(const AnyModule& model) {
  AnyModule copy = model;
  detail::own_memory(*copy);
  return copy;
}

}  // namespace minima::nn
