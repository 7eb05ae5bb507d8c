#include "examples/course/build.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/error.h"
#include "examples/course/process.h"

namespace minima::examples::course {

namespace {

namespace fs = std::filesystem;

constexpr double compile_seconds = 300;

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

/// The first errors of a compiler; paths within the repository and the workspace without what comes before them.
std::string shortened(std::string output, const std::string& folder) {
  for (const std::string& prefix : {folder + "/", std::string(MINIMA_ROOT) + "/"})
    for (size_t at = output.find(prefix); at != std::string::npos; at = output.find(prefix, at))
      output.erase(at, prefix.size());
  std::istringstream in(output);
  std::string out;
  int lines = 0;
  for (std::string line; std::getline(in, line) && lines < 30; ++lines) out += line + "\n";
  if (lines == 30) out += "...\n";
  return out;
}

/// How the build linked the program of checks: the folder, and the words of the command.
std::pair<std::string, std::vector<std::string>> link_command() {
  std::ifstream file(MINIMA_COURSE_LINK);
  std::string folder;
  std::vector<std::string> words;
  std::getline(file, folder);
  for (std::string word; std::getline(file, word);) words.push_back(word);
  if (words.empty())
    fail("course", "no " MINIMA_COURSE_LINK, "the link command of the checks, which the build writes",
         "Build the course anew.");
  return {folder, words};
}

}  // namespace

Build build(const std::vector<Assignment::Unit>& units, const std::string& folder, const std::string& program) {
  const std::string home = fs::absolute(folder).string();
  fs::create_directories(fs::path(program).parent_path());
  std::vector<std::string> objects;
  for (const auto& [path, of_student] : units) {
    const std::string source = (of_student ? home : std::string(MINIMA_ROOT)) + "/" + path;
    objects.push_back(fs::absolute(program).string() + "." + std::to_string(objects.size()) + ".o");
    std::vector<std::string> words{MINIMA_COURSE_COMPILER};
    for (const std::string& flag : words_of(MINIMA_COURSE_FLAGS)) words.push_back(flag);
    words.insert(words.end(), {"-I", home, "-I", MINIMA_ROOT, "-c", source, "-o", objects.back()});
    const Outcome compiled = run_program(home, words, compile_seconds);
    if (compiled.status != 0)
      return {"", "it does not compile:\n" +
                      (compiled.late ? "the compiler took too long\n" : shortened(compiled.output, home))};
  }
  auto [link_folder, words] = link_command();
  const auto out = std::find(words.begin(), words.end(), "-o");
  if (out == words.end() || out + 1 == words.end()) fail("course", "a link command without -o", "one with it");
  *(out + 1) = fs::absolute(program).string();
  words.insert(out, objects.begin(), objects.end());
  const Outcome linked = run_program(link_folder, words, compile_seconds);
  if (linked.status != 0)
    return {"", "it compiles, but does not link (was a function taken out, or renamed?):\n" +
                    shortened(linked.output, home)};
  return {fs::absolute(program).string(), ""};
}

Build build(const Assignment& assignment, const std::string& folder, const std::string& program) {
  for (const GapFile& file : assignment.files)
    if (!fs::is_regular_file(folder + "/" + file.path))
      return {"", "the file " + file.path + " is missing in " + assignment.folder +
                      "; another  course start DIR  makes it anew\n"};
  return build(assignment.units(), folder, program);
}

}  // namespace minima::examples::course
