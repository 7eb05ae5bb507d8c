// SPDX-License-Identifier: MIT
// Reading data files: whole, gz or not, and finding them in the places where data usually lie.
// Not here: what the bytes mean (idx.h, csv.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace minima::datasets::detail {

/// A file's bytes, decompressed if it is gz. A file that is damaged, or larger than `limit` bytes, is an error.
std::vector<uint8_t> read_file(const std::string& path, size_t limit);

/// The content of a gz file (gz.cpp). In a build without zlib this is an error (gz_off.cpp).
std::vector<uint8_t> read_gz(const std::string& path, size_t limit);

/// What was deflated without a header, as zip archives hold it, to `size` bytes; an error without zlib, and if it does not
/// fit.
std::vector<uint8_t> inflate_raw(const std::string& path, const std::vector<uint8_t>& packed, size_t size);

/// The first folder that holds all these files (each as it is or with .gz, and under the names that archivers leave),
/// as paths in the order asked for. With `directory` empty the usual places are searched; in every place its `folders`
/// first, then the place itself. When no folder has them all, the error lists every folder searched and ends with
/// `hint`.
std::vector<std::string> find_files(const std::string& what, const std::string& directory,
                                    const std::vector<std::string>& folders, const std::vector<std::string>& files,
                                    const std::string& hint);

}  // namespace minima::datasets::detail
