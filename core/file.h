// SPDX-License-Identifier: MIT
// Whole files: read without trust, written so that a reader never sees half of one. Not here: what the bytes mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#pragma GCC visibility push(default)

namespace minima {

/// Writes a whole file beside `path`, flushes it to disk and renames it; on any error nothing is left behind.
void write_file_atomically(const std::string& path, const char* bytes, size_t size);

namespace core {

/// The bytes of a regular file; one of more than `limit` bytes is an error.
std::vector<uint8_t> read_file(const std::string& path, size_t limit);

}  // namespace core
}  // namespace minima

#pragma GCC visibility pop
