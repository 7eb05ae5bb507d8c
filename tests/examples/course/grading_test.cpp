// Grading: what is given out scores nothing, the solution everything, and each fault of lab 9 loses its stated points.
#include "examples/course/grade.h"

#include <filesystem>

#include "examples/course/build.h"
#include "examples/course/source.h"
#include "tests/check.h"
#include "tests/temporary_folder.h"

using namespace minima;
using namespace minima::test;
using namespace minima::examples::course;

namespace {

/// What a student should have written.
void write_solution(const Assignment& assignment, const std::string& folder) {
  for (const GapFile& file : assignment.files) {
    std::string text = repository_text(file.path);
    if (contains(file.path, "textbook")) text = with_fault(file.path, text, 0);
    write_text(folder + "/" + file.path, without_marks(text));
  }
}

std::string failures(const Grade& grade) {
  std::string all = grade.problem;
  for (const Claim& claim : grade.claims)
    if (!claim.holds) all += claim.what + ": " + claim.problem + "\n";
  return all;
}

void check_skeleton_and_solution(int number) {
  const TemporaryFolder folder;
  const Assignment& a = assignment(number);
  write_assignment(a, folder.file("given"));
  CHECK(untouched(a, folder.file("given")));
  const Grade given = grade(a, folder.file("given"), folder.file("scratch"));
  CHECK_MESSAGE(given.problem.empty(), given.problem);
  CHECK(given.most() == 100);
  CHECK(given.points() == 0);
  for (const Claim& claim : given.claims) CHECK_MESSAGE(!claim.problem.empty(), claim.what);

  write_solution(a, folder.file("solved"));
  CHECK(!untouched(a, folder.file("solved")));
  const Grade solved = grade(a, folder.file("solved"), folder.file("scratch"));
  CHECK_MESSAGE(solved.points() == 100, failures(solved));
}

}  // namespace

TEST_CASE("assignment 1, an op: what is given out compiles and scores 0, the solution 100") {
  check_skeleton_and_solution(1);
}
TEST_CASE("assignment 2, backward: what is given out compiles and scores 0, the solution 100") {
  check_skeleton_and_solution(2);
}
TEST_CASE("assignment 3, SGD: what is given out compiles and scores 0, the solution 100") {
  check_skeleton_and_solution(3);
}
TEST_CASE("assignment 4, Adam: what is given out compiles and scores 0, the solution 100") {
  check_skeleton_and_solution(4);
}
TEST_CASE("assignment 5, SAM: what is given out compiles and scores 0, the solution 100") {
  check_skeleton_and_solution(5);
}
TEST_CASE("assignment 6, MSAM: what is given out compiles and scores 0, the solution 100") {
  check_skeleton_and_solution(6);
}
TEST_CASE("assignment 7, the Hessian: what is given out compiles and scores 0, the solution 100") {
  check_skeleton_and_solution(7);
}
TEST_CASE("assignment 8, batch norm: what is given out compiles and scores 0, the solution 100") {
  check_skeleton_and_solution(8);
}
TEST_CASE("assignment 9, a comparison: what is given out compiles and scores 0, the solution 100") {
  check_skeleton_and_solution(9);
}

namespace {

/// Rows of the table in docs/teaching/README.md: "| 4 | words | 6 | 90 |".
struct Stated {
  int fault, assignment, points;
};
std::vector<Stated> stated_points() {
  std::vector<Stated> rows;
  std::istringstream page(repository_text("docs/teaching/README.md"));
  bool inside = false;
  for (std::string line; std::getline(page, line);) {
    if (line == "<!-- faults -->") inside = true;
    if (line == "<!-- end of faults -->") inside = false;
    std::vector<std::string> cells;
    std::istringstream in(line);
    for (std::string cell; std::getline(in, cell, '|');) cells.push_back(cell);
    if (inside && cells.size() == 5 && std::atoi(cells[1].c_str()) > 0)
      rows.push_back({std::atoi(cells[1].c_str()), std::atoi(cells[3].c_str()), std::atoi(cells[4].c_str())});
  }
  return rows;
}

void check_faults(int number) {
  const Assignment& a = assignment(number);
  int faults = 0;
  for (const Stated& row : stated_points()) {
    if (row.assignment != number) continue;
    ++faults;
    const TemporaryFolder folder;
    const std::string& path = a.files[0].path;
    write_text(folder.file("faulty/" + path), without_marks(with_fault(path, repository_text(path), row.fault)));
    const Grade grade = examples::course::grade(a, folder.file("faulty"), folder.file("scratch"));
    CHECK_MESSAGE(grade.points() == row.points, "fault " << row.fault << " leaves " << grade.points() << " points:\n"
                                                         << failures(grade));
    CHECK(grade.points() < 100);
  }
  CHECK(faults == (number == 5 ? 4 : 10));
}

}  // namespace

