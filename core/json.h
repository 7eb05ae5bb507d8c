// Json: JSON text as a tree of values, read without trust. The header of a safetensors file is written in it.
// Not here: numbers as numbers (the reader of a value decides what it accepts), files.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace minima::detail {

struct Json {
  enum Kind { null, boolean, number, string, array, object };

  Kind kind = null;
  std::string text;  ///< a string's contents; for every other kind the value as it stands in the file
  std::vector<std::pair<std::string, Json>> members;  ///< of an object; of an array, with empty names

  /// The member of that name, or nullptr.
  const Json* find(const std::string& name) const;
  /// "null", "boolean", "number", "string", "array" or "object".
  const char* type_name() const;
};

/// What is wrong with a text, and where: `offset` bytes after its beginning.
struct JsonError : std::runtime_error {
  size_t offset;
  JsonError(size_t offset, const std::string& problem) : std::runtime_error(problem), offset(offset) {}
};

/// Reads one value, which must fill the text up to blanks. JsonError: text that is not JSON or not UTF-8, an object
/// with the same name twice, and arrays and objects nested more than `depth` deep.
Json parse_json(const char* bytes, size_t size, int depth);

/// A string as JSON, with its quotes. JsonError where it is not UTF-8.
std::string quoted_json(const std::string& text);

}  // namespace minima::detail
