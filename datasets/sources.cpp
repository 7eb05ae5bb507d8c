// SPDX-License-Identifier: MIT
#include "datasets/sources.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <utility>

#include "datasets/files.h"
#include "datasets/image_folder.h"
#include "datasets/table.h"

namespace minima::datasets {
namespace {
constexpr int digit_pixels = 64, digits_white = 16;
constexpr int64_t digits_for_training = 1437;

/// One line an image: label, space, pixels in base 17.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverlength-strings"
constexpr char digit_lines[] =
#include "datasets/data/digits.inc"
    ;
#pragma GCC diagnostic pop

Split decode_digits() {
  constexpr size_t line = 2 + digit_pixels;
  std::vector<uint8_t> pixels;
  std::vector<int32_t> labels;
  for (const char* at = digit_lines; *at != '\0'; at += line) {
    labels.push_back(at[0] - '0');
    for (size_t i = 2; i < line; ++i)
      pixels.push_back(static_cast<uint8_t>(at[i] <= '9' ? at[i] - '0' : at[i] - 'a' + 10));
  }
  double sum = 0, squares = 0;
  const size_t count = static_cast<size_t>(digits_for_training) * digit_pixels;
  for (size_t i = 0; i < count; ++i) {
    const double value = static_cast<double>(pixels[i]) / digits_white;
    sum += value;
    squares += value * value;
  }
  const double mean = sum / static_cast<double>(count);
  const double deviation = std::sqrt(squares / static_cast<double>(count) - mean * mean);

  return Dataset::from_pixels(std::move(pixels), {8, 8, 1}, digits_white, std::move(labels),
                              {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"})
      .normalise(mean, deviation)
      .split_at(digits_for_training);
}

using Source = std::pair<const char*, std::function<Split(const LoadOptions&)>>;

const std::vector<Source>& named_sources() {
  static const std::vector<Source> sources = {
      {"digits", [](const LoadOptions&) { return digits(); }},
      {"fashion-mnist", [](const LoadOptions& o) { return fashion_mnist(o.directory); }},
      {"mnist", [](const LoadOptions& o) { return mnist(o.directory); }},
      {"cifar-10", [](const LoadOptions& o) { return cifar10(o.directory); }},
      {"cifar-100", [](const LoadOptions& o) { return cifar100(o.directory); }},
      {"two-moons", [](const LoadOptions& o) { return two_moons({.seed = o.seed}); }},
      {"spirals", [](const LoadOptions& o) { return spirals({.seed = o.seed}); }},
      {"blobs", [](const LoadOptions& o) { return blobs({.seed = o.seed}); }},
  };
  return sources;
}

/// Whether a path is a table by its name, in any case, packed or not.
bool is_table_name(std::string path) {
  path = detail::lower(path);
  if (path.ends_with(".gz")) path.resize(path.size() - 3);
  for (const char* ending : {".csv", ".tsv", ".txt", ".data"})
    if (path.ends_with(ending)) return true;
  return false;
}

/// Options of a table do not count for other data.
void refuse_table_options(const std::string& data, const LoadOptions& o) {
  for (const auto& [option, value] : {std::pair{"--task", o.task},
                                      {"--test", o.test},
                                      {"--group", o.group},
                                      {"--time", o.time},
                                      {"--drop", joined(o.drop, ",")}})
    if (!value.empty()) fail(option, text("\"", value, "\" for ", data), "it for a table only");
}

Loaded find(const std::string& name_or_path, const LoadOptions& o) {
  for (const auto& [name, make] : named_sources())
    if (name_or_path == name) {
      refuse_table_options(name, o);
      if (!o.label.empty()) fail("--label", text("\"", o.label, "\" for ", name), "it for a table only");
      if (o.image_size != 0) fail("--image-size", text(o.image_size, " for ", name), "it for a folder of images only");
      return {.split = make(o), .own_test_part = true};
    }
  std::error_code ignored;
  if (std::filesystem::is_directory(name_or_path, ignored)) {
    if (!o.label.empty())
      fail("load", text("the label column \"", o.label, "\" for the folder ", name_or_path),
           "no label: the names of the folders inside are the classes");
    refuse_table_options("the folder " + name_or_path, o);
    return load_image_folder(name_or_path, o);
  }
  if (is_table_name(name_or_path)) return load_table(name_or_path, o);
  fail("load", text("the data set \"", name_or_path, "\""),
       joined(names()) +
           ", the path of a table (.csv, .tsv, .txt, .data, also .gz), or of a folder with a folder of images for each "
           "class");
}
}  // namespace

Split digits() {
  static const Split split = decode_digits();
  return split;
}

Loaded load_all(const std::string& name_or_path, const LoadOptions& options) {
  Loaded loaded = find(name_or_path, options);
  if (loaded.split.test.size() < 2)
    fail(name_or_path, text(loaded.split.test.size(), " test ", loaded.table ? "row" : "image"), "at least two",
         "One alone does not tell how good a model is.");
  if (options.train_limit != 0) loaded.split.train = loaded.split.train.take(options.train_limit);
  return loaded;
}

Split load(const std::string& name_or_path, const LoadOptions& options) {
  return load_all(name_or_path, options).split;
}

std::vector<std::string> names() {
  std::vector<std::string> out;
  for (const auto& [name, unused] : named_sources()) out.emplace_back(name);
  return out;
}

bool is_named(const std::string& name) {
  const std::vector<std::string> all = names();
  return std::find(all.begin(), all.end(), name) != all.end();
}

}  // namespace minima::datasets
