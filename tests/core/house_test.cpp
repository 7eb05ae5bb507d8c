// The rules of the house that a compiler does not check.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>

#include "tests/check.h"

namespace fs = std::filesystem;

namespace {

using Folders = std::set<std::string>;

/// What each folder may include.
const std::map<std::string, Folders> sees = {
    {"core", {"core"}},
    {"autograd", {"core", "autograd"}},
    {"nn", {"core", "autograd", "nn"}},
    {"optim", {"core", "autograd", "optim"}},
    {"datasets", {"core", "datasets"}},
};

const std::string licence = "// SPDX-License-Identifier: MIT";

std::vector<std::string> lines_of(const fs::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

/// Calls f(path, lines) for the sources of a folder whose names end in one of the extensions.
template <class F>
void for_each_source(const std::string& folder, const Folders& extensions, F&& f) {
  const fs::path root = fs::path(MINIMA_SOURCE_DIR) / folder;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file() || !extensions.count(entry.path().extension().string())) continue;
    f(fs::relative(entry.path(), MINIMA_SOURCE_DIR).string(), lines_of(entry.path()));
  }
}

/// The name between the quotes or brackets of an #include line, with its opening mark; empty for other lines.
std::string included(const std::string& line) {
  if (line.rfind("#include", 0) != 0) return "";
  const size_t open = line.find_first_of("\"<"), close = line.find_first_of("\">", open + 1);
  return open == std::string::npos || close == std::string::npos ? "" : line.substr(open, close - open);
}

}  // namespace

TEST_CASE("includes point only downwards: core <- autograd <- {nn, optim}, core <- datasets") {
  int arrows = 0;
  for (const auto& [folder, allowed] : sees)
    for_each_source(folder, {".h", ".cpp", ".cu"}, [&](const std::string& path, const std::vector<std::string>& lines) {
      for (const std::string& line : lines) {
        const std::string name = included(line);
        if (name.empty() || name[0] != '"') continue;
        const std::string target = name.substr(1, name.find('/') - 1);
        ++arrows;
        CHECK_MESSAGE(allowed.count(target), path << " includes " << name.substr(1));
        CHECK_MESSAGE(fs::exists(fs::path(MINIMA_SOURCE_DIR) / name.substr(1)),
                      path << " includes " << name.substr(1) << ", which does not exist");
      }
    });
  CHECK(arrows > 50);
}

TEST_CASE("every header opens with a comment that says what it is, and is included once") {
  for (const std::string folder : {"core", "autograd", "nn", "optim", "datasets", "examples", "tests"})
    for_each_source(folder, {".h"}, [](const std::string& path, const std::vector<std::string>& lines) {
      REQUIRE_MESSAGE(!lines.empty(), path << " is empty");
      const size_t licensed = lines[0] == licence;
      REQUIRE_MESSAGE(lines.size() > licensed, path << " is empty");
      CHECK_MESSAGE(lines[licensed].rfind("// ", 0) == 0, path << " opens without a comment");
      bool once = false;
      for (const std::string& line : lines) once = once || line == "#pragma once";
      CHECK_MESSAGE(once, path << " has no #pragma once");
    });
}

TEST_CASE("every source of the library names its licence in the first line") {
  int sources = 0;
  const auto check = [&](const std::string& path, const std::vector<std::string>& lines) {
    ++sources;
    CHECK_MESSAGE((!lines.empty() && lines[0] == licence), path << " does not open with " << licence);
  };
  for (const char* header : {"minima.h", "testing.h"}) check(header, lines_of(fs::path(MINIMA_SOURCE_DIR) / header));
  for (const auto& [folder, allowed] : sees) for_each_source(folder, {".h", ".cpp", ".cu", ".cuh"}, check);
  CHECK(sources > 150);
}

TEST_CASE("what minima.h and testing.h include is public, and nothing else: it is what a shared library exports") {
  Folders reached;
  std::vector<std::string> to_read{"minima.h", "testing.h"};
  while (!to_read.empty()) {
    const std::string path = to_read.back();
    to_read.pop_back();
    if (!reached.insert(path).second) continue;
    for (const std::string& line : lines_of(fs::path(MINIMA_SOURCE_DIR) / path))
      if (const std::string name = included(line); !name.empty() && name[0] == '"') to_read.push_back(name.substr(1));
  }
  CHECK(reached.size() > 50);
  for (const auto& [folder, allowed] : sees)
    for_each_source(folder, {".h", ".cuh"}, [&](const std::string& path, const std::vector<std::string>& lines) {
      const auto count = [&](const std::string& start) {
        return std::count_if(lines.begin(), lines.end(), [&](const auto& line) { return line.rfind(start, 0) == 0; });
      };
      const bool hidden = !reached.count(path) && count("namespace ");
      CHECK_MESSAGE(count("#pragma GCC visibility push(hidden)") == hidden,
                    path << (hidden ? " is not public: put what it declares" : " is public: do not put it")
                         << " between #pragma GCC visibility push(hidden) and pop");
      CHECK_MESSAGE(count("#pragma GCC visibility pop") == hidden, path);
    });
}

TEST_CASE("the library keeps to the parts of C++20 that every supported compiler has") {
  const Folders avoided = {"<ranges", "<format", "<source_location", "<memory_resource", "<stop_token", "<syncstream"};
  for (const auto& [folder, allowed] : sees)
    for_each_source(folder, {".h", ".cpp"}, [&](const std::string& path, const std::vector<std::string>& lines) {
      for (const std::string& line : lines) CHECK_MESSAGE(!avoided.count(included(line)), path << ": " << line);
    });
}

TEST_CASE("no test has a name that ctest cuts into pieces") {
  int names = 0;
  for_each_source("tests", {".cpp"}, [&](const std::string& path, const std::vector<std::string>& lines) {
    for (const std::string& line : lines) {
      const std::string opening = "TEST_CASE(\"";
      if (line.rfind(opening, 0) != 0) continue;
      ++names;
      const std::string name = line.substr(opening.size(), line.rfind('"') - opening.size());
      CHECK_MESSAGE(name.find_first_of("[];\\") == std::string::npos, path << ": " << line);
    }
  });
  CHECK(names > 100);
}

TEST_CASE("the program in README.md is examples/quickstart.cpp") {
  const auto contents = [](const char* name) {
    std::ifstream file(fs::path(MINIMA_SOURCE_DIR) / name);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string source = contents("examples/quickstart.cpp");
  const size_t begin = source.find("#include");
  REQUIRE(begin != std::string::npos);
  CHECK(minima::test::contains(contents("README.md"), "```cpp\n" + source.substr(begin) + "```"));
}
