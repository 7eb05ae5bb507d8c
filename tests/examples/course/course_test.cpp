// The course as a student and an instructor use it: the program, its ledger, its texts.
#include <filesystem>
#include <fstream>

#include "examples/course/assignments.h"
#include "examples/course/grade.h"
#include "examples/course/ledger.h"
#include "examples/course/mystery.h"
#include "examples/course/pages.h"
#include "examples/course/source.h"
#include "examples/labs/faults.h"
#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::test;
using namespace minima::examples::course;
using minima::examples::fault;

namespace {

/// The program, in a folder.
struct Classroom {
  TemporaryFolder folder;

  test::Outcome course(Words words) const {
    words.insert(words.begin(), MINIMA_COURSE);
    return run(folder, words);
  }
  /// With a workspace.
  std::string workspace(const std::string& name = "work", const std::string& student = "Aiko Sato") const {
    const test::Outcome outcome = course({"start", folder.file(name), "--student", student});
    REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
    return folder.file(name);
  }
};

constexpr const char* marked =
    "int f() {\n  // BEGIN SOLUTION 2\n  return 1;\n  // END SOLUTION\n}\nint g() {\n  // BEGIN SOLUTION 3\n  return "
    "2;\n  // END SOLUTION\n}\n";

}  // namespace

TEST_CASE("a text with gaps has the filling of its own assignment, and the code of the others without marks") {
  const std::string gaps = with_gaps("f.cpp", marked, 2, {"// yours\nreturn 0;"});
  CHECK(gaps ==
        "int f() {\n  // ---- your code begins here\n  // yours\n  return 0;\n  // ---- and ends here\n}\nint g() {\n  "
        "return 2;\n}\n");
  CHECK(without_marks(marked) == "int f() {\n  return 1;\n}\nint g() {\n  return 2;\n}\n");
  CHECK_ERROR(with_gaps("f.cpp", marked, 2, {}), "[f.cpp] got 1 gaps of assignment 2, expected 0");
  CHECK_ERROR(with_gaps("f.cpp", "  // BEGIN SOLUTION 2\n", 2, {""}), "a BEGIN SOLUTION that nothing ends");
  CHECK_ERROR(with_gaps("f.cpp", "// END SOLUTION\n", 2, {}), "an END SOLUTION alone");
}

TEST_CASE("a text with a fault has no trace of the choice") {
  const std::string text =
      "  if (options_.fault == 4) undo = 1;\n  if (options_.fault != 5) add(2);\n  x = (options_.fault == 1 ? -rho : "
      "rho) / f((fault == 2 ? a(b) : c));\n";
  CHECK(with_fault("t.cpp", text, 0) == "  add(2);\n  x = rho / f(c);\n");
  CHECK(with_fault("t.cpp", text, 4) == "  undo = 1;\n  add(2);\n  x = rho / f(c);\n");
  CHECK(with_fault("t.cpp", text, 1) == "  add(2);\n  x = -rho / f(c);\n");
  CHECK(with_fault("t.cpp", text, 2) == "  add(2);\n  x = rho / f(a(b));\n");
  CHECK_ERROR(with_fault("t.cpp", "if (fault > 3) return;\n", 0), "expected a choice of a fault in one of the forms");
  std::set<std::string> texts;
  for (int number = 0; number <= examples::fault_count; ++number) {
    std::string both;
    for (const char* path : {"examples/labs/textbook_sam.cpp", "examples/labs/textbook_msam.cpp"})
      both += with_fault(path, repository_text(path), number);
    CHECK(!contains(both, "fault"));
    texts.insert(both);
  }
  CHECK(texts.size() == 15);
}

TEST_CASE("every assignment has a page that states its points, hints, and a place in the workspace's README") {
  const std::string overview = repository_text("docs/course/README.md");
  for (const Assignment& a : assignments()) {
    const std::string page = repository_text(page_of(a)), title = text("# ", a.number, ". ", a.title);
    CHECK_MESSAGE(page.rfind(title + "\n", 0) == 0, page_of(a));
    CHECK_MESSAGE(contains(page, text("**Minutes:** ", a.minutes)), page_of(a));
    CHECK_MESSAGE(contains(overview, text("| ", a.number, " | [", a.title, "](", a.folder, ".md) | ", a.minutes, " |")),
                  a.title);
    for (const GapFile& file : a.files) CHECK_MESSAGE(contains(page, file.path), file.path);
    CHECK(contains(repository_text("examples/course/hints/" + a.folder + ".txt"), "---\n"));
    int points = 0;
    std::istringstream lines(page);
    for (std::string line; std::getline(lines, line);)
      if (line.rfind("| ", 0) == 0) points += std::atoi(line.c_str() + 2);
    CHECK_MESSAGE(points == 100, page_of(a) << " states " << points << " points");
  }
}

