// A process of its own for what ends the process: a planted bug, a race. Not here: programs (tests/examples/process.h).
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "tests/check.h"

namespace minima::test {

/// The exit status of a child that calls `run` (-1 if it was killed), and what it says on stderr meanwhile.
template <class F>
std::pair<int, std::string> outcome_in_child(F run) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], 2);
    run();
    _exit(0);
  }
  close(ends[1]);
  std::string said;
  char part[256];
  for (ssize_t n; (n = read(ends[0], part, sizeof part)) > 0;) said.append(part, static_cast<size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, said};
}

}  // namespace minima::test
