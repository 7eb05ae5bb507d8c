// The program of checks: grades one assignment. `course` runs it; nobody else needs to.
//   course_check 5 --reference FILE    writes the library's numbers
//   course_check 5 --against FILE      grades
#include <cstdio>
#include <cstdlib>
#include <string>

#include "core/parallel.h"
#include "examples/course/checks/checks.h"

using namespace minima;
using namespace minima::examples::course;

int main(int argc, char** argv) {
  constexpr void (*all[])(Checks&) = {check_op,   check_backward, check_sgd,        check_adam,      check_sam,
                                      check_msam, check_hessian,  check_batch_norm, check_comparison};
  const int number = argc == 4 ? std::atoi(argv[1]) : 0;
  const std::string mode = argc == 4 ? argv[2] : "";
  if (number < 1 || number > 9 || (mode != "--reference" && mode != "--against")) {
    std::fprintf(stderr, "Usage: course_check 1..9 --reference|--against FILE\n");
    return 2;
  }
  set_num_threads(1);  // claims run in forked processes
  try {
    Checks checks(mode == "--reference" ? Checks::Mode::write_reference : Checks::Mode::grade, argv[3]);
    all[number - 1](checks);
    checks.finish();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  }
}
