// SPDX-License-Identifier: MIT
// read_gz and inflate_raw by zlib.
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>

#include "core/error.h"
#include "datasets/files.h"

namespace minima::datasets::detail {

// How large the content is said to be, in the file's last four bytes: a hint that saves growing. A damaged file may say
// anything, hence at most what the best compression could have made of its size.
static size_t expected_size(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const auto size = static_cast<size_t>(std::max<std::streamoff>(0, file.tellg()));
  uint8_t last[4] = {};
  if (size > sizeof last) file.seekg(-4, std::ios::end).read(reinterpret_cast<char*>(last), sizeof last);
  const size_t said = last[0] | last[1] << 8 | last[2] << 16 | size_t{last[3]} << 24;
  return std::clamp<size_t>(said, 1 << 16, std::max<size_t>(1 << 16, size * 1032));
}

std::vector<uint8_t> read_gz(const std::string& path, size_t limit) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file) fail(path, errno ? std::strerror(errno) : "no memory", "a readable file");
  gzbuffer(file.get(), 1 << 18);

  std::vector<uint8_t> bytes(std::min(limit, expected_size(path)) + 1);
  size_t size = 0;
  while (true) {
    const size_t wanted = std::min<size_t>(bytes.size() - size, 1 << 30);
    const int count = gzread(file.get(), bytes.data() + size, static_cast<unsigned>(wanted));
    int problem = Z_OK;
    const char* reason = gzerror(file.get(), &problem);
    if (count > 0) size += static_cast<size_t>(count);
    if (count < 0 || (problem != Z_OK && problem != Z_STREAM_END))
      fail(text(path, ", after ", size, " bytes of content"),
           problem == Z_ERRNO ? std::strerror(errno) : text("\"", reason, "\""), "a whole gz file",
           "It is truncated or damaged; get it again.");
    if (size > limit) fail(path, text("more than ", limit, " bytes of content"), "a smaller file");
    if (size < bytes.size()) break;
    bytes.resize(std::min(bytes.size() * 2, limit + 1));
  }
  bytes.resize(size);
  bytes.shrink_to_fit();
  return bytes;
}

std::vector<uint8_t> inflate_raw(const std::string& path, const std::vector<uint8_t>& packed, size_t size) {
  // Deflate packs at most a thousand times; a file that says more is not believed before it is unpacked.
  if (size > 1100 * packed.size() + 1100) fail(path, text(size, " bytes from ", packed.size()), "a whole zip archive");
  std::vector<uint8_t> out(size + 1);
  z_stream stream{};
  if (inflateInit2(&stream, -15) != Z_OK) fail(path, "no memory", "enough to unpack it");
  stream.next_in = const_cast<uint8_t*>(packed.data()), stream.avail_in = static_cast<unsigned>(packed.size());
  stream.next_out = out.data(), stream.avail_out = static_cast<unsigned>(out.size());
  const int result = inflate(&stream, Z_FINISH);
  inflateEnd(&stream);
  if (result != Z_STREAM_END || stream.total_out != size)
    fail(path, text(stream.total_out, " unpacked bytes"), text(size, ", as the archive says"),
         "It is damaged; get it again.");
  out.resize(size);
  return out;
}

}  // namespace minima::datasets::detail
