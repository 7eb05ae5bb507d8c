// SPDX-License-Identifier: MIT
#include "core/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "core/error.h"

namespace minima {
namespace {
/// A file descriptor that closes itself.
struct File {
  int descriptor;
  explicit File(int opened) : descriptor(opened) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor >= 0) ::close(descriptor);
  }
};

/// Writes and flushes a new file; errno tells what went wrong when the answer is false.
bool write_new_file(const std::string& path, const char* bytes, size_t size) {
  const File file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file.descriptor < 0) return false;
  while (size > 0) {
    const ssize_t count = ::write(file.descriptor, bytes, size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes += count;
    size -= static_cast<size_t>(count);
  }
  return ::fsync(file.descriptor) == 0;
}
}  // namespace

std::vector<uint8_t> core::read_file(const std::string& path, size_t limit) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) fail(path, std::strerror(errno), "a readable file");
  if (!S_ISREG(status.st_mode)) fail(path, S_ISDIR(status.st_mode) ? "a directory" : "a device or pipe", "a file");
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) fail(path, std::strerror(errno), "a readable file");

  // One byte more than expected, so that the end of the file is met without growing.
  std::vector<uint8_t> bytes(std::min(static_cast<size_t>(status.st_size), limit) + 1);
  size_t size = 0;
  while (size_t count = std::fread(bytes.data() + size, 1, bytes.size() - size, file.get())) {
    size += count;
    if (size > limit) fail(path, text("more than ", limit, " bytes of content"), "a smaller file");
    if (size == bytes.size()) bytes.resize(std::min(bytes.size() * 2, limit + 1));
  }
  if (std::ferror(file.get())) fail(text(path, ", after ", size, " bytes"), std::strerror(errno), "a readable file");
  bytes.resize(size);
  return bytes;
}

bool core::is_utf8(std::string_view text) {
  for (size_t at = 0, size = 0; at < text.size(); at += size) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
    const unsigned char first = byte(0);
    size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if ((first >= 0x80 && first < 0xc2) || first > 0xf4 || at + size > text.size()) return false;
    for (size_t i = 1; i < size; ++i)
      if (byte(i) < 0x80 || byte(i) > 0xbf) return false;
    if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f)) return false;
    if ((first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f)) return false;
  }
  return true;
}

void write_file_atomically(const std::string& path, const char* bytes, size_t size) {
  const std::string part = path + ".part";
  if (!write_new_file(part, bytes, size) || std::rename(part.c_str(), path.c_str()) != 0) {
    const int reason = errno;
    ::unlink(part.c_str());
    fail(path, text("\"", std::strerror(reason), "\" while writing ", size, " bytes"), "a place that can be written",
         "Nothing was left there; an earlier file of that name is unchanged.");
  }
  // The rename itself must survive a power cut. A file system that cannot flush a folder has written the file all the
  // same.
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const File directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.descriptor >= 0) ::fsync(directory.descriptor);
}

}  // namespace minima