TEST_CASE("every chapter and lab asks for a prediction, every lab asks its own question, has questions and hints") {
  int chapters = 0, labs = 0;
  for (const Page& page : pages()) {
    CHECK_MESSAGE(!page.questions.empty(), page.path);
    if (page.name.rfind("chapter", 0) == 0) {
      ++chapters;
      CHECK_MESSAGE(page.questions[0].answer.size() > 100, page.path);
      continue;
    }
    ++labs;
    CHECK(std::count(page.answers_wanted.begin(), page.answers_wanted.end(), '?') >= 3);
    CHECK(!repository_text("examples/course/hints/" + page.name + ".txt").empty());
  }
  CHECK(chapters == 10);
  CHECK(labs == 14);
}

TEST_CASE("the ledger keeps its entries, and notices a line that was changed, moved or taken out") {
  const TemporaryFolder folder;
  {
    Ledger ledger = Ledger::create(folder.path.string(), "Aiko\tSato");
    ledger.add("prediction", "lab6.1", "about 60%,\nand \"SAM\" 80");
    ledger.add("hint", "5", "1");
  }
  const Ledger ledger(folder.path.string());
  CHECK(ledger.intact());
  CHECK(ledger.student() == "Aiko\tSato");
  REQUIRE(ledger.of("prediction").size() == 1);
  CHECK(ledger.of("prediction", "lab6.1")[0].text == "about 60%,\nand \"SAM\" 80");
  CHECK(!ledger.has("prediction", "lab5.1"));
  const std::vector<std::string> lines = lines_of(folder.file("course.ledger"));
  REQUIRE(lines.size() == 3);
  const auto intact_with = [&](const std::vector<std::string>& changed) {
    std::string all;
    for (const std::string& line : changed) all += line + "\n";
    folder.write("course.ledger", all);
    return Ledger(folder.path.string()).intact();
  };
  CHECK(intact_with(lines));
  std::string edited = lines[1];
  edited.replace(edited.find("60%"), 3, "73%");
  CHECK(!intact_with({lines[0], edited, lines[2]}));
  CHECK(!intact_with({lines[0], lines[2], lines[1]}));
  CHECK(!intact_with({lines[0], lines[2]}));
  CHECK_ERROR(Ledger(folder.file("elsewhere")), "in which there is no course.ledger, expected a workspace");
}

TEST_CASE("course start makes a workspace, and refuses a folder in which there is something") {
  const Classroom room;
  const std::string work = room.workspace();
  for (const char* file : {"README.md", "1-an-op/autograd/ops_elementwise.cpp", "3-sgd/core/update_rules.h",
                           "6-msam/README.md", "9-a-comparison/comparison.md", "answers/lab6.md"})
    CHECK_MESSAGE(std::filesystem::exists(work + "/" + file), file);
  CHECK(!contains(read_bytes(work + "/6-msam/examples/labs/textbook_msam.cpp"), "fault"));
  for (const Assignment& a : assignments())
    CHECK(contains(read_bytes(work + "/README.md"), "](" + a.folder + "/README.md)"));
  CHECK(room.course({"start", work, "--student", "B"}).status == 2);
  CHECK(contains(room.course({"start", room.folder.file("x")}).output, "no name"));
  CHECK(contains(room.course({"begin"}).output, "got \"begin\", expected start, chapter, lab"));
  for (const char* number : {"10", "3x", "abc"})
    CHECK(contains(room.course({"grade", number, "--dir", work}).output,
                   text("got assignment \"", number, "\", expected one of:")));
  CHECK(contains(room.course({"grade", "5", "--dir", room.folder.file("nowhere")}).output, "expected a workspace"));
}

TEST_CASE("a prediction is locked before its answer is shown, and stays") {
  const Classroom room;
  const std::string work = room.workspace();
  const auto asked = room.course({"chapter", "1", "--dir", work});  // nothing to read from
  CHECK(asked.status == 2);
  CHECK(contains(asked.output, "no prediction"));
  CHECK(contains(asked.output, "The second weight jumped across the minimum"));
  CHECK(!contains(asked.output, "The first six steps"));
  const auto shown = room.course({"chapter", "1", "--dir", work, "--answer", "it runs away"});
  CHECK_MESSAGE(shown.status == 0, shown.output);
  CHECK(contains(shown.output, "You predicted: it runs away"));
  CHECK(contains(shown.output, "The first six steps, lr = 0.18"));
  CHECK(contains(room.course({"chapter", "1", "--dir", work, "--answer", "it comes closer"}).output, "is locked"));
  const auto again = room.course({"chapter", "1", "--dir", work});
  CHECK(contains(again.output, "You predicted: it runs away"));
  const Ledger ledger(work);
  CHECK(ledger.of("prediction").size() == 1);
  CHECK(ledger.has("reveal", "chapter1.1"));
}

