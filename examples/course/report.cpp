#include "examples/course/report.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <sstream>

#include "core/error.h"
#include "examples/course/grade.h"
#include "examples/course/mystery.h"
#include "examples/course/pages.h"
#include "examples/kit/report.h"

namespace minima::examples::course {

namespace {

namespace fs = std::filesystem;

/// What a student wrote into a page that was handed out: the lines that were not there.
std::string written(const std::string& path, const std::string& given) {
  if (!fs::is_regular_file(path)) return "";
  std::istringstream in(read_text(path)), known(given);
  std::vector<std::string> lines;
  for (std::string line; std::getline(known, line);) lines.push_back(line);
  std::string out;
  for (std::string line; std::getline(in, line);)
    if (!line.empty() && line[0] != '#' && std::find(lines.begin(), lines.end(), line) == lines.end())
      out += line + "\n";
  return out;
}

std::string quoted(const std::string& text) {
  std::istringstream in(text);
  std::string out;
  for (std::string line; std::getline(in, line);) out += "> " + line + "\n";
  return out;
}

/// The points of the last grading, "" if there was none; and the best.
struct Points {
  std::string last;
  int best = 0, gradings = 0;
};
Points points_of(const Ledger& ledger, const std::string& what) {
  Points points;
  for (const Entry& entry : ledger.of("grade", what)) {
    points.last = entry.text;
    points.best = std::max(points.best, std::atoi(entry.text.c_str()));
    ++points.gradings;
  }
  return points;
}

void add_page(const Page& page, const std::string& workspace, const Ledger& ledger, std::string& out,
              std::vector<std::string>& missing) {
  out += "\n### " + page.title + "\n\n";
  for (const Question& question : page.questions) {
    out += quoted(question.asked) + "\n";
    const std::vector<Entry> predicted = ledger.of("prediction", question.name);
    if (predicted.empty()) {
      out += "*Not predicted.*\n\n";
      missing.push_back("a prediction for " + question.name);
      continue;
    }
    out += "Predicted " + predicted[0].time + ": " + predicted[0].text + "\n\n";
  }
  if (page.answers_wanted.empty()) return;
  const std::vector<Entry> runs = ledger.of("lab", page.name);
  for (const Entry& run : runs) out += "Run " + run.time + ": " + run.text + "\n\n";
  if (runs.empty()) missing.push_back("a run of " + page.name);
  const std::string answers = written(workspace + "/answers/" + page.name + ".md", answer_sheet(page));
  if (answers.empty()) missing.push_back("answers/" + page.name + ".md");
  out += answers.empty() ? "*No answers.*\n" : "Answers:\n\n" + answers;
}

/// A cell of the table. A name that a spreadsheet would take for a formula gets an apostrophe before it.
std::string csv_cell(std::string text) {
  if (!text.empty() && std::string("=+-@").find(text[0]) != std::string::npos) text.insert(0, "'");
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

/// Graded anew; what was not touched is not built. Why nothing could be checked is added to `problems`.
int points_anew(const Assignment& assignment, const std::string& workspace, std::vector<std::string>& problems) {
  const std::string folder = workspace + "/" + assignment.folder;
  if (untouched(assignment, folder)) return 0;
  const Grade grade = course::grade(assignment, folder, scratch_of(workspace));
  if (!grade.problem.empty())
    problems.push_back(text("assignment ", assignment.number, ": ", grade.problem.substr(0, grade.problem.find('\n'))));
  return grade.points();
}

/// The workspaces: folders in `parent`, or one level deeper, as archives unpack. A folder without one is among them.
std::vector<fs::path> submissions_in(const std::string& parent) {
  std::vector<fs::path> all;
  const auto is_workspace = [](const fs::path& path) { return fs::is_regular_file(path / "course.ledger"); };
  for (const auto& entry : fs::directory_iterator(parent)) {
    if (!entry.is_directory()) continue;
    const size_t before = all.size();
    if (!is_workspace(entry.path()))
      for (const auto& inner : fs::directory_iterator(entry.path()))
        if (inner.is_directory() && is_workspace(inner.path())) all.push_back(inner.path());
    if (all.size() == before) all.push_back(entry.path());
  }
  if (std::none_of(all.begin(), all.end(), is_workspace))
    fail("course collect", "no workspace in " + parent, "folders with a course.ledger, one a student");
  std::sort(all.begin(), all.end());
  return all;
}

/// What the table says of one submission, from the student's name to the problems.
std::string graded_row(const std::string& workspace, const std::string& folder,
                       const std::vector<const Assignment*>& chosen, const std::string& seed) {
  const Ledger ledger(workspace);
  std::vector<std::string> missing, problems;
  std::string out = csv_cell(ledger.student()) + "," + csv_cell(folder);
  int total = 0;
  for (const Assignment* a : chosen) {
    const int points = points_anew(*a, workspace, problems);
    total += points;
    out += text(",", points);
  }
  out += text(",", total, ",");
  const bool mystery = fs::exists(workspace + "/mystery");
  if (mystery) {
    const Grade grade = grade_mystery(workspace + "/mystery", scratch_of(workspace));
    if (!grade.problem.empty()) problems.push_back("mystery: " + grade.problem.substr(0, grade.problem.find('\n')));
    out += std::to_string(grade.points());
  }
  out += text(",", mystery && !seed.empty() ? text(fault_of(ledger.student(), seed)) : std::string());
  report_text(workspace, missing);
  return out + text(",", ledger.of("hint").size(), ",", ledger.of("prediction").size(), ",", ledger.of("lab").size(),
                    ",", ledger.intact() ? "intact" : "CHANGED", ",", missing.size(), ",",
                    csv_cell(joined(problems, "; ")));
}

}  // namespace

std::string report_text(const std::string& workspace, std::vector<std::string>& missing) {
  const Ledger ledger(workspace);
  std::string out = "# Report of " + ledger.student() + "\n";
  if (!ledger.intact()) {
    out += "\n**The ledger was changed by hand**: a check sum in course.ledger is wrong.\n";
    missing.push_back("an unchanged course.ledger");
  }
  std::string chapters = "\n## Chapters\n", labs = "\n## Labs\n";
  for (const Page& page : pages())
    add_page(page, workspace, ledger, page.name.rfind("lab", 0) == 0 ? labs : chapters, missing);
  out += chapters + labs + "\n## Assignments\n\n| assignment | points | best | gradings | hints |\n";
  out += "| --- | --- | --- | --- | --- |\n";
  for (const Assignment& a : assignments()) {
    const std::string name = std::to_string(a.number);
    const Points points = points_of(ledger, name);
    out += text("| ", a.number, ". ", a.title, " | ", points.last.empty() ? "-" : points.last, " | ", points.best,
                " | ", points.gradings, " | ", ledger.of("hint", name).size(), " |\n");
    if (points.last.empty()) missing.push_back("a grading of assignment " + name);
  }
  const std::string comparison = written(workspace + "/9-a-comparison/comparison.md", "");
  if (comparison.empty()) missing.push_back("9-a-comparison/comparison.md");
  out += "\n## The comparison\n\n" + (comparison.empty() ? "*Not written.*\n" : comparison);
  out += "\n## The mystery\n\n";
  const std::string diagnosis = written(workspace + "/mystery/diagnosis.md", "");
  if (!fs::exists(workspace + "/mystery"))
    out += "*None was handed out.*\n";
  else if (diagnosis.empty())
    missing.push_back("mystery/diagnosis.md");
  const Points repaired = points_of(ledger, "mystery");
  if (!repaired.last.empty()) out += "Claims that hold, of 200 points: " + repaired.last + ".\n\n";
  out += diagnosis + "\n## What is missing\n\n";
  for (const std::string& line : missing) out += "- " + line + "\n";
  if (missing.empty()) out += "Nothing.\n";
  return out;
}

void write_report(const std::string& workspace) {
  std::vector<std::string> missing;
  const std::string text = report_text(workspace, missing);
  write_text(workspace + "/report.md", text);
  std::istringstream in(text);
  std::string line, paragraph;
  std::getline(in, line);
  Report report(line.substr(2));
  Table table;
  const auto end_of_paragraph = [&] {
    if (!paragraph.empty()) report.paragraph(paragraph);
    if (!table.empty()) report.table(table, Report::Cells::words);
    paragraph.clear(), table.clear();
  };
  while (std::getline(in, line)) {
    if (line.empty() || line[0] == '#') end_of_paragraph();
    if (line.rfind("#", 0) == 0) {
      report.heading(line.substr(line.find(' ') + 1));
    } else if (line.rfind("| ---", 0) == 0) {
      continue;
    } else if (line.rfind("| ", 0) == 0) {
      table.emplace_back();
      std::istringstream cells(line.substr(2));
      for (std::string cell; std::getline(cells, cell, '|');)
        if (const size_t last = cell.find_last_not_of(' '); last != std::string::npos)
          table.back().push_back(cell.substr(cell.find_first_not_of(' '), last + 1 - cell.find_first_not_of(' ')));
    } else if (line.rfind("- ", 0) == 0) {
      end_of_paragraph();
      paragraph = "\u2022 " + line.substr(2);
    } else {
      paragraph += (paragraph.empty() ? "" : " ") + (line.rfind("> ", 0) == 0 ? line.substr(2) : line);
    }
  }
  end_of_paragraph();
  report.save(workspace + "/report.html");
}

std::string collected(const std::string& parent, const std::vector<int>& only, const std::string& seed) {
  const std::vector<fs::path> submissions = submissions_in(parent);
  std::vector<const Assignment*> chosen;
  for (const Assignment& a : assignments())
    if (only.empty() || std::find(only.begin(), only.end(), a.number) != only.end()) chosen.push_back(&a);

  std::string out = "student,folder";
  for (const Assignment* a : chosen) out += text(",assignment ", a->number);
  out += ",total,mystery claims,mystery fault,hints,predictions,labs run,ledger,missing,problem\n";
  for (const fs::path& path : submissions) {
    const std::string folder = path.lexically_relative(parent).string();
    std::fprintf(stderr, "%s\n", path.c_str());
    try {
      out += graded_row(path.string(), folder, chosen, seed);
    } catch (const std::exception& error) {  // it costs this row only
      std::fprintf(stderr, "%s\n", error.what());
      out += "," + csv_cell(folder) + std::string(chosen.size() + 9, ',') + csv_cell(error.what());
    }
    out += "\n";
  }
  return out;
}

}  // namespace minima::examples::course
