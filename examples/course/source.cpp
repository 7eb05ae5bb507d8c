#include "examples/course/source.h"

#include <regex>
#include <sstream>

#include "core/error.h"

namespace minima::examples::course {

namespace {

const std::regex opening(R"(^( *)// BEGIN SOLUTION (\d+)$)"), closing(R"(^ *// END SOLUTION$)");

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// Each line of the filling behind the indentation, between two lines that show where the gap is.
std::string filled(const std::string& indentation, const std::string& filling) {
  std::string out = indentation + "// ---- your code begins here\n";
  for (const std::string& line : lines_of(filling)) out += (line.empty() ? "" : indentation + line) + "\n";
  return out + indentation + "// ---- and ends here\n";
}

/// Where the parenthesis at `open` is closed; npos if nowhere.
size_t closing_of(const std::string& line, size_t open) {
  int depth = 0;
  for (size_t i = open; i < line.size(); ++i) {
    depth += line[i] == '(' ? 1 : line[i] == ')' ? -1 : 0;
    if (depth == 0) return i;
  }
  return std::string::npos;
}

/// (fault == K ? with : without) becomes one of the two; all of them in a line.
std::string choices_made(std::string line, int fault) {
  static const std::regex choice(R"(\((?:options_\.)?fault == (\d+) \? )");
  std::smatch found;
  while (std::regex_search(line, found, choice)) {
    const auto begin = static_cast<size_t>(found.position(0)), inside = begin + static_cast<size_t>(found.length(0));
    const size_t end = closing_of(line, begin), colon = line.find(" : ", inside);
    if (end == std::string::npos || colon == std::string::npos || colon > end) break;
    const bool chosen = std::stoi(found[1]) == fault;
    line = line.substr(0, begin) +
           (chosen ? line.substr(inside, colon - inside) : line.substr(colon + 3, end - colon - 3)) +
           line.substr(end + 1);
  }
  return line;
}

}  // namespace

std::string with_gaps(const std::string& path, const std::string& text, int assignment,
                      const std::vector<std::string>& fillings) {
  std::string out;
  size_t gaps = 0;
  bool open = false, inside = false;
  for (const std::string& line : lines_of(text)) {
    std::smatch mark;
    if (std::regex_match(line, mark, opening)) {
      if (open) fail(path, "a BEGIN SOLUTION before the END of the one above", "END SOLUTION first");
      open = true, inside = std::stoi(mark[2]) == assignment;
      if (inside && gaps++ < fillings.size()) out += filled(mark[1], fillings[gaps - 1]);
    } else if (std::regex_match(line, closing)) {
      if (!open) fail(path, "an END SOLUTION alone", "a BEGIN SOLUTION before it");
      open = inside = false;
    } else if (!inside) {
      out += line + "\n";
    }
  }
  if (open) fail(path, "a BEGIN SOLUTION that nothing ends", "END SOLUTION after it");
  if (gaps != fillings.size())
    fail(path, minima::text(gaps, " gaps of assignment ", assignment), minima::text(fillings.size()));
  return out;
}

std::string without_marks(const std::string& text) {
  std::string out;
  for (const std::string& line : lines_of(text))
    if (!std::regex_match(line, opening) && !std::regex_match(line, closing)) out += line + "\n";
  return out;
}

std::string with_fault(const std::string& path, const std::string& text, int fault) {
  static const std::regex only(R"(^( *)if \((?:options_\.)?fault (==|!=) (\d+)\) (.*;)$)");
  std::string out;
  for (std::string line : lines_of(text)) {
    std::smatch found;
    if (std::regex_match(line, found, only)) {
      if ((std::stoi(found[3]) == fault) == (found[2] == "==")) out += found[1].str() + found[4].str() + "\n";
      continue;
    }
    line = choices_made(line, fault);
    if (const size_t unused = line.find(", int fault)"); unused != std::string::npos) line.erase(unused + 5, 6);
    if (line.find("fault") != std::string::npos)
      fail(path, "this line: " + line, "a choice of a fault in one of the forms that labs/textbook.h names");
    out += line + "\n";
  }
  return out;
}

}  // namespace minima::examples::course
