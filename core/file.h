// SPDX-License-Identifier: MIT
// Whole files: read without trust, written so that a reader never sees half of one; and whether bytes are text.
// Not here: what else the bytes mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#pragma GCC visibility push(default)

namespace minima {

/// Writes a whole file beside `path`, flushes it to disk and renames it; on any error nothing is left behind.
void write_file_atomically(const std::string& path, const char* bytes, size_t size);

namespace core {

/// The bytes of a regular file; one of more than `limit` bytes is an error.
std::vector<uint8_t> read_file(const std::string& path, size_t limit);
/// Whether text is UTF-8 (RFC 3629: no overlong form, no surrogate).
bool is_utf8(std::string_view text);

}  // namespace core
}  // namespace minima

#pragma GCC visibility pop
