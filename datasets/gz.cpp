// read_gz by zlib.
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "core/error.h"
#include "datasets/files.h"

namespace minima::datasets::detail {
namespace {

/// How many bytes a gz file may hold once unpacked, as its end says. Only a guess to save growing; deflate cannot do
/// better than 1032 to 1, which bounds what a damaged file can claim.
size_t guess_size(const std::string& path) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  unsigned char end[4] = {};
  if (!file || std::fseek(file.get(), -4, SEEK_END) != 0 || std::fread(end, 1, 4, file.get()) != 4) return 0;
  const size_t claimed = size_t{end[0]} | size_t{end[1]} << 8 | size_t{end[2]} << 16 | size_t{end[3]} << 24;
  return std::min(claimed, static_cast<size_t>(std::ftell(file.get())) * 1032);
}

}  // namespace

std::vector<uint8_t> read_gz(const std::string& path, size_t limit) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file) fail(path, errno ? std::strerror(errno) : "no memory", "a readable file");
  gzbuffer(file.get(), 1 << 18);

  // One byte more than expected, so that the end of the file is met without growing.
  std::vector<uint8_t> bytes(std::min(guess_size(path), limit) + 1);
  size_t size = 0;
  while (true) {
    const size_t wanted = std::min<size_t>(bytes.size() - size, 1 << 30);
    const int count = gzread(file.get(), bytes.data() + size, static_cast<unsigned>(wanted));
    int problem = Z_OK;
    const char* reason = gzerror(file.get(), &problem);
    if (count > 0) size += static_cast<size_t>(count);
    if (count < 0 || (problem != Z_OK && problem != Z_STREAM_END)) {
      fail(text(path, ", after ", size, " bytes of content"),
           problem == Z_ERRNO ? std::strerror(errno) : text("\"", reason, "\""), "a whole gz file",
           "It is truncated or damaged; get it again.");
    }
    if (size > limit) fail(path, text("more than ", limit, " bytes of content"), "a smaller file");
    if (size < bytes.size()) break;
    bytes.resize(std::min(bytes.size() * 2, limit + 1));
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace minima::datasets::detail
