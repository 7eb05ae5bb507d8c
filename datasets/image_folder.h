// A folder of images sorted by class: one folder inside it per class, named as the class, holding .png, .jpg or .jpeg
// files of one size.
// Not here: resizing, nested folders, images labelled by a list.
#pragma once

#include <string>

#include "datasets/dataset.h"

namespace minima::datasets {

struct ImageFolderOptions {
  double test_fraction = 0.2;  ///< of each class
  uint64_t seed = 1;           ///< of the split
};

/// Images (height, width, channels), normalised by the training part's mean and deviation over all pixels. Classes are
/// the folders' names, sorted. If all images are gray there is one channel; if any has colour there are three, and a
/// gray image has the same values in each. Transparency is dropped, 16 bits are rounded to 8, and the note of a camera
/// which way is up (EXIF) is not read. At most 1024 pixels a side and 4 GiB of pixels in all. Hidden files are passed
/// over, and so are files beside the class folders that are not images.
/// Errors, each naming the file or folder: images of different sizes (both are named), files that are no image, fewer
/// than two classes, a class without images or with one alone, a folder within a class, what cannot be read or is
/// damaged.
Split image_folder(const std::string& path, const ImageFolderOptions& options = {});

}  // namespace minima::datasets
