#include "examples/course/pages.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "core/error.h"

namespace minima::examples::course {

namespace {

namespace fs = std::filesystem;

constexpr const char* box = "> **Predict first.**";

bool is_heading(const std::string& line) { return line.rfind("## ", 0) == 0; }

Page read(const fs::path& path, const std::string& name) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  Page page{.name = name, .title = lines.empty() ? "" : lines[0].substr(std::min<size_t>(2, lines[0].size()))};
  page.path = fs::relative(path, MINIMA_ROOT).string();
  bool in_box = false, in_questions = false;
  for (const std::string& line : lines) {
    if (line.rfind(box, 0) == 0) {
      page.questions.push_back({name + "." + std::to_string(page.questions.size() + 1), "", ""});
      page.questions.back().asked = line.substr(std::min(std::string(box).size() + 1, line.size())) + "\n";
      in_box = true;
    } else if (in_box && line.rfind(">", 0) == 0) {
      page.questions.back().asked += line.substr(std::min<size_t>(2, line.size())) + "\n";
    } else {
      in_box = false;
      if (is_heading(line)) in_questions = line == "## Questions";
      if (in_questions && !is_heading(line)) page.answers_wanted += line + "\n";
      if (page.questions.empty() || in_questions) continue;
      std::string& answer = page.questions.back().answer;
      const bool over = is_heading(line) || (!answer.empty() && answer.back() == '\f');
      if (over && (answer.empty() || answer.back() != '\f')) answer += '\f';  // what follows is of another section
      if (!over && line.rfind("<!--", 0) != 0) answer += line + "\n";
    }
  }
  for (Question& question : page.questions)
    question.answer.erase(std::remove(question.answer.begin(), question.answer.end(), '\f'), question.answer.end());
  if (page.questions.empty()) fail(page.path, "a page without a box", std::string(box) + " in it");
  return page;
}

}  // namespace

std::vector<Page> pages() {
  std::vector<Page> found;
  for (const auto& [folder, kind] : {std::pair{"docs/walkthrough", "chapter"}, {"docs/labs", "lab"}}) {
    std::vector<std::pair<int, fs::path>> numbered;
    static const std::regex name(R"((\d+)-[a-z0-9-]+\.md)");
    for (const auto& entry : fs::directory_iterator(fs::path(MINIMA_ROOT) / folder)) {
      std::smatch number;
      const std::string file = entry.path().filename().string();
      if (std::regex_match(file, number, name)) numbered.emplace_back(std::stoi(number[1]), entry.path());
    }
    std::sort(numbered.begin(), numbered.end());
    for (const auto& [number, path] : numbered) found.push_back(read(path, kind + std::to_string(number)));
  }
  return found;
}

std::string answer_sheet(const Page& page) {
  std::istringstream in(page.answers_wanted);
  std::string questions;
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("If you are stuck", 0) == 0) break;  // below it the page leads on to others
    questions += line + "\n";
  }
  return text("# ", page.title, "\n\n", answers_begin, "\n", questions);
}

Page page(const std::string& name) {
  std::string known;
  for (const Page& page : pages()) {
    if (page.name == name) return page;
    known += " " + page.name;
  }
  fail("course", "\"" + name + "\"", "one of" + known);
}

}  // namespace minima::examples::course
