#include "nn/module.h"

#include <map>
#include <set>

#include "core/error.h"

namespace minima::nn {

// -------------------------------------------------------------------------------------------------- Visitor

void Visitor::walk(Module& root) {
  on_module(path_, root);
  root.visit(*this);
}

void Visitor::operator()(const std::string& name, Variable& parameter) {
  if (parameter.defined()) on_parameter(path_to(name), parameter);
}

void Visitor::convolution_weight(const std::string& name, Variable& parameter) {
  if (parameter.defined()) on_convolution_weight(path_to(name), parameter);
}

void Visitor::operator()(const std::string& name, Tensor& buffer) { on_buffer(path_to(name), buffer); }

void Visitor::operator()(const std::string& name, Module& child) {
  const std::string parent = path_;
  path_ = path_to(name);
  walk(child);
  path_ = parent;
}

std::string Visitor::path_to(const std::string& name) const { return path_.empty() ? name : path_ + "." + name; }

// --------------------------------------------------------------------------------------------------- Module

std::vector<std::pair<std::string, Variable>> Module::named_parameters() {
  struct Collect : Visitor {
    std::vector<std::pair<std::string, Variable>> found;
    std::set<const minima::detail::Node*> seen;
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
  struct SetTraining : Visitor {
    bool on = true;
    void on_module(const std::string&, Module& module) override { module.training = on; }
  } set;
  set.on = on;
  set.walk(*this);
}

namespace {
// Replaces every parameter and floating buffer by convert(it).
template <class Convert>
void convert_all(Module& module, Convert convert) {
  struct ConvertAll : Visitor {
    Convert convert;
    explicit ConvertAll(Convert f) : convert(f) {}
    void on_parameter(const std::string&, Variable& parameter) override {
      parameter.set_value(convert(parameter.value()));
    }
    void on_buffer(const std::string&, Tensor& buffer) override { buffer = convert(buffer); }
  } all(convert);
  all.walk(module);
}
}  // namespace

void Module::to(Device device) {
  convert_all(*this, [device](const Tensor& x) { return x.to(device); });
}

void Module::to(DType dtype) {
  if (!is_floating(dtype)) fail("Module::to", text("dtype ", name_of(dtype)), "float32 or float64");
  convert_all(*this, [dtype](const Tensor& x) { return is_floating(x.dtype()) ? x.to(dtype) : x; });
}

// ------------------------------------------------------------------------------------------ AnyModule, clone

Module& AnyModule::operator*() {
  if (!module_) fail("AnyModule", "an empty one", "a module", "Assign one first: AnyModule model = nn::Linear{2, 1};");
  return *module_;
}

void detail::own_memory(Module& module) {
  struct OwnMemory : Visitor {
    std::map<const minima::detail::Node*, Variable> owned;  // keeps shared parameters shared
    void on_parameter(const std::string&, Variable& parameter) override {
      Variable& own = owned[parameter.node().get()];
      if (!own.defined()) {
        own = Variable(parameter.value().clone(), requires_grad);
        own.set_requires_grad(parameter.requires_grad());
      }
      parameter = own;
    }
    void on_buffer(const std::string&, Tensor& buffer) override { buffer = buffer.clone(); }
  } own;
  own.walk(module);
}

AnyModule clone(const AnyModule& model) {
  AnyModule copy = model;
  detail::own_memory(*copy);
  return copy;
}

}  // namespace minima::nn