TEST_CASE("a lab runs after the prediction, with its own options, into the workspace") {
  const Classroom room;
  const std::string work = room.workspace();
  CHECK(room.course({"lab", "9", "--dir", work, "--quick"}).status == 2);
  CHECK(!std::filesystem::exists(work + "/runs/lab9"));
  const auto ran = room.course(
      {"lab", "9", "--dir", work, "--answer", "five of fourteen", "--quick", "--fault", "6", "--threads", "1"});
  CHECK_MESSAGE(ran.status == 0, ran.output);
  CHECK(std::filesystem::exists(work + "/runs/lab9/report.html"));
  CHECK(Ledger(work).of("lab", "lab9")[0].text == "options: --quick --fault 6 --threads 1; exit status 0");
  CHECK(contains(room.course({"lab", "15", "--dir", work}).output, "got \"lab15\", expected one of"));
}

TEST_CASE("hints come one at a time, are counted, and come to an end") {
  const Classroom room;
  const std::string work = room.workspace();
  CHECK(contains(room.course({"hint", "5", "--dir", work}).output, "Hint 1 of 4"));
  const auto second = room.course({"hint", "5", "--dir", work});
  CHECK(contains(second.output, "Hint 1 of 4"));
  CHECK(contains(second.output, "Hint 2 of 4"));
  CHECK(!contains(second.output, "Hint 3 of 4"));
  for (int i = 0; i < 2; ++i) room.course({"hint", "5", "--dir", work});
  CHECK(contains(room.course({"hint", "5", "--dir", work}).output, "There are no more"));
  CHECK(Ledger(work).of("hint", "5").size() == 4);
  CHECK(contains(room.course({"hint", "lab6", "--dir", work}).output, "Hint 1 of 2"));
  CHECK(room.course({"hint", "lab60", "--dir", work}).status == 2);
}

TEST_CASE("the report holds predictions and answers, and names what is missing") {
  const Classroom room;
  const std::string work = room.workspace();
  room.course({"chapter", "7", "--dir", work, "--answer", "about <half> & half"});
  std::ofstream(work + "/answers/lab6.md", std::ios::app) << "SAM ends 5.4 points above SGD.\n";
  const auto outcome = room.course({"report", "--dir", work});
  CHECK_MESSAGE(outcome.status == 0, outcome.output);
  const std::string page = read_bytes(work + "/report.md"), html = read_bytes(work + "/report.html");
  for (const char* part : {"# Report of Aiko Sato", "about <half> & half", "SAM ends 5.4 points above SGD.",
                           "- a prediction for lab6.1", "- answers/lab5.md", "- a grading of assignment 3"})
    CHECK_MESSAGE(contains(page, part), std::string(part));
  CHECK(!contains(page, "- answers/lab6.md"));
  CHECK(contains(page, "**1.** SAM ends points above SGD."));  // the questions stay beside their answers
  CHECK(!contains(page, "- a prediction for chapter7.1"));
  CHECK(contains(html, "about &lt;half&gt; &amp; half"));
  CHECK(!contains(html, "http"));
}

TEST_CASE("the report shows lists, tables and code of an answer as such") {
  const Classroom room;
  const std::string work = room.workspace();
  std::ofstream(work + "/answers/lab6.md", std::ios::app)
      << "\nThe first.\n\nThe second.\n- a point\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n# mine\n"
         "```cpp\n# no title\n  if (a < b)\n```\n";
  room.course({"report", "--dir", work});
  const std::string page = read_bytes(work + "/report.md"), html = read_bytes(work + "/report.html");
  for (const char* part : {"The first.\n\nThe second.", "#### mine\n", "```cpp\n# no title\n  if (a < b)\n```\n"})
    CHECK_MESSAGE(contains(page, part), std::string(part));
  for (const char* part : {"<p>The first.</p>", "\u2022 a point", "<td>1</td><td>2</td>", "<h2>mine</h2>",
                           "<pre># no title\n  if (a &lt; b)\n</pre>"})
    CHECK_MESSAGE(contains(html, part), std::string(part));
  CHECK(!contains(html, "`"));
  CHECK(!contains(html, "**"));
}

