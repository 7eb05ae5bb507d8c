// read_gz in a build without zlib: an error that says so.
#include "core/error.h"
#include "datasets/files.h"

namespace minima::datasets::detail {

std::vector<uint8_t> read_gz(const std::string& path, size_t) {
  fail(path, "a gz file, but this build has no zlib", "a file that is not compressed",
       "Unpack it with gunzip; or install zlib (Debian: zlib1g-dev), then configure and build again.");
}

}  // namespace minima::datasets::detail
