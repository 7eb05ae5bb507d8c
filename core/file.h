// SPDX-License-Identifier: MIT
// Whole files: read without trust, written so that a reader never sees half of one. Not here: what the bytes mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace minima {

/// Writes a whole file beside the one that `path` leads to, under a name that no other process uses, flushes it to disk
/// and renames it. The new file has the mode of the old one. On any error nothing is left behind; a process that is
/// killed meanwhile leaves the old file, and perhaps one named PATH.PROCESS-NUMBER.part.
void write_file_atomically(const std::string& path, const char* bytes, size_t size);

namespace core {

/// The file that is changed by writing to `path`: where its symbolic links lead. What is there and is no regular file
/// (a folder, a device, a pipe) is an error. `asked_by`, an option, is for the message.
std::string file_to_write(const std::string& path, const std::string& asked_by = "");

/// The bytes of a regular file; one of more than `limit` bytes is an error.
std::vector<uint8_t> read_file(const std::string& path, size_t limit);

}  // namespace core
}  // namespace minima
