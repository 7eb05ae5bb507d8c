// SPDX-License-Identifier: MIT
#include "core/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
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

/// A file of a name that no other has: two runs may write to the same place at once. Sets `part` to the name.
int open_beside(const std::string& path, std::string& part) {
  static std::atomic<int64_t> made{0};
  while (true) {
    part = text(path, ".", ::getpid(), "-", ++made, ".part");
    const int opened = ::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (opened >= 0 || errno != EEXIST) return opened;
  }
}

/// Writes and flushes a new file beside `path`; errno tells what went wrong when the answer is false.
bool write_beside(const std::string& path, std::string& part, const char* bytes, size_t size) {
  const File file(open_beside(path, part));
  if (file.descriptor < 0) return false;
  struct stat old;
  if (::stat(path.c_str(), &old) == 0 && ::fchmod(file.descriptor, old.st_mode & 0777) != 0) return false;
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

std::string core::file_to_write(const std::string& path, const std::string& asked_by) {
  namespace fs = std::filesystem;
  const std::string where = asked_by.empty() ? path : asked_by + " " + path;
  fs::path target = path;
  std::error_code problem;
  for (int links = 0; fs::is_symlink(target, problem) && !problem; ++links) {
    if (links == 40) fail(where, "symbolic links that lead in a circle", "a file");
    target = target.parent_path() / fs::read_symlink(target, problem);  // an absolute one replaces the folder
  }
  struct stat status;
  if (::stat(target.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    fail(where, S_ISDIR(status.st_mode) ? "a directory" : "a device or pipe", "a regular file, or none yet",
         "Choose another name.");
  return target.string();
}

void write_file_atomically(const std::string& named, const char* bytes, size_t size) {
  const std::string path = core::file_to_write(named);
  std::string part;
  if (!write_beside(path, part, bytes, size) || std::rename(part.c_str(), path.c_str()) != 0) {
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
