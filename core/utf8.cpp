// SPDX-License-Identifier: MIT
#include "core/utf8.h"

namespace minima::core {

size_t utf8_character(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (text.empty()) return 0;
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const size_t size = first >= 0xc2 && first <= 0xdf ? 2 : first >= 0xe0 && first <= 0xef ? 3 : 4;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
  for (size_t i = 1; i < size; ++i)
    if (byte(i) < 0x80 || byte(i) > 0xbf) return 0;
  if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f)) return 0;
  if ((first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f)) return 0;
  return size;
}

bool is_utf8(std::string_view text) {
  while (const size_t size = utf8_character(text)) text.remove_prefix(size);
  return text.empty();
}

std::string as_utf8(std::string_view text) {
  static const char digits[] = "0123456789abcdef";
  std::string out;
  while (!text.empty()) {
    const size_t size = utf8_character(text);
    const auto byte = static_cast<unsigned char>(text[0]);
    out += size > 0 ? std::string(text.substr(0, size)) : std::string{'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    text.remove_prefix(size > 0 ? size : 1);
  }
  return out;
}

}  // namespace minima::core
