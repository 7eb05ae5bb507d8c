// Builds what a student wrote into the program of checks: the student's file takes the place of the library's. The
// library's files lie in archives, from which a linker takes a file only if something in it is still missing.
// Not here: what the checks say (grade.h).
#pragma once

#include <string>

#include "examples/course/assignments.h"

namespace minima::examples::course {

struct Build {
  std::string program;  ///< empty where it could not be built
  std::string problem;  ///< then what the compiler or linker said, shortened
};

/// Compiles the assignment's files of `folder` into `program`, with objects beside it. One that is missing is an error
/// that names it.
Build build(const Assignment& assignment, const std::string& folder, const std::string& program);

/// Compiles these files (paths as in the repository, in `folder`) into `program`.
Build build(const std::vector<Assignment::Unit>& units, const std::string& folder, const std::string& program);

}  // namespace minima::examples::course
