// Runs one of the example programs as a process of its own, as a user would.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "tests/temporary_folder.h"

namespace minima::test {

using Words = std::vector<std::string>;

class Process {
 public:
  /// words[0] is the program; its output goes to a file in `folder`. Variables are added to the environment.
  Process(const TemporaryFolder& folder, const Words& words, const std::map<std::string, std::string>& environment = {})
      : output_path_(folder.file("output.txt")) {
    std::filesystem::remove(output_path_);  // that of an earlier process
    child_ = fork();
    if (child_ == 0) {
      const int output = open(output_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
      dup2(output, STDOUT_FILENO);
      dup2(output, STDERR_FILENO);
      // What the person who runs the tests gave to ./minima is not meant for the program that is tested.
      for (const char* name : {"BUILD", "CMAKE_FLAGS", "CDPATH"}) unsetenv(name);
      for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
      std::vector<char*> arguments;
      for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
      arguments.push_back(nullptr);
      execv(arguments[0], arguments.data());
      _exit(127);
    }
  }
  ~Process() {
    if (child_ > 0) kill(child_, SIGKILL), wait();
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void interrupt() const { send(SIGINT); }
  void send(int signal) const { kill(child_, signal); }
  pid_t id() const { return child_; }
  /// The exit status; 128 plus the signal's number for a killed process.
  int wait() {
    int status = 0;
    while (waitpid(child_, &status, 0) < 0) {}
    child_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  std::string output() const { return read_bytes(output_path_); }

 private:
  std::string output_path_;
  pid_t child_ = 0;
};

struct Outcome {
  int status;
  std::string output;
};

inline Outcome run(const TemporaryFolder& folder, const Words& words,
                   const std::map<std::string, std::string>& environment = {}) {
  Process process(folder, words, environment);
  const int status = process.wait();
  return {status, process.output()};
}

/// Names of the files in a folder that begin so.
inline std::vector<std::string> files_like(const std::string& folder, const std::string& beginning) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (const std::string name = entry.path().filename().string(); name.starts_with(beginning)) names.push_back(name);
  return names;
}

/// Lines of a text file, none if it is not there yet.
inline std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

/// A program's output with its paragraphs on one line each or less: where they break depends on the words before.
inline std::string unwrapped(std::string output) {
  std::ranges::replace(output, '\n', ' ');
  return output;
}

/// Waits until a file has that many lines; false after a minute.
inline bool wait_for_lines(const std::string& path, size_t count) {
  for (int i = 0; i < 12000 && lines_of(path).size() < count; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  return lines_of(path).size() >= count;
}

/// What comes of a program that is interrupted, as by Ctrl-C, when `file` (its output, if not said otherwise) has so
/// many lines. One that ends before has the status -1.
inline Outcome run_interrupted(const TemporaryFolder& folder, const Words& words, size_t lines,
                               const std::string& file = "output.txt") {
  Process process(folder, words);
  const bool reached = wait_for_lines(folder.file(file), lines);
  process.interrupt();
  const int status = process.wait();
  return {reached ? status : -1, process.output()};
}

/// The rows of a simple CSV file without the columns that differ from run to run: seconds and memory.
inline std::vector<std::vector<std::string>> repeatable_cells(const std::string& path) {
  std::vector<std::vector<std::string>> rows;
  std::vector<bool> keep;
  for (const std::string& line : lines_of(path)) {
    std::vector<std::string> cells(1);
    for (char c : line) {
      if (c == ',')
        cells.emplace_back();
      else
        cells.back() += c;
    }
    if (keep.empty())
      for (const std::string& name : cells) keep.push_back(name != "seconds" && name != "peak_memory_bytes");
    rows.emplace_back();
    for (size_t i = 0; i < cells.size(); ++i)
      if (i < keep.size() && keep[i]) rows.back().push_back(cells[i]);
  }
  return rows;
}

}  // namespace minima::test
