// Image files made of given pixels, for tests of what reads them.
#pragma once

#include <png.h>
#include <turbojpeg.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/check.h"

namespace minima::test {

using Pixels = std::vector<uint8_t>;  // rows of pixels of interleaved channels

/// `format` is one of libpng's: PNG_FORMAT_GRAY, PNG_FORMAT_RGB, ...
inline std::string png(int width, int height, png_uint_32 format, const Pixels& pixels) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = format;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string bytes(size, '\0');
  REQUIRE(png_image_write_to_memory(&image, bytes.data(), &size, 0, pixels.data(), 0, nullptr));
  bytes.resize(size);
  return bytes;
}

/// `layout` is one of TurboJPEG's: TJPF_GRAY, TJPF_RGB, or TJPF_CMYK.
inline std::string jpg(int width, int height, int layout, const Pixels& pixels) {
  const std::unique_ptr<void, int (*)(tjhandle)> handle{tjInitCompress(), tjDestroy};
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  const int samples = layout == TJPF_GRAY ? TJSAMP_GRAY : TJSAMP_444, quality = 95;
  REQUIRE(tjCompress2(handle.get(), pixels.data(), width, 0, height, layout, &bytes, &size, samples, quality, 0) == 0);
  const std::string out(reinterpret_cast<const char*>(bytes), size);
  tjFree(bytes);
  return out;
}

}  // namespace minima::test
