// SPDX-License-Identifier: MIT
// CIFAR-10 and CIFAR-100 in their binary version, declared in sources.h: for each image one label (CIFAR-100: a coarse
// and a fine one), then a plane of 32 x 32 bytes for red, green and blue.
#include "datasets/files.h"
#include "datasets/image_file.h"
#include "datasets/sources.h"

namespace minima::datasets {
namespace {
constexpr size_t plane = 32 * 32, channels = 3, image_bytes = plane * channels;
constexpr size_t largest_file = size_t{1} << 30;

struct Images {
  std::vector<uint8_t> pixels;
  std::vector<int32_t> labels;

  /// Appends the images of a file, whose last label byte before each image counts.
  void append(const std::string& path, size_t label_bytes, size_t classes) {
    const std::vector<uint8_t> bytes = detail::read_file(path, largest_file);
    const size_t record = label_bytes + image_bytes;
    if (bytes.empty() || bytes.size() % record != 0)
      fail(path, text(bytes.size(), " bytes"), text("a multiple of ", record, ", the bytes of an image and its label"),
           "The file is truncated or damaged.");
    for (size_t at = 0; at < bytes.size(); at += record) {
      const uint8_t label = bytes[at + label_bytes - 1];
      if (label >= classes)
        fail(text(path, ", byte ", at + label_bytes - 1), text("label ", int{label}), text("0 to ", classes - 1));
      labels.push_back(label);
      for (size_t i = 0; i < plane; ++i)
        for (size_t c = 0; c < channels; ++c) pixels.push_back(bytes[at + label_bytes + c * plane + i]);
    }
  }
};

Split split_of(const std::vector<std::string>& train_files, const std::string& test_file, size_t label_bytes,
               const std::vector<std::string>& class_names) {
  Images images;
  for (const std::string& path : train_files) images.append(path, label_bytes, class_names.size());
  const auto in_train = static_cast<int64_t>(images.labels.size());
  const auto [mean, deviation] = detail::mean_and_deviation(images.pixels, detail::counting(0, in_train), image_bytes);
  images.append(test_file, label_bytes, class_names.size());
  Dataset all =
      Dataset::from_pixels(std::move(images.pixels), {32, 32, channels}, 255, std::move(images.labels), class_names);
  if (deviation > 0) all = all.normalise(mean, deviation);
  return all.split_at(in_train);
}

std::string hint(const std::string& archive, const std::string& folder) {
  return "Get " + archive +
         " (the binary version) from https://www.cs.toronto.edu/~kriz/cifar.html and unpack it in ./data, as ./data/" +
         folder + ".";
}
}  // namespace

Split cifar10(const std::string& directory) {
  std::vector<std::string> files;
  for (int i = 1; i <= 5; ++i) files.push_back(text("data_batch_", i, ".bin"));
  files.push_back("test_batch.bin");
  auto paths = detail::find_files("CIFAR-10", directory, {"cifar-10-batches-bin", "cifar-10"}, files,
                                  hint("cifar-10-binary.tar.gz", "cifar-10-batches-bin"));
  const std::string test = paths.back();
  paths.pop_back();
  return split_of(paths, test, 1,
                  {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"});
}

Split cifar100(const std::string& directory) {
  const auto paths = detail::find_files("CIFAR-100", directory, {"cifar-100-binary", "cifar-100"},
                                        {"train.bin", "test.bin", "fine_label_names.txt"},
                                        hint("cifar-100-binary.tar.gz", "cifar-100-binary"));
  const std::vector<uint8_t> lines = detail::read_file(paths[2], 1 << 16);
  std::istringstream names(std::string(lines.begin(), lines.end()));
  std::vector<std::string> class_names;
  for (std::string name; names >> name;) class_names.push_back(name);
  if (class_names.size() != 100) fail(paths[2], text(class_names.size(), " names"), "100");
  return split_of({paths[0]}, paths[1], 2, class_names);
}

}  // namespace minima::datasets