TEST_CASE("collect grades all workspaces anew and writes one table, whatever their ledgers say") {
  const Classroom room;
  std::filesystem::create_directories(room.folder.file("in"));
  const std::string solved = room.workspace("in/a", "Aiko, Sato"), idle = room.workspace("in/b", "Ben");
  const Assignment& third = assignment(3);
  write_text(solved + "/3-sgd/" + third.files[0].path, without_marks(repository_text(third.files[0].path)));
  Ledger(idle).add("grade", "3", "100");  // not believed
  std::string changed = read_bytes(idle + "/course.ledger");
  changed.replace(changed.find("Ben"), 3, "Bob");
  room.folder.write("in/b/course.ledger", changed);
  const auto outcome = room.course({"collect", room.folder.file("in"), "--only", "3,5"});
  CHECK_MESSAGE(outcome.status == 0, outcome.output);
  const std::vector<std::string> rows = lines_of(room.folder.file("in/grades.csv"));
  REQUIRE(rows.size() == 3);
  CHECK(rows[0] ==
        "student,folder,assignment 3,assignment 5,total,mystery claims,mystery fault,hints,predictions,labs run,ledger,"
        "missing,problem");
  CHECK_MESSAGE(rows[1].rfind("\"Aiko, Sato\",a,100,0,100,,,0,0,0,intact,", 0) == 0, rows[1]);
  CHECK_MESSAGE(rows[2].rfind("Bob,b,0,0,0,,,0,0,0,CHANGED,", 0) == 0, rows[2]);
  std::filesystem::create_directories(room.folder.file("none/x"));
  CHECK(contains(room.course({"collect", room.folder.file("none")}).output, "no workspace in"));
}

TEST_CASE("a submission that is broken costs its own row of the table only, which says what is wrong") {
  const Classroom room;
  std::filesystem::create_directories(room.folder.file("in/a, empty"));
  room.workspace("in/b/my-course", "=1+1");  // one level deeper, as archives unpack
  const std::string broken = room.workspace("in/c", "Chie"), blocked = room.workspace("in/d", "Dai");
  room.folder.write("in/c/3-sgd/core/update_rules.h", "int \xff = ;\n");
  room.folder.write("in/d/3-sgd/core/update_rules.h", "int x = ;\n");
  room.folder.write("in/d/.course", "no folder");
  const auto outcome = room.course({"collect", room.folder.file("in"), "--only", "3"});
  CHECK_MESSAGE(outcome.status == 0, outcome.output);
  const std::vector<std::string> rows = lines_of(room.folder.file("in/grades.csv"));
  REQUIRE(rows.size() == 5);
  CHECK_MESSAGE(rows[1].rfind(",\"a, empty\",,,,,,,,,,", 0) == 0, rows[1]);
  CHECK_MESSAGE(contains(rows[1], "no course.ledger"), rows[1]);
  CHECK_MESSAGE(rows[2].rfind("'=1+1,b/my-course,0,0,", 0) == 0, rows[2]);
  CHECK_MESSAGE(rows[3].rfind("Chie,c,0,0,", 0) == 0, rows[3]);
  CHECK_MESSAGE(contains(rows[3], "assignment 3: it does not compile"), rows[3]);
  CHECK_MESSAGE(rows[4].rfind(",d,,,", 0) == 0, rows[4]);
}

TEST_CASE(
    "a mystery is the same for the same name and seed, is not named anywhere, and is repaired with the solution") {
  const Classroom room;
  CHECK(fault_of("Aiko", "seed") == fault_of("Aiko", "seed"));
  std::set<int> drawn;
  for (int i = 0; i < 200; ++i) drawn.insert(fault_of(text("student ", i), "seed"));
  CHECK(drawn.size() == 14);
  const auto outcome = room.course({"mystery", "--student", "Aiko Sato", "--seed", "s", "--to", room.folder.file("m")});
  CHECK_MESSAGE(outcome.status == 0, outcome.output);
  const int number = fault_of("Aiko Sato", "s");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(room.folder.file("m"))) {
    if (!entry.is_regular_file()) continue;
    const std::string text = read_bytes(entry.path().string());
    CHECK_MESSAGE(!contains(text, minima::text("fault ", number)), entry.path());
    CHECK_MESSAGE(!contains(text, minima::text("fault", number < 10 ? "0" : "", number)), entry.path());
  }
  CHECK(std::filesystem::exists(room.folder.file("m/panels/report.html")));
  CHECK(contains(room.course({"mystery", "--student", "Aiko Sato", "--seed", "s", "--answer"}).output,
                 text("fault ", number, ".")));

  const std::string work = room.workspace();
  CHECK(contains(room.course({"grade", "mystery", "--dir", work}).output, "no folder mystery"));
  std::filesystem::rename(room.folder.file("m"), work + "/mystery");
  const auto broken = room.course({"grade", "mystery", "--dir", work});
  CHECK_MESSAGE(contains(broken.output, "of 20 claims hold"), broken.output);
  CHECK(!contains(broken.output, "200 of 200"));
  for (const char* path : {"examples/labs/textbook_sam.cpp", "examples/labs/textbook_msam.cpp"})
    write_text(work + "/mystery/" + path, without_marks(with_fault(path, repository_text(path), 0)));
  CHECK(contains(room.course({"grade", "mystery", "--dir", work}).output, "200 of 200"));
}
