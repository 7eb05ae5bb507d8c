#include "examples/kit/gnuplot.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace minima::examples {

std::string run_gnuplot(const std::string& directory, const std::string& script) {
  const std::string by_hand = "run `gnuplot " + script + "` in " + directory;
  const std::string log = directory + "/gnuplot.log";  // made before the fork: no memory is asked for after it
  const pid_t child = fork();
  if (child < 0) return "No figures: no process could be started; " + by_hand + ".";
  if (child == 0) {
    const int output = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (output < 0 || dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0 ||
        chdir(directory.c_str()) != 0)
      _exit(126);
    execlp("gnuplot", "gnuplot", script.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {}
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  if (code == 0 || code == 127) unlink(log.c_str());
  if (code == 0) return "";
  if (code == 127) return "No figures: gnuplot is not installed; install it (Debian: gnuplot-nox) and " + by_hand + ".";
  return "No figures: gnuplot failed, its messages are in " + log + "; mend the script and " + by_hand + ".";
}

}  // namespace minima::examples
