// SPDX-License-Identifier: MIT
// Reading safetensors files in a build without nlohmann-json: an error that says so.
#include "core/safetensors.h"

namespace minima {

bool can_load_safetensors() { return false; }

Archive parse_safetensors(const char*, size_t, const std::string& name) {
  fail(name, "a safetensors file, but this build cannot read safetensors: it was made without nlohmann-json",
       "a build with nlohmann-json", "Install nlohmann-json3-dev and configure again.");
}

Archive load_safetensors(const std::string& path) { return parse_safetensors(nullptr, 0, path); }

}  // namespace minima
