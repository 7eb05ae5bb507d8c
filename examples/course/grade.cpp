#include "examples/course/grade.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "core/error.h"
#include "core/file.h"
#include "examples/course/build.h"
#include "examples/course/process.h"
#include "examples/course/source.h"

namespace minima::examples::course {

namespace {

namespace fs = std::filesystem;

constexpr double check_seconds = 240;
constexpr int64_t check_megabytes = MINIMA_COURSE_MEGABYTES;

std::vector<Claim> claims_of(const std::string& output) {
  std::istringstream in(output);
  std::vector<Claim> claims;
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    std::string verdict, points, what, problem;
    std::getline(fields, verdict, '\t'), std::getline(fields, points, '\t');
    std::getline(fields, what, '\t'), std::getline(fields, problem, '\t');
    if (verdict == "PASS" || verdict == "FAIL") claims.push_back({verdict == "PASS", std::stoi(points), what, problem});
  }
  return claims;
}

/// Runs a program of checks for an assignment.
Outcome checked(const std::string& program, int number, const std::string& mode, const std::string& reference,
                const std::string& scratch) {
  return run_program(
      scratch,
      {"/usr/bin/env", "MINIMA_THREADS=1", "OPENBLAS_NUM_THREADS=1", program, std::to_string(number), mode, reference},
      check_seconds, check_megabytes);
}

Grade graded(const Build& built, const std::vector<int>& numbers, const std::string& scratch) {
  if (built.program.empty()) return {{}, built.problem};
  Grade grade;
  for (const int number : numbers) {
    const std::string reference = fs::absolute(scratch + "/reference-" + std::to_string(number)).string();
    const Outcome right = checked(MINIMA_COURSE_CHECK, number, "--reference", reference, scratch);
    if (right.status != 0)
      fail("course", "the checks of the library itself ended with status " + std::to_string(right.status), "status 0",
           right.output);
    const Outcome outcome = checked(built.program, number, "--against", reference, scratch);
    const std::vector<Claim> claims = claims_of(outcome.output), all = claims_of(right.output);
    if (claims.size() != all.size()) {  // what was written ended the program itself
      for (const Claim& claim : all)
        grade.claims.push_back({false, claim.points, claim.what,
                                outcome.late ? "the checks did not end in time" : "the program of checks ended early"});
      continue;
    }
    grade.claims.insert(grade.claims.end(), claims.begin(), claims.end());
  }
  return grade;
}

}  // namespace

int Grade::points() const {
  int points = 0;
  for (const Claim& claim : claims) points += claim.holds ? claim.points : 0;
  return points;
}

int Grade::most() const {
  int points = 0;
  for (const Claim& claim : claims) points += claim.points;
  return points;
}

Grade grade(const Assignment& assignment, const std::string& folder, const std::string& scratch) {
  fs::create_directories(scratch);
  return graded(build(assignment, folder, scratch + "/checks-" + assignment.folder), {assignment.number}, scratch);
}

Grade grade_mystery(const std::string& folder, const std::string& scratch) {
  fs::create_directories(scratch);
  const std::vector<Assignment::Unit> units{{"examples/labs/textbook_sam.cpp", true},
                                            {"examples/labs/textbook_msam.cpp", true}};
  for (const Assignment::Unit& unit : units)
    if (!fs::is_regular_file(folder + "/" + unit.path)) return {{}, "the file " + unit.path + " is missing\n"};
  return graded(build(units, folder, scratch + "/checks-mystery"), {5, 6}, scratch);
}

std::string scratch_of(const std::string& workspace) { return workspace + "/.course"; }

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail("course", "the file " + path + ", which cannot be read", "a text file");
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string repository_text(const std::string& path) { return read_text(std::string(MINIMA_ROOT) + "/" + path); }

void write_text(const std::string& path, const std::string& text) {
  fs::create_directories(fs::absolute(path).parent_path());
  write_file_atomically(path, text.data(), text.size());
}

namespace {
/// Right in all but the gaps: no trace of the faults of lab 9 either.
std::string given_out(const Assignment& assignment, const GapFile& file) {
  std::string text = repository_text(file.path);
  if (file.path.find("textbook") != std::string::npos) text = with_fault(file.path, text, 0);
  return with_gaps(file.path, text, assignment.number, file.fillings);
}
}  // namespace

void write_assignment(const Assignment& assignment, const std::string& folder) {
  write_text(folder + "/README.md", repository_text(page_of(assignment)));
  for (const GapFile& file : assignment.files) write_text(folder + "/" + file.path, given_out(assignment, file));
}

bool untouched(const Assignment& assignment, const std::string& folder) {
  for (const GapFile& file : assignment.files) {
    const std::string path = folder + "/" + file.path;
    if (!fs::is_regular_file(path) || read_text(path) != given_out(assignment, file)) return false;
  }
  return true;
}

}  // namespace minima::examples::course
