// SPDX-License-Identifier: MIT
#include "nn/checkpoint.h"

#include <map>

#include "core/ops.h"

namespace minima::nn {
namespace {
// A tensor of the model, and whether the archive holds it in PyTorch's order of a convolution weight's axes: what is
// last here comes second there.
struct Member {
  Tensor tensor;
  bool convolution;

  bool is_1d() const { return tensor.rank() == 3; }
  Shape archived_shape() const {
    const Shape& s = tensor.shape();
    if (!convolution) return s;
    return is_1d() ? Shape{s[0], s[2], s[1]} : Shape{s[0], s[3], s[1], s[2]};
  }
  Tensor to_archive() const {
    if (!convolution) return tensor;
    return is_1d() ? core::permute(tensor, {0, 2, 1}) : core::permute(tensor, {0, 3, 1, 2});
  }
  void copy_from_archive(const Tensor& archived) {
    if (convolution)
      tensor.copy_from(is_1d() ? core::permute(archived, {0, 2, 1}) : core::permute(archived, {0, 2, 3, 1}));
    else
      tensor.copy_from(archived);
  }
};
using Members = std::map<std::string, Member>;

// Every parameter and buffer by name; here a shared parameter appears under each of its names, as in PyTorch.
Members members_of(Module& model) {
  struct Collect : Visitor {
    Members found;
    void on_parameter(const std::string& path, Variable& parameter) override {
      found[path] = {parameter.value(), false};
    }
    void on_convolution_weight(const std::string& path, Variable& weight) override {
      if (weight.shape().rank() != 3 && weight.shape().rank() != 4)
        fail(path, text("a convolution weight of shape ", weight.shape()),
             "(out, kernel_h, kernel_w, in) or (out, kernel, in)");
      found[path] = {weight.value(), true};
    }
    void on_buffer(const std::string& path, Tensor& buffer) override { found[path] = {buffer, false}; }
  } collect;
  collect.walk(model);
  return std::move(collect.found);
}

std::string typed_shape(DType dtype, const Shape& shape) { return text(name_of(dtype), " ", shape); }

// The first names; a file may have thousands that do not fit.
std::string listed(const std::vector<std::string>& names) {
  constexpr size_t most = 20;
  if (names.size() <= most) return joined(names);
  return text(joined(std::vector<std::string>(names.begin(), names.begin() + most)), " and ", names.size() - most,
              " more");
}

// What keeps the archive from fitting the model, in words; empty when it fits.
std::string mismatch(const Members& model, const Archive& archive) {
  std::vector<std::string> missing, unexpected, problems;
  for (const auto& [name, member] : model) {
    const auto found = archive.tensors.find(name);
    if (found == archive.tensors.end()) {
      missing.push_back(name);
      continue;
    }
    const std::string got = typed_shape(found->second.dtype(), found->second.shape());
    const std::string expected = typed_shape(member.tensor.dtype(), member.archived_shape());
    if (got != expected) problems.push_back(text(name, " is ", got, " where the model has ", expected));
  }
  for (const auto& [name, tensor] : archive.tensors)
    if (!model.count(name)) unexpected.push_back(name);
  if (!missing.empty()) problems.push_back("missing: " + listed(missing));
  if (!unexpected.empty()) problems.push_back("unexpected: " + listed(unexpected));
  return joined(problems, "; ");
}

void load_from(const std::string& where, Module& model, const Archive& archive) {
  Members members = members_of(model);
  const std::string problem = mismatch(members, archive);
  if (!problem.empty())
    fail(where, "weights that do not fit the model: " + problem, "the model's own names, shapes and dtypes",
         "Nothing was loaded. Build the same model; for another dtype call model.to(dtype) before loading.");
  for (auto& [name, member] : members) member.copy_from_archive(archive.tensors.at(name));
}
}  // namespace

Archive state(Module& model) {
  Archive archive;
  for (const auto& [name, member] : members_of(model)) {
    const Tensor host = member.to_archive().to(Device::cpu);
    archive.tensors[name] = host.shares_storage_with(member.tensor) ? host.clone() : host;
  }
  return archive;
}

void load_state(Module& model, const Archive& archive) { load_from("load_state", model, archive); }

void save(Module& model, const std::string& path) {
  Archive archive = state(model);
  archive.metadata["format"] = "pt";  // tells readers of the format that layouts are PyTorch's
  save_safetensors(archive, path);
}

void load(Module& model, const std::string& path) { load_from(path, model, load_safetensors(path)); }

}  // namespace minima::nn
