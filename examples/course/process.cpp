#include "examples/course/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

#include "core/error.h"

namespace minima::examples::course {

namespace {

constexpr size_t most_output = size_t{1} << 20;

[[noreturn]] void become(const std::string& folder, char* const* words, int output, int64_t megabytes) {
  setpgid(0, 0);  // what it starts ends with it
  for (const int signal : {SIGINT, SIGTERM, SIGPIPE}) std::signal(signal, SIG_DFL);
  if (megabytes > 0) {
    const rlimit bound{static_cast<rlim_t>(megabytes) << 20, static_cast<rlim_t>(megabytes) << 20};
    setrlimit(RLIMIT_AS, &bound);
  }
  const int nothing = open("/dev/null", O_RDONLY);
  dup2(nothing, STDIN_FILENO), dup2(output, STDOUT_FILENO), dup2(output, STDERR_FILENO);
  if (chdir(folder.c_str()) == 0) execvp(words[0], words);
  dprintf(STDERR_FILENO, "%s: %s\n", words[0], std::strerror(errno));
  _exit(127);
}

}  // namespace

Outcome run_program(const std::string& folder, const std::vector<std::string>& words, double seconds,
                    int64_t megabytes) {
  std::vector<char*> arguments;  // made before the fork: no memory is asked for after it
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  int ends[2];
  if (pipe(ends) != 0) fail(words[0], std::strerror(errno), "a pipe for its output");
  for (const int end : ends) fcntl(end, F_SETFD, FD_CLOEXEC);
  const pid_t child = fork();
  if (child < 0) fail(words[0], std::strerror(errno), "a process for it");
  if (child == 0) become(folder, arguments.data(), ends[1], megabytes);
  setpgid(child, child);
  close(ends[1]);

  Outcome outcome;
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  char buffer[4096];
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    pollfd readable{ends[0], POLLIN, 0};
    const int ready = left > 0 ? poll(&readable, 1, static_cast<int>(std::min<int64_t>(left, 1000))) : 0;
    if (ready == 0 && Clock::now() >= end) {
      outcome.late = true;
      break;
    }
    if (ready <= 0) continue;
    const ssize_t count = read(ends[0], buffer, sizeof buffer);
    if (count == 0) break;
    if (count < 0 && errno != EINTR) break;
    if (count > 0 && outcome.output.size() < most_output) outcome.output.append(buffer, static_cast<size_t>(count));
  }
  if (outcome.late) kill(-child, SIGKILL);
  close(ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

}  // namespace minima::examples::course