TEST_CASE("each of lab 9's faults of SAM leaves the points that the instructor's guide states") { check_faults(5); }
TEST_CASE("each of lab 9's faults of MSAM leaves the points that the instructor's guide states") { check_faults(6); }

TEST_CASE("code that crashes, or never ends, costs its own claims only") {
  const TemporaryFolder folder;
  const Assignment& a = assignment(6);
  const std::string path = a.files[0].path, right = without_marks(with_fault(path, repository_text(path), 0));
  const auto graded_with = [&](const std::string& from, const std::string& to) {
    std::string text = right;
    REQUIRE(contains(text, from));
    text.replace(text.find(from), from.size(), to);
    write_text(folder.file("broken/" + path), text);
    return grade(a, folder.file("broken"), folder.file("scratch"));
  };
  const Grade crash = graded_with("if (step < on) return 0.0;", "if (step >= on) std::abort();");
  CHECK(crash.points() == 95);
  CHECK_MESSAGE(contains(failures(crash), "it crashed: Aborted"), failures(crash));
  const Grade endless = graded_with("if (step < on) return 0.0;", "while (step >= on) step += 1 - 1;");
  CHECK(endless.points() == 95);
  CHECK_MESSAGE(contains(failures(endless), "did not end within"), failures(endless));
}

TEST_CASE("MSAM's move_back may set the factors to 0: only what the weights are then is asked") {
  const TemporaryFolder folder;
  const Assignment& a = assignment(6);
  const std::string path = a.files[0].path;
  std::string mine = without_marks(with_fault(path, repository_text(path), 0));
  const std::string from = "  add(factors_, +1);\n";
  REQUIRE(contains(mine, from));
  mine.replace(mine.find(from), from.size(), from + "  for (double& factor : factors_) factor = 0;\n");
  write_text(folder.file("mine/" + path), mine);
  const Grade grade = examples::course::grade(a, folder.file("mine"), folder.file("scratch"));
  CHECK_MESSAGE(grade.points() == 100, failures(grade));
}

TEST_CASE("a SAM that does not count its steps is noticed: its lr and rho do not fall") {
  const TemporaryFolder folder;
  const Assignment& a = assignment(5);
  const std::string path = a.files[0].path;
  std::string mine = without_marks(with_fault(path, repository_text(path), 0));
  REQUIRE(contains(mine, "++steps_;"));
  mine.replace(mine.find("++steps_;"), 9, "");
  write_text(folder.file("mine/" + path), mine);
  const Grade grade = examples::course::grade(a, folder.file("mine"), folder.file("scratch"));
  CHECK_MESSAGE(grade.points() == 85, failures(grade));
  CHECK_MESSAGE(contains(failures(grade), "after step 2: "), failures(grade));
}

TEST_CASE("what does not compile, does not link or is missing is told with the student's own paths") {
  const TemporaryFolder folder;
  const Assignment& a = assignment(5);
  const std::string path = a.files[0].path, right = without_marks(with_fault(path, repository_text(path), 0));
  CHECK(contains(grade(a, folder.file("nothing"), folder.file("scratch")).problem, "the file " + path + " is missing"));
  write_text(folder.file("bad/" + path), "#include \"minima.h\"\nint x = ;\n");
  const Grade bad = grade(a, folder.file("bad"), folder.file("scratch"));
  CHECK(bad.points() == 0);
  CHECK_MESSAGE(contains(bad.problem, "it does not compile:\n" + path + ":2:"), bad.problem);
  std::string renamed = right;
  renamed.replace(renamed.find("TextbookSam::TextbookSam("), 25, "int nobody(); TextbookSam::TextbookSam(");
  write_text(folder.file("also/" + path), renamed + "\nnamespace minima::examples { int nobody() { return 0; } }\n");
  CHECK(grade(a, folder.file("also"), folder.file("scratch")).points() == 100);
  write_text(folder.file("half/" + path),
             "#include \"examples/labs/textbook.h\"\nnamespace minima::examples {\nvoid "
             "TextbookSam::step(const optim::Closure&) {}\n}\n");
  CHECK(contains(grade(a, folder.file("half"), folder.file("scratch")).problem, "does not link"));
}
