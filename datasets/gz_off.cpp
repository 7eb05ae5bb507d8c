// SPDX-License-Identifier: MIT
// inflate in a build without zlib: an error that says so.
#include "core/error.h"
#include "datasets/files.h"

namespace minima::datasets::detail {

std::vector<uint8_t> inflate(const std::string& path, std::span<const uint8_t>, Packing packing, size_t) {
  fail(path, text(packing == Packing::gz ? "a gz file" : "packed arrays", ", but this build has no zlib"),
       "what is not compressed",
       "Unpack it with gunzip, or save arrays with numpy.savez; or install zlib (Debian: zlib1g-dev), then configure "
       "and "
       "build again.");
}

}  // namespace minima::datasets::detail
