// SPDX-License-Identifier: MIT
// UTF-8, in which names and notes are kept. Not here: other encodings of whole files (datasets/csv.h).
#pragma once

#include <string>
#include <string_view>

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::core {

/// The bytes of the UTF-8 character that the text begins with; 0 where there is none (RFC 3629: no overlong form, no
/// surrogate).
size_t utf8_character(std::string_view text);
bool is_utf8(std::string_view text);
/// The text, with "\xff" and the like for each byte that is not part of UTF-8: a file's name may be any bytes.
std::string as_utf8(std::string_view text);

}  // namespace minima::core
#pragma GCC visibility pop
