#include "examples/kit/model_file.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/utf8.h"
#include "examples/kit/metrics.h"

namespace minima::examples {

namespace {

const std::string note_prefix = "minima.note.", table_prefix = "minima.table.";

std::vector<int64_t> numbers_in(const std::string& words, const std::string& path) {
  std::vector<int64_t> numbers;
  std::istringstream parts(words);
  for (std::string part; std::getline(parts, part, ',');) {
    int64_t number = 0;
    const auto [end, problem] = std::from_chars(part.data(), part.data() + part.size(), number);
    if (problem != std::errc() || end != part.data() + part.size() || number < 1 || number > (int64_t{1} << 31))
      fail(path, "\"" + words + "\"", "whole numbers with commas between", "Is the file damaged?");
    numbers.push_back(number);
  }
  return numbers;
}

int64_t one_number_in(const std::string& words, const std::string& path) {
  const std::vector<int64_t> numbers = numbers_in(words, path);
  if (numbers.size() != 1) fail(path, "\"" + words + "\"", "a whole number", "Is the file damaged?");
  return numbers[0];
}

double real_in(const std::string& words, const std::string& path) {
  double number = 0;
  const auto [end, problem] = std::from_chars(words.data(), words.data() + words.size(), number);
  if (problem != std::errc() || end != words.data() + words.size() || !std::isfinite(number))
    fail(path, "\"" + words + "\"", "a number", "Is the file damaged?");
  return number;
}

/// A damaged file must not ask for a model that fills the memory: no layer is wider than all the weights that are
/// there.
void check_sizes(const ModelFile& file, const Archive& archive, const std::string& path) {
  double weights = 0, inputs = 1, widest = static_cast<double>(file.outputs()), number = 0;
  for (const auto& [name, tensor] : archive.tensors) weights += static_cast<double>(tensor.numel());
  for (const int64_t extent : file.input) inputs *= static_cast<double>(extent);
  for (const char c : file.name) {  // "mlp:128,64"
    number = c >= '0' && c <= '9' ? 10 * number + (c - '0') : 0;
    widest = std::max(widest, number);
  }
  if (widest > weights || inputs > std::max(weights, double{1 << 22}) || (file.images && file.input.rank() != 3))
    fail(path, text("a model ", file.name, " of inputs ", file.input, " in ", weights, " weights"),
         "weights of that model", "Is the file damaged?");
  if (!file.table) return;
  const auto features = static_cast<int64_t>(file.table->feature_names().size());
  if (features != file.input.numel() || file.table->class_names.size() != file.class_names.size())
    fail(path,
         text("a table of ", features, " features and ", file.table->class_names.size(), " classes for a model of ",
              file.input.numel(), " inputs and ", file.class_names.size(), " classes"),
         "as many", "Is the file damaged?");
}

std::map<std::string, std::string> below(const std::map<std::string, std::string>& all, const std::string& prefix) {
  std::map<std::string, std::string> out;
  for (const auto& [name, value] : all)
    if (name.starts_with(prefix)) out[name.substr(prefix.size())] = value;
  return out;
}

}  // namespace

ModelFile model_file(const std::string& model_name, const datasets::Loaded& data) {
  const datasets::Dataset& train = data.split.train;
  return {.name = model_name,
          .input = train.input_shape(),
          .class_names = train.class_names(),
          .regression = train.has_targets(),
          .table = data.table,
          .images = data.images};
}

void save_model(const ModelFile& file, nn::Module& model, const std::string& path) {
  Archive archive = nn::state(model);
  auto& metadata = archive.metadata;
  metadata["format"] = "pt";  // tells readers of the format that layouts are PyTorch's
  metadata["minima.model"] = file.name;
  metadata["minima.input"] = joined(file.input, ",");
  metadata["minima.task"] = file.regression ? "regression" : "classification";
  metadata["minima.classes"] = std::to_string(file.class_names.size());
  for (size_t c = 0; c < file.class_names.size(); ++c)
    metadata[text("minima.class.", c)] = core::as_utf8(file.class_names[c]);
  if (file.table)
    for (const auto& [name, value] : file.table->saved()) metadata[table_prefix + name] = value;
  if (file.images) {
    metadata["minima.images.mean"] = number_text(file.images->mean);
    metadata["minima.images.deviation"] = number_text(file.images->deviation);
  }
  for (const auto& [name, value] : file.notes) metadata[note_prefix + name] = core::as_utf8(value);
  save_safetensors(archive, path);
}

ModelFile load_model(const std::string& path) {
  Archive archive = load_safetensors(path);
  const auto entry = [&](const std::string& name) -> const std::string& {
    const auto found = archive.metadata.find(name);
    if (found == archive.metadata.end())
      fail(path, "weights without \"" + name + "\"", "a file that `train --save` wrote",
           "In a program of your own, nn::load reads the weights into a model that you make.");
    return found->second;
  };
  ModelFile file;
  file.name = entry("minima.model");
  file.input = Shape{};
  for (const int64_t extent : numbers_in(entry("minima.input"), path)) file.input.push_back(extent);
  file.regression = entry("minima.task") == "regression";
  if (!file.regression)
    for (int64_t c = 0, classes = one_number_in(entry("minima.classes"), path); c < classes; ++c)
      file.class_names.push_back(entry(text("minima.class.", c)));
  if (const auto table = below(archive.metadata, table_prefix); !table.empty())
    file.table = datasets::Preparation::from_saved(table, path);
  if (archive.metadata.count("minima.images.mean") > 0)
    file.images = {.mean = real_in(entry("minima.images.mean"), path),
                   .deviation = real_in(entry("minima.images.deviation"), path)};
  if (file.images && !(file.images->deviation > 0))
    fail(path, text("images of deviation ", file.images->deviation), "a number above 0", "Is the file damaged?");
  file.notes = below(archive.metadata, note_prefix);
  check_sizes(file, archive, path);
  if (file.images) {
    file.images->height = static_cast<int>(file.input[0]), file.images->width = static_cast<int>(file.input[1]);
    file.images->channels = static_cast<int>(file.input[2]);
  }
  file.model = nn::make_model(file.name, file.input, file.outputs());
  nn::load_state(*file.model, archive);
  file.model->eval();
  return file;
}

}  // namespace minima::examples
