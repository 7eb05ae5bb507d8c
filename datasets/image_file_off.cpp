// SPDX-License-Identifier: MIT
// image_file.h in a build without libpng and libjpeg-turbo: errors that say so.
#include "core/error.h"
#include "datasets/image_file.h"

namespace minima::datasets::detail {
namespace {
[[noreturn]] void fail_without_libraries(const std::string& path) {
  fail(path, "an image, but this build cannot read images", "a build with libpng and libjpeg-turbo",
       "Install them (Debian: libpng-dev and libturbojpeg0-dev), then configure and build again.");
}
}  // namespace

ImageFormat image_format(const std::string& path, const std::vector<uint8_t>&) { fail_without_libraries(path); }

DecodedImage decode_image(const std::string& path, const std::vector<uint8_t>&, bool) { fail_without_libraries(path); }

}  // namespace minima::datasets::detail
