#include "examples/course/ledger.h"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/error.h"
#include "core/file.h"

namespace minima::examples::course {

namespace {

constexpr size_t most_bytes = size_t{16} << 20;

/// FNV-1a, 64 bits (Fowler, Noll and Vo).
std::string check_sum(const std::string& text) {
  uint64_t sum = 14695981039346656037ULL;
  for (const char c : text) sum = (sum ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(sum));
  return digits;
}

/// Tabs and line breaks as \t and \n: a field stays within its line.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '\t' ? "\\t" : c == '\n' ? "\\n" : c == '\\' ? "\\\\" : std::string(1, c);
  return out;
}

std::string unescaped(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char next = text[++i];
    out += next == 't' ? '\t' : next == 'n' ? '\n' : next;
  }
  return out;
}

std::string now() {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char out[32];
  std::strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return out;
}

}  // namespace

Ledger::Ledger(const std::string& folder) : path_(folder + "/course.ledger") {
  if (!std::filesystem::is_regular_file(path_))
    fail("course", "the folder " + folder + ", in which there is no course.ledger", "a workspace of the course",
         "Make one with  ./minima course start DIR  and run this within it, or name it:  --dir DIR");
  const std::vector<uint8_t> bytes = core::read_file(path_, most_bytes);
  lines_.assign(bytes.begin(), bytes.end());
  std::istringstream in(lines_);
  for (std::string line; std::getline(in, line);) {
    const size_t tab = line.find('\t');
    const std::string sum = line.substr(0, tab), rest = tab == std::string::npos ? "" : line.substr(tab + 1);
    intact_ = intact_ && sum == check_sum(last_sum_ + rest);
    last_sum_ = sum;
    std::istringstream fields(rest);
    Entry entry;
    std::string what, said;
    std::getline(fields, entry.time, '\t'), std::getline(fields, entry.kind, '\t');
    std::getline(fields, what, '\t'), std::getline(fields, said, '\t');
    entry.what = unescaped(what), entry.text = unescaped(said);
    entries_.push_back(entry);
  }
}

Ledger Ledger::create(const std::string& folder, const std::string& student) {
  Ledger ledger;
  ledger.path_ = folder + "/course.ledger";
  ledger.add("start", student, "");
  return ledger;
}

std::vector<Entry> Ledger::of(const std::string& kind, const std::string& what) const {
  std::vector<Entry> found;
  for (const Entry& entry : entries_)
    if (entry.kind == kind && (what.empty() || entry.what == what)) found.push_back(entry);
  return found;
}

void Ledger::add(const std::string& kind, const std::string& what, const std::string& text) {
  const Entry entry{now(), kind, what, text};
  const std::string rest = entry.time + "\t" + kind + "\t" + escaped(what) + "\t" + escaped(text);
  last_sum_ = check_sum(last_sum_ + rest);
  lines_ += last_sum_ + "\t" + rest + "\n";
  write_file_atomically(path_, lines_.data(), lines_.size());
  entries_.push_back(entry);
}

}  // namespace minima::examples::course
