// What the course makes of the repository's own source files: the same text with gaps, or with one fault in it.
//   // BEGIN SOLUTION 6      marks what assignment 6 takes out,
//   // END SOLUTION          up to here
// Not here: which files an assignment has (assignments.h).
#pragma once

#include <string>
#include <vector>

namespace minima::examples::course {

/// The text with each solution of this assignment replaced by what `fillings` says of that gap, in order, indented like
/// the mark. The marks of other assignments go, what they enclose stays. Errors: a mark that is not closed, more or
/// fewer gaps than fillings.
std::string with_gaps(const std::string& path, const std::string& text, int assignment,
                      const std::vector<std::string>& fillings);

/// The text without marks: what a student should have written.
std::string without_marks(const std::string& text);

/// The text of the textbook optimizers (labs/textbook.h) as it would be written with this fault and no other, or with
/// none (0): no trace is left of the choice. Errors: a choice in a form that is not understood.
std::string with_fault(const std::string& path, const std::string& text, int fault);

}  // namespace minima::examples::course
