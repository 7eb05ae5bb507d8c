// The fourteen faults of lab 9, in words. The code that has them is textbook_msam.cpp and textbook_sam.cpp.
// Not here: how a fault is found (fault_bench.h).
#pragma once

#include <string>

#include "examples/labs/textbook.h"

namespace minima::examples {

constexpr int fault_count = 14;

/// One of the fourteen, and where it shows.
struct Fault {
  std::string what;   ///< what is wrong in the code
  std::string shows;  ///< what the instruments say of it
  std::string where;  ///< published code in which this kind was met, or that it was thought of for this lab
};
/// number 1 .. fault_count
const Fault& fault(int number);

}  // namespace minima::examples
