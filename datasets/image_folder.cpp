#include "datasets/image_folder.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>

#include "datasets/files.h"
#include "datasets/image_file.h"

namespace minima::datasets {
namespace {
namespace fs = std::filesystem;
using detail::ImageFormat;

constexpr int longest_side = 1024;
constexpr size_t largest_total = size_t{1} << 32, largest_file = size_t{1} << 26;

struct ImageFile {
  std::string path;
  int32_t label = 0;
};

bool is_image_name(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg";
}

/// What a folder holds but for hidden entries, sorted by name.
std::vector<fs::path> entries_of(const std::string& folder) {
  std::error_code problem;
  std::vector<fs::path> entries;
  for (fs::directory_iterator at(folder, problem), end; !problem && at != end; at.increment(problem))
    if (at->path().filename().string()[0] != '.') entries.push_back(at->path());
  if (problem) fail(folder, problem.message(), "a readable folder of images");
  std::sort(entries.begin(), entries.end());
  return entries;
}

/// Whether the entry is a folder, links followed; one that cannot be looked at is an error.
bool is_folder(const fs::path& path) {
  std::error_code problem;
  const bool folder = fs::is_directory(path, problem);
  if (problem) fail(path.string(), problem.message(), "a readable file or folder");
  return folder;
}

std::vector<std::string> images_of_class(const std::string& folder) {
  std::vector<std::string> images;
  for (const fs::path& entry : entries_of(folder)) {
    if (is_folder(entry))
      fail(entry.string(), "a folder inside the class folder " + folder, "images only",
           "Each class is one folder of images. If these are parts (train, test) with the classes inside, give one of "
           "them.");
    if (!is_image_name(entry))
      fail(entry.string(), "a file that is no image by its name", "names ending in .png, .jpg or .jpeg",
           "Convert it (`mogrify -format png` of ImageMagick), or move it elsewhere.");
    images.push_back(entry.string());
  }
  if (images.empty())
    fail(folder, "no images", "at least two for the class of this name", "Add some, or remove the folder.");
  return images;
}

/// All images in the order of class and name, and the names of the classes.
std::vector<ImageFile> find_images(const std::string& path, std::vector<std::string>& class_names) {
  std::vector<ImageFile> images;
  std::string stray;
  for (const fs::path& entry : entries_of(path)) {
    if (!is_folder(entry)) {
      if (stray.empty() && is_image_name(entry)) stray = entry.string();
      continue;
    }
    for (const std::string& image : images_of_class(entry.string()))
      images.push_back({image, static_cast<int32_t>(class_names.size())});
    class_names.push_back(entry.filename().string());
  }
  if (!stray.empty()) fail(stray, "an image outside the class folders", text("it in ", path, "/CLASS/"));
  if (class_names.size() < 2)
    fail(path, class_names.empty() ? "no class folders" : "one class only, \"" + class_names[0] + "\"",
         "a folder for each of two or more classes, holding its images");
  return images;
}

ImageFormat format_of(const std::string& path) {
  const ImageFormat format = detail::image_format(path, detail::read_file(path, largest_file));
  if (format.width < 1 || format.height < 1 || format.width > longest_side || format.height > longest_side)
    fail(
        path, text(format.width, " x ", format.height, " pixels"), text("1 to ", longest_side, " on each side"),
        "Scale them down in a copy of the folder: `mogrify -auto-orient -resize '32x32!' COPY/*/*` (ImageMagick) does; "
        "networks of this size learn from 28 to 128 pixels a side.");
  return format;
}

/// The format of all of them, colour if any has it.
ImageFormat common_format(const std::vector<ImageFile>& images) {
  ImageFormat common = format_of(images[0].path);
  for (const ImageFile& image : images) {
    const ImageFormat format = format_of(image.path);
    if (format.width != common.width || format.height != common.height)
      fail(
          image.path,
          text(format.width, " x ", format.height, " pixels where ", images[0].path, " has ", common.width, " x ",
               common.height),
          "images of one size",
          text(
              "Bring them to one size first, in a copy of the folder: `mogrify -auto-orient -resize '32x32!' COPY/*/*` "
              "(ImageMagick) does; or move those of another size out."));
    common.colour |= format.colour;
  }
  return common;
}

/// Mean and deviation of the training images' pixels in [0, 1], from a count of each of the 256 values.
std::pair<double, double> mean_and_deviation(const std::vector<uint8_t>& pixels, const std::vector<int64_t>& train,
                                             int64_t image_size) {
  std::array<int64_t, 256> counts{};
  for (const int64_t row : train)
    for (int64_t i = 0; i < image_size; ++i) ++counts[pixels[static_cast<size_t>(row * image_size + i)]];
  const double total = static_cast<double>(train.size()) * static_cast<double>(image_size);
  double mean = 0, variance = 0;
  for (int value = 0; value < 256; ++value) mean += static_cast<double>(counts[value]) / total * value / 255;
  for (int value = 0; value < 256; ++value)
    variance += static_cast<double>(counts[value]) / total * std::pow(value / 255.0 - mean, 2);
  return {mean, std::sqrt(variance)};
}
}  // namespace

Split image_folder(const std::string& path, const ImageFolderOptions& options) {
  std::vector<std::string> class_names;
  const std::vector<ImageFile> images = find_images(path, class_names);
  std::vector<int32_t> labels;
  for (const ImageFile& image : images) labels.push_back(image.label);
  const auto positions = detail::split_positions(path, labels, class_names, options.test_fraction, options.seed);

  const ImageFormat format = common_format(images);
  const Shape shape{format.height, format.width, format.colour ? 3 : 1};
  const size_t image_size = static_cast<size_t>(shape.numel());
  if (images.size() > largest_total / image_size)
    fail(path, text(images.size(), " images of shape ", shape), text("at most ", largest_total / image_size),
         "Scale the images down, or use fewer.");
  std::vector<uint8_t> pixels(images.size() * image_size);
  for (size_t i = 0; i < images.size(); ++i) {
    const std::string& file = images[i].path;
    const auto decoded = detail::decode_image(file, detail::read_file(file, largest_file), format.colour);
    if (decoded.size() != image_size) fail(file, "another size than a moment ago", "a file that stays as it is");
    std::copy(decoded.begin(), decoded.end(), pixels.begin() + static_cast<ptrdiff_t>(i * image_size));
  }

  const auto [mean, deviation] = mean_and_deviation(pixels, positions.train, shape.numel());
  if (deviation == 0) fail(path, "training images that are all of one and the same colour", "images that differ");
  const Dataset all = Dataset::from_pixels(std::move(pixels), shape, 255, std::move(labels), std::move(class_names))
                          .normalise(mean, deviation);
  return {all.subset(positions.train), all.subset(positions.test)};
}

}  // namespace minima::datasets
