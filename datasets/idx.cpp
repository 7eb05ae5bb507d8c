// SPDX-License-Identifier: MIT
#include "datasets/idx.h"

#include <algorithm>
#include <future>
#include <iomanip>
#include <limits>

#include "datasets/files.h"
#include "datasets/sources.h"

namespace minima::datasets {
namespace {
uint32_t big_endian(const uint8_t* bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | uint32_t{bytes[3]};
}

std::string hexadecimal(uint32_t value) { return text("0x", std::hex, std::setfill('0'), std::setw(8), value); }

/// One data set of the family, as published.
struct Published {
  std::string name;
  std::vector<std::string> folders;
  std::vector<std::string> class_names;
  double mean, deviation;  // of the training images' pixels in [0, 1]
  std::string hint;
};

const std::vector<std::string> files = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                                        "t10k-labels-idx1-ubyte"};

constexpr size_t largest_file = size_t{1} << 30;  // far above any of the family

/// Images and labels of one part, from two files that must agree.
Dataset read_part(const Published& published, const std::string& image_path, const std::string& label_path) {
  std::vector<uint8_t> images = detail::read_file(image_path, largest_file);
  const std::vector<uint8_t> label_bytes = detail::read_file(label_path, largest_file);
  const IdxHeader image_header = parse_idx(images, 3, image_path);
  const IdxHeader label_header = parse_idx(label_bytes, 1, label_path);
  const int64_t count = image_header.shape[0];
  if (label_header.shape[0] != count)
    fail(label_path, text(label_header.shape[0], " labels"), text(count, ", one for each image of ", image_path));
  std::vector<int32_t> labels;
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    const uint8_t label = label_bytes[label_header.size + i];
    if (label >= published.class_names.size())
      fail(text(label_path, ", byte ", label_header.size + i, " of the content"), text("label ", int{label}),
           text("0 to ", published.class_names.size() - 1));
    labels.push_back(label);
  }
  const Shape image{image_header.shape[1], image_header.shape[2], 1};
  images.erase(images.begin(), images.begin() + static_cast<std::ptrdiff_t>(image_header.size));
  return Dataset::from_pixels(std::move(images), image, 255, std::move(labels), published.class_names)
      .normalise(published.mean, published.deviation);
}

Split read_split(const Published& published, const std::string& directory) {
  const auto paths = detail::find_files(published.name, directory, published.folders, files, published.hint);
  // The test part is inflated meanwhile.
  auto test = std::async([&] { return read_part(published, paths[2], paths[3]); });
  Dataset train = read_part(published, paths[0], paths[1]);
  Split split{std::move(train), test.get()};
  if (split.train.input_shape() != split.test.input_shape())
    fail(paths[2], text("images of shape ", split.test.input_shape()),
         text(split.train.input_shape(), " as in ", paths[0]));
  return split;
}
}  // namespace

IdxHeader parse_idx(std::span<const uint8_t> bytes, int dimensions, const std::string& name) {
  const size_t header_size = 4 + 4 * static_cast<size_t>(dimensions);
  if (bytes.size() < header_size)
    fail(text(name, ", byte ", bytes.size(), " of the content"), "the end of the file",
         text("an IDX header of ", header_size, " bytes"), "The file is truncated.");
  const uint32_t magic = big_endian(bytes.data()), expected = 0x0800u | static_cast<uint32_t>(dimensions);
  if (magic != expected)
    fail(text(name, ", byte 0 of the content"), text("magic number ", hexadecimal(magic)),
         text(hexadecimal(expected), " (unsigned bytes in ", dimensions,
              dimensions == 1 ? " dimension)" : " dimensions)"),
         magic >> 8 == 0x08 ? "Are images and labels swapped?" : "Is this an IDX file?");
  IdxHeader header{{}, header_size};
  uint64_t wanted = 1;
  for (int axis = 0; axis < dimensions; ++axis) {
    const size_t offset = 4 + 4 * static_cast<size_t>(axis);
    const uint32_t extent = big_endian(bytes.data() + offset);
    if (extent == 0 || wanted > std::numeric_limits<uint64_t>::max() / 2 / extent)
      fail(text(name, ", byte ", offset, " of the content"), text("extent ", extent, " of dimension ", axis),
           "at least 1, and a total size that fits in 63 bits", "The file is damaged.");
    wanted *= extent;
    header.shape.push_back(extent);
  }
  const uint64_t stored = bytes.size() - header_size;
  if (stored != wanted) {
    const uint64_t end = header_size + std::min(stored, wanted);
    fail(text(name, ", byte ", end, " of the content"),
         stored < wanted ? "the end of the file" : text(stored - wanted, " bytes too many"),
         text(header_size, " + ", wanted, " bytes, as its header says: ", header.shape),
         stored < wanted ? "The file is truncated or damaged." : "The file is damaged.");
  }
  return header;
}

Split fashion_mnist(const std::string& directory) {
  return read_split(
      {"Fashion-MNIST",
       {"fashion-mnist", "FashionMNIST/raw"},
       {"T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"},
       0.2860,
       0.3530,
       "Debian and Ubuntu have them in the package dataset-fashion-mnist; else get the four .gz files from "
       "https://github.com/zalandoresearch/fashion-mnist and put them into ./data/fashion-mnist."},
      directory);
}

Split mnist(const std::string& directory) {
  return read_split({"MNIST",
                     {"mnist", "MNIST/raw"},
                     {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"},
                     0.1307,
                     0.3081,
                     "Get the four .gz files from https://ossci-datasets.s3.amazonaws.com/mnist/ and put them into "
                     "./data/mnist."},
                    directory);
}

}  // namespace minima::datasets
