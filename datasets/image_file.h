// SPDX-License-Identifier: MIT
// One image file, PNG or JPEG, decoded by libpng and libjpeg-turbo; and images brought to one size.
// Not here: folders of them and what they mean (image_folder.h).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::datasets::detail {

/// What to do with an image of another format.
inline constexpr const char* how_to_convert =
    "`mogrify -format png FILE` (ImageMagick) writes a PNG beside it; then move the original elsewhere.";

struct ImageFormat {
  int width = 0, height = 0;  ///< as it is looked at, turned by its EXIF orientation
  bool colour = false;
  int orientation = 1;  ///< 1 to 8, as EXIF numbers them; 1 is upright
};

/// The format that the first bytes of an image file tell. Errors, here and below, name `path`: bytes that are neither
/// PNG nor JPEG, damaged ones, and colours of print (CMYK).
ImageFormat image_format(const std::string& path, const std::vector<uint8_t>& bytes);

struct DecodedImage {
  std::vector<uint8_t> pixels;
  bool transparent = false;  ///< at least one pixel was
};

/// All pixels as (height, width, channel), upright: one channel, or three if `colour`, for which a gray image has the
/// same values in each; a colour image must be read in colour. What is transparent is blended with white, 16 bits are
/// rounded to 8.
DecodedImage decode_image(const std::string& path, const std::vector<uint8_t>& bytes, bool colour);

/// The way an orientation (1 to 8) turns pixels (height, width, channel) upright.
std::vector<uint8_t> upright(std::vector<uint8_t> pixels, int width, int height, int channels, int orientation);

/// The orientation that the EXIF part of a JPEG file tells; 1 where there is none.
int exif_orientation(const std::vector<uint8_t>& jpeg);

/// The largest centred square of an image, as size x size pixels, by a triangle filter that is as wide as one of
/// its pixels where it shrinks.
std::vector<uint8_t> centre_square(const std::vector<uint8_t>& pixels, int width, int height, int channels, int size);

/// Mean and deviation of the training images' pixels in [0, 1], each image of `image_size` bytes.
std::pair<double, double> mean_and_deviation(const std::vector<uint8_t>& pixels, const std::vector<int64_t>& train,
                                             int64_t image_size);

}  // namespace minima::datasets::detail
#pragma GCC visibility pop
