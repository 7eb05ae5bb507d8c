#include "nn/checkpoint.h"

#include <map>

#include "core/error.h"

namespace minima::nn {
namespace {

// Every parameter and buffer by name; here a shared parameter appears under each of its names, as in PyTorch.
std::map<std::string, Tensor> tensors_of(Module& model) {
  struct Collect : Visitor {
    std::map<std::string, Tensor> found;
    void on_parameter(const std::string& path, Variable& parameter) override { keep(path, parameter.value()); }
    void on_buffer(const std::string& path, Tensor& buffer) override { keep(path, buffer); }
    void keep(const std::string& path, const Tensor& tensor) {
      if (!found.emplace(path, tensor).second)
        fail("state", text("two members named ", path), "distinct names in each visit()");
    }
  } collect;
  collect.walk(model);
  return std::move(collect.found);
}

std::string typed_shape(const Tensor& tensor) { return text(name_of(tensor.dtype()), " ", tensor.shape()); }

// What keeps the archive from fitting the model, in words; empty when it fits.
std::string mismatch(const std::map<std::string, Tensor>& model, const Archive& archive) {
  std::vector<std::string> missing, unexpected, problems;
  for (const auto& [name, tensor] : model) {
    const auto found = archive.tensors.find(name);
    if (found == archive.tensors.end())
      missing.push_back(name);
    else if (found->second.shape() != tensor.shape() || found->second.dtype() != tensor.dtype())
      problems.push_back(text(name, " is ", typed_shape(found->second), " where the model has ", typed_shape(tensor)));
  }
  for (const auto& [name, tensor] : archive.tensors)
    if (!model.count(name)) unexpected.push_back(name);
  if (!missing.empty()) problems.push_back("missing: " + joined(missing));
  if (!unexpected.empty()) problems.push_back("unexpected: " + joined(unexpected));
  return joined(problems, "; ");
}

void load_from(const std::string& where, Module& model, const Archive& archive) {
  std::map<std::string, Tensor> tensors = tensors_of(model);
  const std::string problem = mismatch(tensors, archive);
  if (!problem.empty())
    fail(where, "weights that do not fit the model: " + problem, "the model's own names, shapes and dtypes",
         "Nothing was loaded. Build the same model; for another dtype call model.to(dtype) before loading.");
  for (auto& [name, tensor] : tensors) tensor.copy_from(archive.tensors.at(name));
}

}  // namespace

Archive state(Module& model) {
  Archive archive;
  for (const auto& [name, tensor] : tensors_of(model))
    archive.tensors[name] = tensor.device() == Device::cpu ? tensor.clone() : tensor.to(Device::cpu);
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
