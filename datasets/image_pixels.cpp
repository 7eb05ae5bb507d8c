// SPDX-License-Identifier: MIT
// What is done to pixels whatever file they came from; declared in image_file.h.
#include <algorithm>
#include <array>
#include <cmath>

#include "datasets/image_file.h"

namespace minima::datasets::detail {

std::vector<uint8_t> upright(std::vector<uint8_t> pixels, int width, int height, int channels, int orientation) {
  if (orientation < 2 || orientation > 8) return pixels;
  const bool swapped = orientation > 4;
  const int to_width = swapped ? height : width, to_height = swapped ? width : height;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  std::vector<uint8_t> out(pixels.size());
  uint8_t* to = out.data();
  for (int y = 0; y < to_height; ++y)
    for (int x = 0; x < to_width; ++x, to += channels) {
      const int from_x = swapped ? y : x, from_y = swapped ? x : y;
      const auto column = static_cast<size_t>(from_right ? width - 1 - from_x : from_x);
      const auto row = static_cast<size_t>(from_below ? height - 1 - from_y : from_y);
      std::copy_n(pixels.data() + (row * static_cast<size_t>(width) + column) * static_cast<size_t>(channels), channels,
                  to);
    }
  return out;
}

int exif_orientation(const std::vector<uint8_t>& jpeg) {
  const auto at = [&](size_t i) -> size_t { return i < jpeg.size() ? jpeg[i] : 0; };
  size_t marker = 2;
  while (at(marker) == 0xff && at(marker + 1) != 0xda) {  // up to the pixels
    const size_t tiff = marker + 10;                      // after marker, length, and "Exif\0\0"
    const bool exif = at(marker + 1) == 0xe1 && at(marker + 4) == 'E' && at(marker + 5) == 'x' &&
                      at(marker + 6) == 'i' && at(marker + 7) == 'f';
    if (exif) {
      const bool little = at(tiff) == 'I';
      const auto number = [&](size_t i, size_t bytes) {
        size_t value = 0;
        for (size_t k = 0; k < bytes; ++k) value = value << 8 | at(little ? i + bytes - 1 - k : i + k);
        return value;
      };
      const size_t table = tiff + number(tiff + 4, 4), entries = number(table, 2);
      for (size_t entry = table + 2; entry < table + 2 + 12 * entries && entry < jpeg.size(); entry += 12)
        if (number(entry, 2) == 0x0112) {
          const size_t value = number(entry + 8, 2);
          return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
        }
    }
    marker += 2 + (at(marker + 2) << 8 | at(marker + 3));
  }
  return 1;
}

namespace {
/// The weights with which `size` new samples, over [begin, begin + length), are made of `from` old ones.
struct Weights {
  std::vector<int> first;
  std::vector<std::vector<float>> of;

  Weights(int from, double begin, double length, int size) {
    const double step = length / size, reach = std::max(1.0, step);
    for (int i = 0; i < size; ++i) {
      const double centre = begin + (i + 0.5) * step - 0.5;
      const int low = std::max(0, static_cast<int>(std::ceil(centre - reach)));
      const int high = std::min(from - 1, static_cast<int>(std::floor(centre + reach)));
      std::vector<float> weights;
      float sum = 0;
      for (int k = low; k <= high; ++k) {
        weights.push_back(static_cast<float>(std::max(0.0, 1 - std::abs(k - centre) / reach)));
        sum += weights.back();
      }
      for (float& weight : weights) weight /= sum;
      first.push_back(low);
      of.push_back(std::move(weights));
    }
  }
};

/// The middle axis of in [outer, from, inner] in new samples: out [outer, size, inner].
template <class T>
std::vector<float> resampled(const std::vector<T>& in, size_t outer, size_t from, size_t inner,
                             const Weights& weights) {
  std::vector<float> out;
  out.reserve(outer * weights.of.size() * inner);
  for (size_t o = 0; o < outer; ++o)
    for (size_t i = 0; i < weights.of.size(); ++i)
      for (size_t k = 0; k < inner; ++k) {
        const T* old = in.data() + (o * from + static_cast<size_t>(weights.first[i])) * inner + k;
        float sum = 0;
        for (const float weight : weights.of[i]) sum += weight * *old, old += inner;
        out.push_back(sum);
      }
  return out;
}
}  // namespace

std::vector<uint8_t> centre_square(const std::vector<uint8_t>& pixels, int width, int height, int channels, int size) {
  const int side = std::min(width, height);
  if (side == size && width == height) return pixels;
  const auto from_width = static_cast<size_t>(width), from_height = static_cast<size_t>(height);
  const auto line = static_cast<size_t>(size) * static_cast<size_t>(channels);
  const std::vector<float> narrow = resampled(pixels, from_height, from_width, static_cast<size_t>(channels),
                                              Weights(width, (width - side) / 2.0, side, size));
  const std::vector<float> square =
      resampled(narrow, 1, from_height, line, Weights(height, (height - side) / 2.0, side, size));
  std::vector<uint8_t> out;
  for (const float value : square) out.push_back(static_cast<uint8_t>(std::clamp(value + 0.5f, 0.0f, 255.0f)));
  return out;
}

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

}  // namespace minima::datasets::detail
