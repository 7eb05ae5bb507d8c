// SPDX-License-Identifier: MIT
// Reading data files: whole, gz or not, and finding them in the places where data usually lie.
// Not here: what the bytes mean (idx.h, csv.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::datasets::detail {

/// A file's bytes, decompressed if it is gz. A file that is damaged, or larger than `limit` bytes, is an error.
std::vector<uint8_t> read_file(const std::string& path, size_t limit);

enum class Packing : uint8_t {
  gz,   ///< a whole gz file
  zip,  ///< deflated without a header, as zip archives hold it
};
/// What was packed (gz.cpp); more than `limit` bytes of it are an error. So is any in a build without zlib
/// (gz_off.cpp).
std::vector<uint8_t> inflate(const std::string& path, std::span<const uint8_t> packed, Packing packing, size_t limit);

/// Whether bytes begin as a gz file does.
inline bool is_gz(std::span<const uint8_t> bytes) { return bytes.size() >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b; }

/// The same text with ASCII letters in lower case.
std::string lower(std::string_view text);

/// The first folder that holds all these files (each as it is or with .gz, and under the names that archivers leave),
/// as paths in the order asked for. With `directory` empty the usual places are searched; in every place its `folders`
/// first, then the place itself. When no folder has them all, the error lists every folder searched and ends with
/// `hint`.
std::vector<std::string> find_files(const std::string& what, const std::string& directory,
                                    const std::vector<std::string>& folders, const std::vector<std::string>& files,
                                    const std::string& hint);

}  // namespace minima::datasets::detail
#pragma GCC visibility pop
