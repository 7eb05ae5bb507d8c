// Files as the loaders meet them: IDX in the exact layout, and systematic damage.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/random.h"
#include "tests/check.h"
#include "tests/temporary_folder.h"

namespace minima::test {

/// An IDX file of unsigned bytes with these extents.
inline std::string idx(const std::vector<uint32_t>& extents, const std::string& elements) {
  std::string out{'\0', '\0', '\x08', static_cast<char>(extents.size())};
  for (const uint32_t extent : extents) {
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(extent >> shift & 255);
  }
  return out + elements;
}

/// Calls parse with the file cut at every length, then with `rounds` seeded variants in which up to four bytes are
/// changed, removed or doubled. Anything but success or an Error ends the test; returns how many were accepted.
inline int accepted_damage(const std::string& valid, int rounds, const std::string& likely,
                           const std::function<void(const std::string&)>& parse) {
  int accepted = 0;
  const auto attempt = [&](const std::string& bytes) {
    try {
      parse(bytes);
      ++accepted;
    } catch (const Error&) {}
  };
  for (size_t size = 0; size < valid.size(); ++size) attempt(valid.substr(0, size));
  Generator random{.seed = 11};
  for (int round = 0; round < rounds; ++round) {
    std::string bytes = valid;
    for (uint64_t changes = 1 + random.below(4); changes > 0 && !bytes.empty(); --changes) {
      const size_t at = random.below(bytes.size());
      switch (random.below(4)) {
        case 0: bytes.erase(at, 1 + random.below(3)); break;
        case 1: bytes.insert(at, bytes.substr(at, 1 + random.below(9))); break;
        case 2: bytes[at] = static_cast<char>(random.below(256)); break;
        default: bytes[at] = likely[random.below(likely.size())];
      }
    }
    attempt(bytes);
  }
  return accepted;
}

}  // namespace minima::test
