#include "examples/kit/metrics.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "core/error.h"
#include "core/file.h"
#include "examples/kit/program.h"

namespace minima::examples {

namespace {

std::string csv_quoted(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

template <class Part>
std::string csv(const Row& row, const Part& part) {
  std::string line;
  for (const auto& field : row) line += (line.empty() ? "" : ",") + csv_quoted(part(field));
  return line;
}

std::string value_text(const Value& value) {
  if (const auto* whole = std::get_if<int64_t>(&value)) return std::to_string(*whole);
  if (const auto* real = std::get_if<double>(&value)) return number_text(*real);
  return std::get<std::string>(value);
}

/// Why no file can be made whose name begins so, or an empty text; leaves none behind.
std::string cannot_be_made(const std::string& beginning) {
  const std::string path = text(beginning, ".", getpid(), "-0.part");
  if (!std::ofstream(path)) return std::strerror(errno);
  std::error_code problem;
  std::filesystem::remove(path, problem);
  return "";
}

/// Whether write_file_atomically gave a file this name: "report.html.1234-0.part".
bool is_part(const std::string& name) {
  static const std::regex pattern("..*\\.[0-9]+-[0-9]+\\.part");
  return std::regex_match(name, pattern);
}

/// Whether both are one file, links followed.
bool same_file(const std::string& a, const std::string& b) {
  std::error_code ignored;
  return std::filesystem::equivalent(a, b, ignored);
}

/// Keeps other processes out of a folder until this one ends, however it ends; removes what one that was killed in the
/// middle of a write has left.
void lock(const std::string& path) {
  static std::set<std::string> locked;
  const std::string folder = std::filesystem::canonical(path).string(), name = folder + "/.lock";
  if (!locked.insert(folder).second) return;
  const int file = open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0) fail("--out " + path, std::strerror(errno), "a file .lock in it that can be written");
  // A network's file system may know no locks: then there is none, and the files are whole all the same.
  if (flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    std::string holder;
    std::ifstream lines(name);
    std::getline(lines, holder);
    close(file);
    locked.erase(folder);
    fail("--out " + path, "a folder to which " + (holder.empty() ? "another run" : holder) + " writes",
         "one of its own for each run", "Wait until that has ended, or choose another --out FOLDER.");
  }
  const std::string words = text("process ", getpid(), " (", called_as("a program of minima"), ")\n");
  if (ftruncate(file, 0) != 0 || write(file, words.data(), words.size()) < 0)
    fail("--out " + path, std::strerror(errno), "a directory that can be written", "Is the disk full?");
  std::vector<std::filesystem::path> left;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (is_part(entry.path().filename().string())) left.push_back(entry.path());
  for (const auto& part : left) std::filesystem::remove(part);
}

}  // namespace

std::string number_text(double value) {
  if (std::isnan(value)) return "nan";
  char buffer[40];
  for (int digits : {6, 9, 15, 16, 17}) {
    std::snprintf(buffer, sizeof buffer, "%.*g", digits, value);
    if (std::strtod(buffer, nullptr) == value) break;
  }
  return buffer;
}

std::string csv_header(const Row& row) {
  return csv(row, [](const auto& field) { return field.first; });
}

std::string csv_line(const Row& row) {
  return csv(row, [](const auto& field) { return value_text(field.second); });
}

void make_output_directory(const std::string& path, const std::vector<std::string>& inputs) {
  if (path.empty()) fail("--out", "no name", "a directory");
  for (const std::string& input : inputs)
    for (const char* table : {"metrics.csv", "trials.csv"})
      if (same_file(path + "/" + table, input))
        fail("--out " + path, "a directory in which results would replace " + input + ", which is read",
             "another directory");
  std::error_code problem;
  std::filesystem::create_directories(path, problem);
  const std::string reason = problem ? problem.message() : cannot_be_made(path + "/.writable");
  if (!reason.empty()) fail("--out " + path, reason, "a directory that can be written", "Choose another --out DIR.");
  lock(path);
}

void check_writable(const std::string& option, const std::string& path, const std::vector<std::string>& inputs) {
  if (path.empty()) fail(option, "no name", "a file to write");
  for (const std::string& input : inputs)
    if (same_file(path, input)) fail(option + " " + path, "a file that is read as well", "another file");
  if (const std::string reason = cannot_be_made(core::file_to_write(path, option)); !reason.empty())
    fail(option + " " + path, reason, "a file that can be written", "Choose another " + option + ".");
}

void write_text(const std::string& path, const std::string& contents) {
  const InterruptsWait until_written;
  write_file_atomically(path, contents.data(), contents.size());
}

}  // namespace minima::examples
