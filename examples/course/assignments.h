// The assignments of the course: which of the repository's files a student gets with gaps, and what stands in the gaps.
// The page of each is docs/course, its hints are hints/, its claims and their points are checks/.
#pragma once

#include <string>
#include <vector>

namespace minima::examples::course {

/// A file of the repository that a student completes. It takes the place of the library's file of the same path.
struct GapFile {
  std::string path;
  std::vector<std::string> fillings;  ///< what stands in each gap, so that the file compiles
};

struct Assignment {
  int number;
  std::string folder;  ///< in the student's workspace: "5-sam"
  std::string title;
  int minutes;
  std::vector<GapFile> files;
  /// Files of the repository to compile with the student's headers in front; else the files above that are no headers.
  std::vector<std::string> compiled_instead{};

  /// What is compiled: paths, and whether each is the student's.
  struct Unit {
    std::string path;
    bool of_student;
  };
  std::vector<Unit> units() const;
};

/// In order, 1 to 9.
const std::vector<Assignment>& assignments();
/// An error that lists them if there is none of this number.
const Assignment& assignment(int number);
const Assignment& assignment(const std::string& number);

/// The page docs/course/FOLDER.md.
std::string page_of(const Assignment& assignment);

}  // namespace minima::examples::course
