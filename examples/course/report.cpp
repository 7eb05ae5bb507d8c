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

/// A page that was handed out, with what a student wrote into it: the questions stay beside their answers, the title
/// goes, and headings become small ones. "" while nothing but headings differs from what was given.
std::string written(const std::string& path, const std::string& given) {
  if (!fs::is_regular_file(path)) return "";
  std::istringstream in(read_text(path)), known(given);
  std::vector<std::string> lines;
  for (std::string line; std::getline(known, line);) lines.push_back(line);
  std::string out;
  bool anything = false, code = false;
  for (std::string line; std::getline(in, line);) {
    const bool heading = !code && line.rfind("#", 0) == 0;
    if (line.rfind("```", 0) == 0) code = !code;
    const bool was_given = std::find(lines.begin(), lines.end(), line) != lines.end();
    anything = anything || (!was_given && !heading && line.find_first_not_of(" \t\r") != std::string::npos);
    if (was_given && (heading || line == answers_begin)) continue;
    if (out.empty() && line.empty()) continue;
    out += (heading ? "###" + line : line) + "\n";
  }
  if (code) out += "```\n";  // a fence that nobody closed ends with the page
  return anything ? out : "";
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
      out += "Not predicted.\n\n";
      missing.push_back("a prediction for " + question.name);
      continue;
    }
    out += "Predicted " + predicted[0].time + ": " + predicted[0].text + "\n\n";
  }
  if (page.answers_wanted.empty()) return;
  const std::vector<Entry> runs = ledger.of("lab", page.name);
  for (const Entry& run : runs) out += "Run " + run.time + ": " + run.text + "\n\n";
  if (runs.empty()) missing.push_back("a run of " + page.name);
  // the whole of what the page asks: sheets of earlier versions had more of it
  const std::string answers =
      written(workspace + "/answers/" + page.name + ".md", answer_sheet(page) + page.answers_wanted);
  if (answers.empty()) missing.push_back("answers/" + page.name + ".md");
  out += answers.empty() ? "No answers.\n" : "Answers:\n\n" + answers + "\n";
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
  out += "\n## The comparison\n\n" + (comparison.empty() ? "Not written.\n" : comparison);
  out += "\n## The mystery\n\n";
  const std::string diagnosis = written(workspace + "/mystery/diagnosis.md", "");
  if (!fs::exists(workspace + "/mystery"))
    out += "None was handed out.\n";
  else if (diagnosis.empty())
    missing.push_back("mystery/diagnosis.md");
  const Points repaired = points_of(ledger, "mystery");
  if (!repaired.last.empty()) out += "Claims that hold, of 200 points: " + repaired.last + ".\n\n";
  out += diagnosis + "\n## What is missing\n\n";
  for (const std::string& line : missing) out += "- " + line + "\n";
  if (missing.empty()) out += "Nothing.\n";
  return out;
}

namespace {

/// Words of the course's own pages without the marks of Markdown and TeX.
std::string plain(std::string text) {
  for (const auto& [mark, word] : {std::pair{"**", ""},
                                   {"`", ""},
                                   {"$", ""},
                                   {"\\kappa", "kappa"},
                                   {"\\rho", "rho"},
                                   {"\\cdot", "*"},
                                   {"\\mathrm{lr}", "lr"}})
    for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at))
      text.replace(at, std::string(mark).size(), word);
  return text;
}

std::vector<std::string> cells_of(const std::string& row) {
  std::vector<std::string> cells;
  std::istringstream in(row.substr(1));
  for (std::string cell; std::getline(in, cell, '|');)
    if (const size_t last = cell.find_last_not_of(" \r"); last != std::string::npos)
      cells.push_back(cell.substr(cell.find_first_not_of(' '), last + 1 - cell.find_first_not_of(' ')));
  return cells;
}

/// The report as a page, from its Markdown: what the course writes, and lists, tables and code of the student.
Report page_of_report(const std::string& text) {
  std::istringstream in(text);
  std::string line, paragraph, question, code;
  std::getline(in, line);
  Report report(line.substr(2));
  Table table;
  const auto end_of_block = [&] {
    if (!question.empty()) report.statement(plain(question));
    if (!paragraph.empty()) report.paragraph(paragraph);
    if (!table.empty()) report.table(table, Report::Cells::words);
    question.clear(), paragraph.clear(), table.clear();
  };
  bool in_code = false;
  while (std::getline(in, line)) {
    if (line.rfind("```", 0) == 0) {
      end_of_block();
      if (in_code) report.code(code);
      in_code = !in_code, code.clear();
    } else if (in_code) {
      code += line + "\n";
    } else if (line.find_first_not_of(" \t\r") == std::string::npos) {
      end_of_block();
    } else if (line[0] == '#') {
      end_of_block();
      report.heading(line.substr(std::min(line.size(), line.find_first_not_of("# "))));
    } else if (line.rfind("| ---", 0) == 0) {
      continue;
    } else if (line[0] == '|') {
      if (table.empty()) end_of_block();
      table.push_back(cells_of(line));
    } else if (line.rfind("> ", 0) == 0) {
      question += (question.empty() ? "" : " ") + line.substr(2);
    } else if (line.rfind("**", 0) == 0 || !question.empty()) {  // a question of an answer sheet
      if (question.empty()) end_of_block();
      question += (question.empty() ? "" : " ") + line;
    } else {
      if (line.rfind("- ", 0) == 0) end_of_block(), line.replace(0, 1, "\u2022");
      if (!table.empty()) end_of_block();
      paragraph += (paragraph.empty() ? "" : " ") + line;
    }
  }
  end_of_block();
  return report;
}

}  // namespace

void write_report(const std::string& workspace) {
  std::vector<std::string> missing;
  const std::string text = report_text(workspace, missing);
  write_text(workspace + "/report.md", text);
  page_of_report(text).save(workspace + "/report.html");
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
