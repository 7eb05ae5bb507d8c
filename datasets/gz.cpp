// SPDX-License-Identifier: MIT
// inflate by zlib.
#include <zlib.h>

#include <algorithm>
#include <memory>

#include "core/error.h"
#include "datasets/files.h"

namespace minima::datasets::detail {

std::vector<uint8_t> inflate(const std::string& path, std::span<const uint8_t> packed, Packing packing, size_t limit) {
  constexpr size_t most_at_once = 1 << 30;  // zlib counts in 32 bits
  z_stream stream{};
  if (inflateInit2(&stream, packing == Packing::gz ? MAX_WBITS + 16 : -MAX_WBITS) != Z_OK)
    fail(path, "no memory", "enough to unpack it");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, inflateEnd);
  std::vector<uint8_t> out(std::min(limit, 2 * packed.size()) + 1);
  size_t size = 0;
  while (true) {
    stream.next_in = const_cast<uint8_t*>(packed.data()), stream.next_out = out.data() + size;
    stream.avail_in = static_cast<unsigned>(std::min(packed.size(), most_at_once));
    stream.avail_out = static_cast<unsigned>(std::min(out.size() - size, most_at_once));
    const int result = ::inflate(&stream, Z_NO_FLUSH);
    packed = packed.subspan(static_cast<size_t>(stream.next_in - packed.data()));
    size = static_cast<size_t>(stream.next_out - out.data());
    if (size > limit) fail(path, text("more than ", limit, " bytes of content"), "at most that many");
    if (result == Z_STREAM_END) {
      if (packing != Packing::gz || !is_gz(packed)) break;
      inflateReset(&stream);  // one member after the other
    } else if ((result != Z_OK && result != Z_BUF_ERROR) || (packed.empty() && size < out.size())) {
      fail(text(path, ", after ", size, " bytes of content"),
           text('"', stream.msg ? stream.msg : "unexpected end of file", '"'),
           packing == Packing::gz ? "a whole gz file" : "a whole zip archive",
           "It is truncated or damaged; get it again.");
    }
    if (size == out.size()) out.resize(std::min(out.size() * 2, limit + 1));
  }
  out.resize(size);
  out.shrink_to_fit();
  return out;
}

}  // namespace minima::datasets::detail
