#include "examples/kit/metrics.h"

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/safetensors.h"

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

/// Why this file cannot be made, or an empty text; leaves none behind.
std::string cannot_be_made(const std::string& path) {
  if (!std::ofstream(path)) return std::strerror(errno);
  std::error_code problem;
  std::filesystem::remove(path, problem);
  return "";
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

void make_output_directory(const std::string& path) {
  std::error_code problem;
  std::filesystem::create_directories(path, problem);
  const std::string reason = problem ? problem.message() : cannot_be_made(path + "/.writable.part");
  if (!reason.empty()) fail("--out " + path, reason, "a directory that can be written", "Choose another --out DIR.");
}

void check_writable(const std::string& option, const std::string& path) {
  std::error_code problem;
  if (std::filesystem::is_directory(path, problem)) fail(option + " " + path, "a directory", "a file to write");
  if (const std::string reason = cannot_be_made(path + ".writable.part"); !reason.empty())
    fail(option + " " + path, reason, "a file that can be written", "Choose another " + option + ".");
}

void write_text(const std::string& path, const std::string& contents) {
  write_file_atomically(path, contents.data(), contents.size());
}

}  // namespace minima::examples
