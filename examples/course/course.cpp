// course: the classroom. A workspace with assignments, predictions that are locked before the answer is shown, grading,
// hints, broken optimizers, and a report.
//   course start DIR --student NAME        makes a workspace; the rest is called within it, or with --dir DIR
//   course chapter 7 | course lab 6        asks what you predict, then shows the answer or runs the lab
//   course grade 5 | course hint 5         points for what you wrote; the next hint
//   course report                          report.md and report.html
//   course mystery --student NAME --seed S | course collect DIR          for the instructor (docs/teaching)
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <sstream>

#include "core/error.h"
#include "examples/course/grade.h"
#include "examples/course/ledger.h"
#include "examples/course/mystery.h"
#include "examples/course/pages.h"
#include "examples/course/process.h"
#include "examples/course/report.h"
#include "examples/kit/program.h"
#include "examples/kit/table.h"

using namespace minima;
using namespace minima::examples;
using namespace minima::examples::course;
namespace fs = std::filesystem;

namespace {

using Words = std::vector<std::string>;

/// Reads the options of a command. False when --help was printed.
bool read(CommandLine& line, const std::string& command, const Words& words) {
  const std::string name = "course " + command;
  std::vector<const char*> argv{name.c_str()};
  for (const std::string& word : words) argv.push_back(word.c_str());
  return line.parse(static_cast<int>(argv.size()), argv.data());
}

/// Splits hints at lines of three dashes.
Words hints_of(const std::string& what) {
  std::istringstream in(repository_text("examples/course/hints/" + what + ".txt"));
  Words hints(1);
  for (std::string line; std::getline(in, line);) {
    if (line == "---")
      hints.emplace_back();
    else
      hints.back() += line + "\n";
  }
  return hints;
}

// ---- for students

int start(const Words& words) {
  std::string folder, student;
  CommandLine line("course start", "Makes a workspace: assignments with gaps, and a ledger.");
  line.option("DIR", folder, "a folder that does not exist yet, or is empty");
  line.option("--student", student, "your name, as your instructor knows it");
  if (!read(line, "start", words)) return 0;
  if (folder.empty()) fail("course start", "no folder", "course start DIR --student NAME");
  if (student.empty()) fail("course start", "no name", "course start DIR --student NAME");
  if (fs::exists(folder) && !fs::is_empty(folder))
    fail("course start", "the folder " + folder + ", in which there is something", "a new or an empty one");
  for (const Assignment& a : assignments()) write_assignment(a, folder + "/" + a.folder);
  write_text(folder + "/9-a-comparison/comparison.md", repository_text("examples/course/comparison.md"));
  for (const Page& page : pages())
    if (!page.answers_wanted.empty()) write_text(folder + "/answers/" + page.name + ".md", answer_sheet(page));
  std::string readme = repository_text("docs/course/README.md");
  for (const Assignment& a : assignments()) {  // each page lies in its folder here
    const std::string page = "](" + a.folder + ".md)";
    if (const size_t at = readme.find(page); at != std::string::npos)
      readme.replace(at, page.size(), "](" + a.folder + "/README.md)");
  }
  write_text(folder + "/README.md", readme);
  Ledger::create(folder, student);  // last: what is half made is no workspace
  std::printf("The workspace is %s: read its README.md, and go on in that folder.\n", folder.c_str());
  return 0;
}

/// Asks for what is not predicted yet, and locks it.
void predict(Ledger& ledger, const Question& question, const std::string& given) {
  if (ledger.has("prediction", question.name)) {
    if (!given.empty())
      fail("course", "another prediction for " + question.name, "the one that is locked",
           "A prediction that is changed afterwards is none.");
    return;
  }
  std::printf("Predict first. %s\n", question.asked.c_str());
  std::string answer = given;
  if (answer.empty()) {
    std::printf("Your prediction, in a line: ");
    std::fflush(stdout);
    std::getline(std::cin, answer);
  }
  if (answer.find_first_not_of(" \t") == std::string::npos)
    fail("course", "no prediction", "a sentence", "A wrong one is fine: it is the one that you will remember.");
  ledger.add("prediction", question.name, answer);
  std::printf("Locked.\n\n");
}

int chapter(const Words& words) {
  std::string number, folder = ".", answer;
  CommandLine line("course chapter", "Asks for your predictions for a chapter, then shows what came of it.");
  line.option("N", number, "the chapter");
  line.option("--answer", answer, "the prediction of the first box, instead of asking for it");
  line.option("--dir", folder, "the workspace");
  if (!read(line, "chapter", words)) return 0;
  Ledger ledger(folder);
  const Page page = course::page("chapter" + number);
  for (const Question& question : page.questions) {
    predict(ledger, question, std::exchange(answer, ""));
    ledger.add("reveal", question.name, "");
    std::printf("You predicted: %s\n%s", ledger.of("prediction", question.name)[0].text.c_str(),
                question.answer.c_str());
  }
  std::printf("The chapter is %s/%s.\n", MINIMA_ROOT, page.path.c_str());
  return 0;
}

/// The lab's program, whose output appears as it comes; its exit status.
int run_lab_program(const std::string& name, const Words& options) {
  Words words;
  for (const auto& entry : fs::directory_iterator(MINIMA_BIN))  // lab1 is lab1_surfaces
    if (entry.path().filename().string().rfind(name + "_", 0) == 0) words = {entry.path().string()};
  if (words.empty()) words = {"/bin/sh", MINIMA_ROOT "/minima", name};  // builds it
  std::string command;
  words.insert(words.end(), options.begin(), options.end());
  for (const std::string& word : words) {
    command += "'";
    for (const char c : word) command += c == '\'' ? "'\\''" : std::string(1, c);
    command += "' ";
  }
  std::fflush(stdout);
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int lab(Words words) {
  std::string number, folder = ".", answer;
  Words options;  // those of the lab go to the lab
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--dir" && i + 1 < words.size())
      folder = words[++i];
    else if (words[i] == "--answer" && i + 1 < words.size())
      answer = words[++i];
    else if (number.empty() && words[i][0] != '-')
      number = words[i];
    else
      options.push_back(words[i]);
  }
  if (number.empty() || number == "--help")
    fail("course lab", "no number", "course lab N [--dir DIR] [--answer TEXT] [OPTIONS OF THE LAB]");
  Ledger ledger(folder);
  const std::string name = "lab" + number;
  const Page page = course::page(name);
  for (const Question& question : page.questions) predict(ledger, question, std::exchange(answer, ""));
  const std::string given = joined(options, " "), out = folder + "/runs/" + name;
  options.insert(options.end(), {"--out", out});
  const int status = run_lab_program(name, options);
  Ledger after(folder);
  after.add("lab", name, text("options: ", given.empty() ? "none" : given, "; exit status ", status));
  std::printf("Your predictions are in the ledger, the lab's report is %s/report.html. Now answer %s/answers/%s.md.\n",
              out.c_str(), folder.c_str(), name.c_str());
  return status;
}

void print_claims(const Grade& grade) {
  for (const Claim& claim : grade.claims) {
    std::printf("%s %3d  %s\n", claim.holds ? "  " : "NO", claim.points, claim.what.c_str());
    if (!claim.holds) std::printf("        %s\n", claim.problem.c_str());
  }
}

/// Grades one assignment, or the mystery; the points go to the ledger.
void grade_one(const std::string& what, const std::string& folder) {
  Ledger ledger(folder);
  const bool mystery = what == "mystery";
  const Assignment* a = mystery ? nullptr : &assignment(what);
  const std::string title = mystery ? "The mystery" : text(a->number, ". ", a->title);
  if (mystery && !fs::exists(folder + "/mystery"))
    fail("course grade", "no folder mystery in " + folder, "the one that your instructor handed out, put there");
  const Grade grade = mystery ? grade_mystery(folder + "/mystery", scratch_of(folder))
                              : course::grade(*a, folder + "/" + a->folder, scratch_of(folder));
  std::printf("%s\n", title.c_str());
  if (!grade.problem.empty()) std::printf("%s", grade.problem.c_str());
  if (!mystery) {
    print_claims(grade);
  } else {  // which claims they are would name the fault
    int holding = 0;
    for (const Claim& claim : grade.claims) holding += claim.holds ? 1 : 0;
    std::printf("%d of %d claims hold.\n", holding, static_cast<int>(grade.claims.size()));
  }
  std::printf("%d of %d points\n\n", grade.points(), mystery ? 200 : 100);
  ledger.add("grade", what, std::to_string(grade.points()));
}

int grade_command(const Words& words) {
  std::string what, folder = ".";
  CommandLine line("course grade", "Builds what you wrote, checks it, and counts points.");
  line.option("N", what, "an assignment, or mystery; none: all that you have touched");
  line.option("--dir", folder, "the workspace");
  if (!read(line, "grade", words)) return 0;
  if (!what.empty()) return grade_one(what, folder), 0;
  int graded = 0;
  for (const Assignment& a : assignments())
    if (!untouched(a, folder + "/" + a.folder)) grade_one(std::to_string(a.number), folder), ++graded;
  if (fs::exists(folder + "/mystery")) grade_one("mystery", folder), ++graded;
  if (graded == 0) std::printf("Nothing was touched yet.\n");
  return 0;
}

int hint(const Words& words) {
  std::string what, folder = ".";
  CommandLine line("course hint",
                   "The next hint. Each goes further than the one before; the last is not the solution.");
  line.option("N", what, "an assignment, a lab (lab6), or mystery");
  line.option("--dir", folder, "the workspace");
  if (!read(line, "hint", words)) return 0;
  if (what.empty()) fail("course hint", "no number", "course hint N");
  Ledger ledger(folder);
  const bool is_number = what.find_first_not_of("0123456789") == std::string::npos;
  if (!is_number && what != "mystery") course::page(what);  // an error for a name that is no page
  const Words hints = hints_of(is_number ? assignment(what).folder : what);
  const size_t taken = ledger.of("hint", what).size();
  for (size_t i = 0; i < std::min(taken + 1, hints.size()); ++i)
    std::printf("Hint %zu of %zu\n%s\n", i + 1, hints.size(), hints[i].c_str());
  if (taken < hints.size())
    ledger.add("hint", what, std::to_string(taken + 1));
  else
    std::printf("There are no more. Ask somebody: explaining it is half of the way.\n");
  return 0;
}

int report(const Words& words) {
  std::string folder = ".";
  CommandLine line("course report", "Writes report.md and report.html, which name what is missing.");
  line.option("--dir", folder, "the workspace");
  if (!read(line, "report", words)) return 0;
  write_report(folder);
  std::printf("The report is %s/report.md and %s/report.html.\n", folder.c_str(), folder.c_str());
  return 0;
}

// ---- for instructors

int mystery(const Words& words) {
  std::string student, seed = "practice", to;
  bool answer = false;
  CommandLine line("course mystery", "A broken optimizer for a student, different for each; or its answer.");
  line.option("--student", student, "the name in the student's ledger");
  line.option("--seed", seed, "yours: it decides who gets which fault, and gives the answers");
  line.option("--to", to, "the folder to make (mystery-NAME)");
  line.flag("--answer", answer, "print what is wrong instead");
  if (!read(line, "mystery", words)) return 0;
  if (student.empty()) fail("course mystery", "no name", "course mystery --student NAME");
  if (answer) {
    std::printf("%s\n", wrapped(answer_of(student, seed)).c_str());
    return 0;
  }
  if (to.empty()) {
    to = "mystery-" + student;
    std::replace(to.begin(), to.end(), '/', '-');
  }
  if (fs::exists(to) && !fs::is_empty(to))
    fail("course mystery", "the folder " + to + ", in which there is something", "a new or an empty one");
  write_mystery(fault_of(student, seed), to);
  std::printf("The broken optimizer of %s is %s: it goes into the workspace as the folder mystery.\n", student.c_str(),
              to.c_str());
  return 0;
}

int collect(const Words& words) {
  std::string parent, seed, out;
  Words only;
  CommandLine line("course collect",
                   "Grades all workspaces in a folder anew and writes a table. It compiles and runs what students "
                   "wrote: do that on a machine, or as a user, that has nothing to lose.");
  line.option("DIR", parent, "the folder with the workspaces");
  line.option("--only", only, "some assignments: 3,5");
  line.option("--seed", seed, "of the mysteries");
  line.option("--out", out, "the table (DIR/grades.csv)");
  if (!read(line, "collect", words)) return 0;
  if (parent.empty() || !fs::is_directory(parent))
    fail("course collect", "\"" + parent + "\"", "a folder of workspaces");
  std::vector<int> numbers;
  for (const std::string& word : only) numbers.push_back(assignment(word).number);
  if (out.empty()) out = parent + "/grades.csv";
  write_text(out, collected(parent, numbers, seed));
  std::printf("The table is %s.\n", out.c_str());
  return 0;
}

constexpr const char* usage = R"(course: the classroom
  course start DIR --student NAME   makes a workspace; what follows is called within it, or with --dir DIR
  course chapter N                  asks what you predict for a chapter, then shows what came of it
  course lab N [OPTIONS]            asks what you predict, then runs the lab
  course grade [N]                  builds and checks what you wrote; N may be mystery
  course hint N                     the next hint for an assignment, a lab (lab6) or the mystery
  course report                     writes report.md and report.html, which name what is missing
For instructors (docs/teaching/README.md):
  course mystery --student NAME --seed SEED [--answer]
  course collect DIR [--seed SEED]
Each has --help.
)";

int run(const Words& words) {
  const std::string command = words.empty() ? "--help" : words[0];
  const Words rest(words.begin() + (words.empty() ? 0 : 1), words.end());
  if (command == "start") return start(rest);
  if (command == "chapter") return chapter(rest);
  if (command == "lab") return lab(rest);
  if (command == "grade") return grade_command(rest);
  if (command == "hint") return hint(rest);
  if (command == "report") return report(rest);
  if (command == "mystery") return mystery(rest);
  if (command == "collect") return collect(rest);
  if (command != "--help" && command != "-h" && command != "help")
    fail("course", "\"" + command + "\"", "start, chapter, lab, grade, hint, report, mystery or collect");
  std::fputs(usage, stdout);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return examples::run_program([&] { return run(Words(argv + 1, argv + argc)); });
}
