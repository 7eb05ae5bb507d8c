#include "datasets/files.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "core/error.h"
#include "core/file.h"

namespace minima::datasets::detail {
namespace {
bool is_file(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

/// Where a file may be within its folder: archives are unpacked in several ways (7-Zip writes train-images.idx3-ubyte,
/// Kaggle a folder of the file's name), and the file may be packed.
std::string find_in(const std::string& folder, const std::string& file) {
  std::string dotted = file;
  if (const size_t dash = file.find("-idx"); dash != file.npos) dotted[dash] = '.';
  for (const std::string& name : {file, dotted, file + "/" + file, dotted + "/" + dotted})
    for (const char* ending : {"", ".gz"})
      if (const std::string path = folder + "/" + name + ending; is_file(path)) return path;
  return "";
}

std::vector<std::string> usual_places() {
  std::vector<std::string> places;
  const auto add = [&](const char* variable, const std::string& below) {
    const char* value = std::getenv(variable);
    if (value == nullptr || *value == '\0') return false;
    places.push_back(value + below);
    return true;
  };
  add("MINIMA_DATA", "");
  places.push_back("data");
  if (!add("XDG_DATA_HOME", "/minima")) add("HOME", "/.local/share/minima");
  places.push_back("/usr/share/datasets");
  return places;
}
}  // namespace

std::vector<uint8_t> read_file(const std::string& path, size_t limit) {
  std::vector<uint8_t> bytes = core::read_file(path, limit);
  const bool gz = bytes.size() >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
  return gz ? read_gz(path, limit) : bytes;
}

std::vector<std::string> find_files(const std::string& what, const std::string& directory,
                                    const std::vector<std::string>& folders, const std::vector<std::string>& files,
                                    const std::string& hint) {
  std::string searched;
  for (const std::string& place : directory.empty() ? usual_places() : std::vector<std::string>{directory}) {
    std::vector<std::string> candidates{place};
    for (const std::string& folder : folders) candidates.insert(candidates.end() - 1, place + "/" + folder);
    for (const std::string& candidate : candidates) {
      std::vector<std::string> found;
      std::string missing;
      for (const std::string& file : files) {
        if (const std::string path = find_in(candidate, file); !path.empty())
          found.push_back(path);
        else
          missing += (missing.empty() ? "" : ", ") + file;
      }
      if (found.size() == files.size()) return found;
      searched += "\n  " + candidate + (found.empty() ? "" : " (lacks " + missing + ")");
    }
  }
  fail(what, "no folder with all its files",
       text(joined(files), ", each as it is or with .gz, in one of:", searched, "\n"), hint);
}

// ---- SHA-256

namespace {
uint32_t rotate(uint32_t x, int right) { return x >> right | x << (32 - right); }

/// The first 32 bits of the fractional part of a prime's root: the algorithm's constants are defined that way.
struct Constants {
  uint32_t initial[8], round[64];

  Constants() {
    int count = 0;
    for (uint32_t candidate = 2; count < 64; ++candidate) {
      bool prime = true;
      for (uint32_t divisor = 2; divisor * divisor <= candidate; ++divisor) prime &= candidate % divisor != 0;
      if (!prime) continue;
      if (count < 8) initial[count] = fraction(std::sqrt(static_cast<long double>(candidate)));
      round[count++] = fraction(std::cbrt(static_cast<long double>(candidate)));
    }
  }
  static uint32_t fraction(long double x) { return static_cast<uint32_t>((x - std::floor(x)) * 4294967296.0L); }
};

void absorb(const Constants& constants, const uint8_t* block, uint32_t* state) {
  uint32_t w[64], s[8];
  for (int i = 0; i < 16; ++i) {
    w[i] = uint32_t{block[4 * i]} << 24 | uint32_t{block[4 * i + 1]} << 16 | uint32_t{block[4 * i + 2]} << 8 |
           block[4 * i + 3];
  }
  for (int i = 16; i < 64; ++i) {
    const uint32_t a = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
    const uint32_t b = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + a + w[i - 7] + b;
  }
  std::copy(state, state + 8, s);
  for (int i = 0; i < 64; ++i) {
    const uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
    const uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
    const uint32_t first =
        s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) + choice + constants.round[i] + w[i];
    const uint32_t second = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) + majority;
    std::copy_backward(s, s + 7, s + 8);
    s[4] += first;
    s[0] = first + second;
  }
  for (int i = 0; i < 8; ++i) state[i] += s[i];
}
}  // namespace

std::string sha256(const uint8_t* bytes, size_t size) {
  static const Constants constants;
  uint32_t state[8];
  std::copy(constants.initial, constants.initial + 8, state);
  const size_t whole = size / 64;
  for (size_t i = 0; i < whole; ++i) absorb(constants, bytes + 64 * i, state);

  // The end: a one bit, zeros, and the length in bits.
  uint8_t tail[128] = {};
  const size_t rest = size - 64 * whole, tail_size = rest < 56 ? 64 : 128;
  std::copy(bytes + 64 * whole, bytes + size, tail);
  tail[rest] = 0x80;
  for (size_t i = 0; i < 8; ++i) tail[tail_size - 1 - i] = static_cast<uint8_t>(uint64_t{size} * 8 >> (8 * i));
  for (size_t i = 0; i < tail_size; i += 64) absorb(constants, tail + i, state);

  std::string out;
  for (const uint32_t word : state)
    for (int shift = 28; shift >= 0; shift -= 4) out += "0123456789abcdef"[word >> shift & 15];
  return out;
}

}  // namespace minima::datasets::detail
