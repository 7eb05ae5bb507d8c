// Grading: builds an assignment, runs its checks, adds up the points. Not here: what is claimed (checks/), where points
// are kept (ledger.h).
#pragma once

#include <string>
#include <vector>

#include "examples/course/assignments.h"
#include "examples/course/ledger.h"

namespace minima::examples::course {

struct Claim {
  bool holds;
  int points;
  std::string what, problem;
};

struct Grade {
  std::vector<Claim> claims;
  std::string problem;  ///< why there are no claims: it does not compile

  int points() const;
  int most() const;
};

/// Grades the files in `folder` (the assignment's own folder in a workspace). Objects and the program go to `scratch`.
Grade grade(const Assignment& assignment, const std::string& folder, const std::string& scratch);

/// A mystery that was repaired: the claims of assignments 5 and 6 about both files together.
Grade grade_mystery(const std::string& folder, const std::string& scratch);

/// Where a workspace keeps what grading builds.
std::string scratch_of(const std::string& workspace);

/// Writes the text as it is given out: an assignment's files with gaps.
void write_assignment(const Assignment& assignment, const std::string& folder);
/// Whether the files in `folder` are as they were given out. Missing ones are not.
bool untouched(const Assignment& assignment, const std::string& folder);

/// A text file of the repository.
std::string repository_text(const std::string& path);
/// Any text file; an error where there is none.
std::string read_text(const std::string& path);
/// Makes the folders on its way.
void write_text(const std::string& path, const std::string& text);

}  // namespace minima::examples::course
