// One image file, PNG or JPEG, decoded by libpng and libjpeg-turbo.
// Not here: folders of them and what they mean (image_folder.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace minima::datasets::detail {

struct ImageFormat {
  int width = 0, height = 0;
  bool colour = false;
};

/// The format that the first bytes of an image file tell. Errors, here and below, name `path`: bytes that are neither
/// PNG nor JPEG, damaged ones, and colours of print (CMYK).
ImageFormat image_format(const std::string& path, const std::vector<uint8_t>& bytes);

/// All pixels as (height, width, channel): one channel, or three if `colour`, for which a gray image has the
/// same values in each; a colour image must be read in colour. Transparency is dropped, 16 bits are rounded to 8.
std::vector<uint8_t> decode_image(const std::string& path, const std::vector<uint8_t>& bytes, bool colour);

}  // namespace minima::datasets::detail
