// SPDX-License-Identifier: MIT
#include "datasets/image_file.h"

#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <memory>

#include "core/error.h"

namespace minima::datasets::detail {
namespace {
[[noreturn]] void fail_image(const std::string& path, const std::string& reason) {
  fail(path, "what cannot be read as an image (" + reason + ")", "a png or jpg image",
       "It is damaged or of another format; get it again, convert it, or remove it.");
}

/// The name of another usual format that begins so, or "".
std::string other_format(const std::vector<uint8_t>& bytes) {
  const std::string start(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(std::min<size_t>(bytes.size(), 12)));
  if (start.starts_with("GIF8")) return "GIF";
  if (start.starts_with("RIFF") && start.substr(std::min<size_t>(start.size(), 8)) == "WEBP") return "WebP";
  if (start.starts_with("BM") && start.size() == 12 && start.substr(6, 4) == std::string(4, '\0')) return "BMP";
  if (start.starts_with(std::string("II*\0", 4)) || start.starts_with(std::string("MM\0*", 4))) return "TIFF";
  if (start.size() == 12 && start.substr(4, 4) == "ftyp")
    for (const char* brand : {"heic", "heix", "mif1", "msf1", "avif"})
      if (start.ends_with(brand)) return "HEIC or AVIF";
  return "";
}

bool is_png(const std::vector<uint8_t>& bytes) { return bytes.size() >= 8 && png_sig_cmp(bytes.data(), 0, 8) == 0; }
bool is_jpeg(const std::vector<uint8_t>& bytes) { return bytes.size() >= 2 && bytes[0] == 0xff && bytes[1] == 0xd8; }

/// Blends each pixel of `channels` bytes, the last of which is its opacity, with white.
DecodedImage on_white(std::vector<uint8_t> pixels, size_t channels) {
  size_t kept = 0;
  bool transparent = false;
  for (size_t i = 0; i < pixels.size(); i += channels) {
    const int opacity = pixels[i + channels - 1];
    transparent = transparent || opacity < 255;
    for (size_t c = 0; c + 1 < channels; ++c)
      pixels[kept++] = static_cast<uint8_t>((pixels[i + c] * opacity + 255 * (255 - opacity) + 127) / 255);
  }
  pixels.resize(kept);
  return {std::move(pixels), transparent};
}

class Png {
 public:
  Png(const std::string& path, const std::vector<uint8_t>& bytes) : path_(path) {
    image_.version = PNG_IMAGE_VERSION;
    if (!png_image_begin_read_from_memory(&image_, bytes.data(), bytes.size())) fail_image(path_, image_.message);
  }
  ~Png() { png_image_free(&image_); }
  Png(const Png&) = delete;
  Png& operator=(const Png&) = delete;

  ImageFormat format() const {
    return {static_cast<int>(image_.width), static_cast<int>(image_.height),
            (image_.format & PNG_FORMAT_FLAG_COLOR) != 0};
  }

  DecodedImage decode(bool colour) {
    image_.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;  // 16 bits are of the same scale as 8, not of linear light
    image_.format = colour ? PNG_FORMAT_RGBA : PNG_FORMAT_GA;
    std::vector<uint8_t> pixels(PNG_IMAGE_SIZE(image_));
    if (!png_image_finish_read(&image_, nullptr, pixels.data(), 0, nullptr)) fail_image(path_, image_.message);
    return on_white(std::move(pixels), colour ? 4 : 2);
  }

 private:
  std::string path_;
  png_image image_{};
};

class Jpeg {
 public:
  Jpeg(const std::string& path, const std::vector<uint8_t>& bytes) : path_(path), bytes_(bytes) {
    int subsampling = 0, colours = 0;
    check(tjDecompressHeader3(handle_.get(), bytes_.data(), bytes_.size(), &format_.width, &format_.height,
                              &subsampling, &colours));
    if (colours == TJCS_CMYK || colours == TJCS_YCCK)
      fail(path_, "a jpg with the colours of print (CMYK)", "gray or RGB",
           "Convert it: `mogrify -colorspace sRGB` (ImageMagick) does.");
    format_.colour = colours != TJCS_GRAY;
    format_.orientation = exif_orientation(bytes);
  }

  ImageFormat format() const {
    ImageFormat seen = format_;
    if (seen.orientation > 4) std::swap(seen.width, seen.height);
    return seen;
  }

  DecodedImage decode(bool colour) {
    const int layout = colour ? TJPF_RGB : TJPF_GRAY;
    std::vector<uint8_t> pixels(size_t{colour ? 3u : 1u} * format_.width * format_.height);
    // The scans of a progressive file are limited, as a small one could ask for hours of decoding.
    check(tjDecompress2(handle_.get(), bytes_.data(), bytes_.size(), pixels.data(), format_.width, 0, format_.height,
                        layout, TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS));
    return {upright(std::move(pixels), format_.width, format_.height, colour ? 3 : 1, format_.orientation)};
  }

 private:
  void check(int status) const {
    if (status == 0) return;
    const std::string reason = tjGetErrorStr2(handle_.get());
    // Bytes between the parts of a file, and what some telephones write as the spectrum of a scan, cost no pixel.
    const bool harmless = tjGetErrorCode(handle_.get()) == TJERR_WARNING &&
                          (reason.find("extraneous") != reason.npos || reason.find("Invalid SOS") != reason.npos);
    if (!harmless) fail_image(path_, reason);
  }

  std::string path_;
  const std::vector<uint8_t>& bytes_;
  std::unique_ptr<void, int (*)(tjhandle)> handle_{tjInitDecompress(), tjDestroy};
  ImageFormat format_;  // as it is stored
};
}  // namespace

ImageFormat image_format(const std::string& path, const std::vector<uint8_t>& bytes) {
  if (is_png(bytes)) return Png(path, bytes).format();
  if (is_jpeg(bytes)) return Jpeg(path, bytes).format();
  if (const std::string other = other_format(bytes); !other.empty())
    fail(path, "an image in the format " + other, "PNG or JPEG", how_to_convert);
  fail_image(path, bytes.empty() ? "it is empty" : "its first bytes are of neither kind");
}

DecodedImage decode_image(const std::string& path, const std::vector<uint8_t>& bytes, bool colour) {
  if (is_png(bytes)) return Png(path, bytes).decode(colour);
  return Jpeg(path, bytes).decode(colour);
}

}  // namespace minima::datasets::detail
