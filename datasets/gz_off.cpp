// SPDX-License-Identifier: MIT
// read_gz in a build without zlib: an error that says so.
#include "core/error.h"
#include "datasets/files.h"

namespace minima::datasets::detail {

std::vector<uint8_t> read_gz(const std::string& path, size_t) {
  fail(path, "a gz file, but this build has no zlib", "a file that is not compressed",
       "Unpack it with gunzip; or install zlib (Debian: zlib1g-dev), then configure and build again.");
}

std::vector<uint8_t> inflate_raw(const std::string& path, const std::vector<uint8_t>&, size_t) {
  fail(path, "packed arrays, but this build has no zlib", "arrays that are not packed",
       "Save them with numpy.savez; or install zlib (Debian: zlib1g-dev), then configure and build again.");
}

}  // namespace minima::datasets::detail
