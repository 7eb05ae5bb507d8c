// SPDX-License-Identifier: MIT
#include "datasets/image_folder.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <tuple>

#include "core/utf8.h"
#include "datasets/files.h"
#include "datasets/image_file.h"

namespace minima::datasets {
namespace {
namespace fs = std::filesystem;
using detail::DecodedImage, detail::ImageFormat, detail::lower;

constexpr int longest_side = 20000, largest_kept = 256, usual_size = 64;
constexpr size_t largest_total = size_t{1} << 32, largest_file = size_t{1} << 26;

struct ImageFile {
  std::string path;
  int32_t label = 0;
};

/// What operating systems leave in folders.
bool is_junk(const fs::path& path) {
  const std::string name = lower(path.filename().string());
  return name[0] == '.' || name == "thumbs.db" || name == "desktop.ini" || name == "__macosx";
}

/// What a folder holds but for junk, sorted by name.
std::vector<fs::path> entries_of(const std::string& folder) {
  std::error_code problem;
  std::vector<fs::path> entries;
  for (fs::directory_iterator at(folder, problem), end; !problem && at != end; at.increment(problem))
    if (!is_junk(at->path())) entries.push_back(at->path());
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

/// The usual image format that a name tells and that is not read here, or "".
std::string other_format(const fs::path& path) {
  static const std::map<std::string, std::string> formats{{".gif", "GIF"},   {".webp", "WebP"}, {".bmp", "BMP"},
                                                          {".tif", "TIFF"},  {".tiff", "TIFF"}, {".heic", "HEIC"},
                                                          {".heif", "HEIC"}, {".avif", "AVIF"}};
  const auto found = formats.find(lower(path.extension().string()));
  return found == formats.end() ? "" : found->second;
}

bool is_image_name(const std::string& path) {
  const std::string extension = lower(fs::path(path).extension().string());
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg";
}

void refuse_other_format(const fs::path& path) {
  if (const std::string format = other_format(path); !format.empty())
    fail(path.string(), "an image in the format " + format, "PNG or JPEG", detail::how_to_convert);
}

std::vector<std::string> images_of_class(const std::string& folder, Problems& problems) {
  std::vector<std::string> images;
  for (const fs::path& entry : entries_of(folder))
    problems.collect([&] {
      if (is_folder(entry))
        fail(entry.string(), "a folder inside the class folder " + folder, "images only",
             "Each class is one folder of images, inside the folder given or inside its folders train and test.");
      refuse_other_format(entry);
      if (!is_image_name(entry.string()))
        fail(entry.string(), "a file that is no image by its name", "names ending in .png, .jpg or .jpeg",
             "Convert it to PNG if it is an image, or move it elsewhere.");
      images.push_back(entry.string());
    });
  if (images.empty() && problems.empty())
    fail(folder, "no images", "at least two for the class of this name", "Add some, or remove the folder.");
  return images;
}

/// All images in the order of class and name. Names of classes that are new are added, if `add` says so.
std::vector<ImageFile> find_images(const std::string& path, std::vector<std::string>& class_names, bool add,
                                   Problems& problems) {
  std::vector<ImageFile> images;
  for (const fs::path& entry : entries_of(path))
    problems.collect([&] {
      const std::string name = core::as_utf8(entry.filename().string());
      if (!is_folder(entry)) {
        if (is_image_name(name))
          fail(entry.string(), "an image outside the class folders", text("it in ", path, "/CLASS/"));
        return;
      }
      auto known = std::find(class_names.begin(), class_names.end(), name);
      if (known == class_names.end() && !add)
        fail(entry.string(), "a class that the training images do not have", "one of " + joined(class_names));
      if (known == class_names.end()) known = class_names.insert(class_names.end(), name);
      for (const std::string& image : images_of_class(entry.string(), problems))
        images.push_back({image, static_cast<int32_t>(known - class_names.begin())});
    });
  return images;
}

/// The folders of the two parts, if the classes are inside such; else none.
std::vector<std::string> part_folders(const std::string& path) {
  std::vector<std::string> train, test;
  for (const fs::path& entry : entries_of(path)) {
    const std::string name = lower(entry.filename().string());
    if (name == "train" || name == "training") train.push_back(entry.string());
    if (name == "test" || name == "testing") test.push_back(entry.string());
  }
  return train.size() == 1 && test.size() == 1 ? std::vector<std::string>{train[0], test[0]}
                                               : std::vector<std::string>{};
}

/// Names the folders beside the two parts, such as one of validation images.
void note_other_folders(const std::string& path, const std::vector<std::string>& parts,
                        std::vector<std::string>& notes) {
  const auto quoted = [](const fs::path& folder) { return "\"" + core::as_utf8(folder.filename().string()) + "\""; };
  std::vector<std::string> others;
  for (const fs::path& entry : entries_of(path)) {
    std::error_code ignored;  // what cannot be looked at is not read either
    if (fs::is_directory(entry, ignored) && std::ranges::find(parts, entry.string()) == parts.end())
      others.push_back(quoted(entry));
  }
  if (!others.empty())
    notes.push_back(text(others.size() == 1 ? "Folder " : "Folders ", joined(others), " beside ", quoted(parts[0]),
                         " and ", quoted(parts[1]), others.size() == 1 ? " is" : " are", " not read."));
}

ImageFormat format_of(const std::string& path) {
  const ImageFormat format = detail::image_format(path, detail::read_file(path, largest_file));
  if (format.width < 1 || format.height < 1 || format.width > longest_side || format.height > longest_side)
    fail(path, text(format.width, " x ", format.height, " pixels"), text("1 to ", longest_side, " on each side"));
  return format;
}

/// The size and channels that all images get, and what is to be said about it. Images without a format are problems and
/// taken out of the list.
ImagePreparation common_format(std::vector<ImageFile>& images, int64_t size, Problems& problems,
                               std::vector<std::string>& notes) {
  ImagePreparation common;
  int smallest = longest_side, largest = 0, turned = 0;
  bool colour = false, equal = true;
  std::vector<ImageFile> sound;
  for (const ImageFile& image : images)
    problems.collect([&] {
      const ImageFormat format = format_of(image.path);
      sound.push_back(image);
      if (largest == 0) common.width = format.width, common.height = format.height;
      equal = equal && format.width == common.width && format.height == common.height;
      smallest = std::min({smallest, format.width, format.height});
      largest = std::max({largest, format.width, format.height});
      colour |= format.colour, turned += format.orientation != 1;
    });
  images = std::move(sound);
  if (size > 0 || !equal || largest > largest_kept) {
    const int given = size > 0 ? static_cast<int>(size) : usual_size;
    notes.push_back(
        text("The images have ",
             equal ? text(common.width, " x ", common.height) : text(smallest, " to ", largest, " pixels a side"),
             ": the shorter side is resized to ", given, " pixels, and the centre kept",
             size > 0 ? "." : " (--image-size chooses another size)."));
    common.width = common.height = given;
  }
  common.channels = colour ? 3 : 1;
  if (turned > 0)
    notes.push_back(
        text(turned, turned == 1 ? " image was" : " images were", " turned upright, as their EXIF orientation says."));
  return common;
}

DecodedImage read_pixels(const std::string& path, const ImagePreparation& to) {
  const std::vector<uint8_t> bytes = detail::read_file(path, largest_file);
  const ImageFormat format = detail::image_format(path, bytes);
  DecodedImage image = detail::decode_image(path, bytes, to.channels == 3);
  if (format.width == to.width && format.height == to.height) return image;
  if (to.width != to.height) fail(path, text(format.width, " x ", format.height), text(to.width, " x ", to.height));
  image.pixels = detail::centre_square(image.pixels, format.width, format.height, to.channels, to.width);
  return image;
}

/// `visited` has the folders so far without their links, which may lead in circles.
void add_images_below(const std::string& folder, std::set<fs::path>& visited, std::vector<std::string>& images,
                      Problems& problems) {
  if (!visited.insert(fs::canonical(folder)).second) return;
  for (const fs::path& entry : entries_of(folder))
    problems.collect([&] {
      if (is_folder(entry)) return add_images_below(entry.string(), visited, images, problems);
      refuse_other_format(entry);
      if (is_image_name(entry.string())) images.push_back(entry.string());
    });
}

}  // namespace

Loaded load_image_folder(const std::string& path, const LoadOptions& options) {
  if (options.image_size < 0 || options.image_size > 1024)
    fail("--image-size", text(options.image_size), "1 to 1024, or 0");
  Problems problems(path);
  Loaded out;
  std::vector<std::string> class_names;
  const std::vector<std::string> parts = part_folders(path);
  out.own_test_part = !parts.empty();
  if (!parts.empty()) note_other_folders(path, parts, out.notes);
  std::vector<ImageFile> images = find_images(parts.empty() ? path : parts[0], class_names, true, problems);
  const int64_t in_train = std::ssize(images);
  if (!parts.empty())
    for (const ImageFile& image : find_images(parts[1], class_names, false, problems)) images.push_back(image);
  if (class_names.size() < 2 && problems.empty())
    fail(path, class_names.empty() ? "no class folders" : "one class only, \"" + class_names[0] + "\"",
         "a folder for each of two or more classes, holding its images");
  ImagePreparation& to = out.images.emplace(common_format(images, options.image_size, problems, out.notes));
  if (images.empty()) problems.raise();  // else the pixels of the others may be damaged as well

  const Shape shape{to.height, to.width, to.channels};
  const size_t image_size = static_cast<size_t>(shape.numel());
  if (images.size() > largest_total / image_size)
    fail(path, text(images.size(), " images of shape ", shape), text("at most ", largest_total / image_size),
         "Choose a smaller --image-size.");
  std::vector<int32_t> labels;
  int transparent = 0;
  std::vector<uint8_t> pixels(images.size() * image_size);
  for (size_t i = 0; i < images.size(); ++i)
    problems.collect([&] {
      labels.push_back(images[i].label);
      const auto [decoded, has_transparent] = read_pixels(images[i].path, to);
      if (decoded.size() != image_size) fail(images[i].path, "another size than a moment ago", "a file that stays");
      transparent += has_transparent;
      std::copy(decoded.begin(), decoded.end(), pixels.begin() + static_cast<ptrdiff_t>(i * image_size));
    });
  problems.raise();
  if (transparent > 0)
    out.notes.push_back(
        text(transparent, transparent == 1 ? " image has" : " images have", " transparent parts, blended with white."));

  const detail::Positions positions =
      parts.empty() ? detail::split_positions(path, labels, class_names, options.test_fraction, options.seed)
                    : detail::Positions{detail::counting(0, in_train), detail::counting(in_train, std::ssize(images))};
  std::tie(to.mean, to.deviation) = detail::mean_and_deviation(pixels, positions.train, shape.numel());
  if (to.deviation == 0) fail(path, "training images that are all of one and the same colour", "images that differ");
  const Dataset all = Dataset::from_pixels(std::move(pixels), shape, 255, std::move(labels), std::move(class_names))
                          .normalise(to.mean, to.deviation);
  out.split = {all.subset(positions.train), all.subset(positions.test)};
  detail::note_classes(out.split, out.notes);
  return out;
}

std::vector<std::string> images_at(const std::string& path) {
  if (!is_folder(path)) return {path};
  Problems problems(path);
  std::vector<std::string> images;
  std::set<fs::path> visited;
  add_images_below(path, visited, images, problems);
  problems.raise();
  if (images.empty()) fail(path, "a folder without an image", "files ending in .png, .jpg or .jpeg");
  return images;
}

std::vector<float> read_image(const std::string& path, const ImagePreparation& preparation) {
  std::vector<float> values;
  for (const uint8_t pixel : read_pixels(path, preparation).pixels)
    values.push_back(static_cast<float>((pixel / 255.0 - preparation.mean) / preparation.deviation));
  return values;
}

}  // namespace minima::datasets
