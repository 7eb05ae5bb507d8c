// SPDX-License-Identifier: MIT
// A folder of images sorted by class: one folder inside it per class, named as the class, holding .png, .jpg or .jpeg
// files of any size; or a folder train and a folder test, each with such folders inside.
// Not here: one image (image_file.h), images labelled by a list.
#pragma once

#include "datasets/loaded.h"

namespace minima::datasets {

/// Images (height, width, channels), normalised by the training part's mean and deviation over all pixels. Classes are
/// the folders' names, sorted. If all images are gray there is one channel; if any has colour there are three, and a
/// gray image has the same values in each. Where sizes differ, or one is asked for, the shorter side is resized and the
/// centre kept. What is transparent is blended with white, 16 bits are rounded to 8, and a camera's note which way is
/// up (EXIF) is followed. At most 20,000 pixels a side in a file, and 4 GiB of pixels in all. Hidden files and those
/// that Windows and macOS leave (Thumbs.db, desktop.ini, __MACOSX) are passed over, and so are files beside the class
/// folders that are not images.
/// One error names all files and folders that are wrong: files that are no image, fewer than two classes, a class
/// without images, a folder within a class, what cannot be read or is damaged.
Loaded load_image_folder(const std::string& path, const LoadOptions& options = {});

/// One image as such numbers, for a model that was trained with them: [height * width * channels].
std::vector<float> read_image(const std::string& path, const ImagePreparation& preparation);

/// The images of a folder and of the folders inside it, by name; or `path` itself, where it is a file. Hidden files and
/// the like are passed over, and files that are no images; a folder that several links lead to is read once. Errors: an
/// image in another format (GIF, WebP, ...), all of them in one; no image at all.
std::vector<std::string> images_at(const std::string& path);

}  // namespace minima::datasets
