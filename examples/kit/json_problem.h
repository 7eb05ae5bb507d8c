// What is wrong with a JSON file, in words for a user. Not here: reading and writing JSON (json.h).
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "core/error.h"

namespace minima::examples {

inline std::string json_problem(const nlohmann::json::exception& thrown) {
  if (const auto* parsing = dynamic_cast<const nlohmann::json::parse_error*>(&thrown))
    return text("what is no JSON from byte ", parsing->byte, " on");
  return "JSON with an entry that is missing or of another kind";
}

}  // namespace minima::examples
