// A trained model that can be used: its weights, and in the file's metadata how data become its input, what its outputs
// mean, and where it comes from. One safetensors file, which other programs can read.
// Not here: a training run that goes on (checkpoint.h).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "minima.h"

namespace minima::examples {

struct ModelFile {
  std::string name;  ///< as nn::make_model knows it
  Shape input{1};    ///< of one sample
  std::vector<std::string> class_names;
  bool regression = false;
  std::optional<datasets::Preparation> table{};
  std::optional<datasets::ImagePreparation> images{};
  std::map<std::string, std::string> notes{};  ///< data, command, versions, test results
  nn::AnyModule model{};

  int64_t outputs() const { return regression ? 1 : static_cast<int64_t>(class_names.size()); }
};

/// What is known of a model that is trained on these data; `notes` and `model` are still empty.
ModelFile model_file(const std::string& model_name, const datasets::Loaded& data);

/// Writes the weights of `model` with all else that `file` says.
void save_model(const ModelFile& file, nn::Module& model, const std::string& path);

/// The model with its weights, ready to evaluate. A file without what save_model adds is an error.
ModelFile load_model(const std::string& path);

}  // namespace minima::examples
