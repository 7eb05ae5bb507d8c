// SPDX-License-Identifier: MIT
#include "datasets/files.h"

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
  return is_gz(bytes) ? inflate(path, bytes, Packing::gz, limit) : bytes;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
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

}  // namespace minima::datasets::detail
