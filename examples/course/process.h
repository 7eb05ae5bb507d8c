// Programs that the course runs: the compiler, and what students wrote. Each within a time and a memory of its own.
#pragma once

#include <string>
#include <vector>

namespace minima::examples::course {

struct Outcome {
  int status = 0;      ///< the exit status; 128 plus the signal's number for one that was killed
  bool late = false;   ///< killed because its time was over
  std::string output;  ///< stdout and stderr, at most a megabyte
};

/// Runs words[0] in `folder` and waits at most `seconds` for it. `megabytes` bounds the memory that it may ask for; 0:
/// no bound.
Outcome run_program(const std::string& folder, const std::vector<std::string>& words, double seconds,
                    int64_t megabytes = 0);

}  // namespace minima::examples::course
