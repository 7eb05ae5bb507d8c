// SPDX-License-Identifier: MIT
// Errors: one exception type and one way to phrase a message.
// Every message names the place (an op or a file), what was got, what was expected, and what to do about it.
// Not here: assertions on internal logic; a user's mistake is never an abort.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace minima {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Joins its arguments as text: text("got ", 3, " rows") == "got 3 rows".
template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

/// The parts as text with separators between: joined(names) == "lr, momentum, rho".
template <class Parts>
std::string joined(const Parts& parts, const char* separator = ", ") {
  std::ostringstream out;
  const char* before = "";
  for (const auto& part : parts) out << std::exchange(before, separator) << part;
  return out.str();
}

/// Throws Error("[where] got ..., expected .... hint").
[[noreturn]] inline void fail(const std::string& where, const std::string& got, const std::string& expected,
                              const std::string& hint = "") {
  throw Error("[" + where + "] got " + got + ", expected " + expected + "." + (hint.empty() ? "" : " " + hint));
}

}  // namespace minima
