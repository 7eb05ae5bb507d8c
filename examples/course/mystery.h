// A broken optimizer for each student: lab 9 as a repair. Which fault a student gets is drawn from the instructor's
// seed and the student's name; who has the seed can have the answer again, and it is written nowhere.
#pragma once

#include <string>

namespace minima::examples::course {

/// The fault of this student, 1 to labs' fault_count.
int fault_of(const std::string& student, const std::string& seed);

/// Writes the sources, a page and an empty diagnosis to `folder`; lab 9's panels too, where its program is at hand.
void write_mystery(int fault, const std::string& folder);

/// The answer, for the instructor: what is wrong, and what shows it.
std::string answer_of(const std::string& student, const std::string& seed);

}  // namespace minima::examples::course
