#include "examples/kit/gnuplot.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace minima::examples {

std::string run_gnuplot(const std::string& directory, const std::string& script) {
  const std::string by_hand = "run `gnuplot " + script + "` in " + directory;
  const pid_t child = fork();
  if (child < 0) return "No figures: no process could be started; " + by_hand + ".";
  if (child == 0) {
    const int log = open((directory + "/gnuplot.log").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (log < 0 || dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0 || chdir(directory.c_str()) != 0)
      _exit(126);
    execlp("gnuplot", "gnuplot", script.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {}
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  const std::string log = directory + "/gnuplot.log";
  if (code == 0 || code == 127) unlink(log.c_str());
  if (code == 0) return "";
  if (code == 127) return "No figures: gnuplot is not installed; install it (Debian: gnuplot-nox) and " + by_hand + ".";
  return "No figures: gnuplot failed, its messages are in " + log + "; mend the script and " + by_hand + ".";
}

}  // namespace minima::examples
