// Files as the loaders meet them: gz, IDX in the exact layout, and systematic damage.
#pragma once

#include <zlib.h>

#include <functional>
#include <string>
#include <vector>

#include "core/random.h"
#include "tests/check.h"
#include "tests/temporary_folder.h"

namespace minima::test {

/// The bytes as one gz file.
inline std::string gz(const std::string& bytes) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, static_cast<uLong>(bytes.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

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
