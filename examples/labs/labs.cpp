// labs: all labs, one after the other, and what came of each.
//   labs --quick --check    smaller versions; exit status 1 if a stated figure does not hold
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <thread>

#include "core/error.h"
#include "examples/kit/metrics.h"
#include "examples/kit/program.h"
#include "examples/kit/progress.h"
#include "examples/kit/table.h"

using namespace minima;
using namespace minima::examples;

namespace {

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

/// Where this program and the labs lie.
std::filesystem::path own_folder(const char* invoked_as) {
  std::error_code problem;
  const auto linked = std::filesystem::read_symlink("/proc/self/exe", problem);
  return problem ? std::filesystem::absolute(invoked_as).parent_path() : linked.parent_path();
}

/// The exit status of a program, whose output appears as it comes; 128 plus the signal for one that was killed.
int run(const std::vector<std::string>& words) {
  std::vector<char*> arguments;  // made before the fork: no memory is asked for after it
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  std::fflush(stdout);
  const pid_t child = fork();
  if (child < 0) fail(words[0], std::strerror(errno), "a process for it");
  if (child == 0) {
    std::signal(SIGINT, SIG_DFL);
    execv(arguments[0], arguments.data());
    std::fprintf(stderr, "error: %s: %s\n", arguments[0], std::strerror(errno));
    _exit(127);
  }
  // Ctrl-C reaches the lab by itself; what was sent to this process alone is passed on after a while.
  int status = 0, since_interrupt = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (interrupted() && ++since_interrupt == 100) kill(child, SIGINT);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string verdict(int status, bool check) {
  if (status == 0) return check ? "holds" : "done";
  if (status == 1) return "DOES NOT HOLD";
  if (status == exit_interrupted) return "interrupted";
  return text("FAILED, exit status ", status);
}

struct Options {
  bool quick = false, check = false;
  std::string out = "runs/labs";
  int64_t threads = 0;
  std::vector<std::string> only;
};

std::vector<std::string> chosen_labs(const Options& options) {
  const std::vector<std::string> all = words_of(MINIMA_LABS);
  if (options.only.empty()) return all;
  std::vector<std::string> chosen;
  for (const std::string& wanted : options.only) {
    const size_t before = chosen.size();
    for (const std::string& lab : all)  // lab1 is lab1_surfaces, not lab10_compositions
      if (lab == wanted || lab.starts_with(wanted + "_")) chosen.push_back(lab);
    if (chosen.size() == before) fail("--only", wanted, "lab1 or lab1_surfaces, and so on: one of " + joined(all));
  }
  return chosen;
}

int labs(int argc, char** argv) {
  Options options;
  CommandLine line("labs", "Runs all labs, one after the other. Each prints its results and writes a report.");
  line.flag("--quick", options.quick, "a smaller version of each");
  line.flag("--check", options.check, "exit with status 1 if a stated figure does not hold");
  line.option("--out", options.out, "folder in which each lab gets one of its own");
  line.option("--threads", options.threads, "0: all CPUs");
  line.option("--only", options.only, "some labs: lab1,lab5");
  if (!line.parse(argc, argv)) return 0;
  const std::vector<std::string> chosen = chosen_labs(options);
  make_output_directory(options.out);
  catch_interrupts();

  const std::filesystem::path folder = own_folder(argv[0]);
  Table table{{"lab", "time", "verdict"}};
  int failures = 0;
  bool stopped = false;
  double total = 0;
  for (const std::string& lab : chosen) {
    if (stopped) {
      table.push_back({lab, "", "not run"});
      continue;
    }
    std::printf("\n======== %s\n\n", lab.c_str());
    std::vector<std::string> words{(folder / lab).string(), "--out", options.out + "/" + lab, "--threads",
                                   std::to_string(options.threads)};
    if (options.quick) words.push_back("--quick");
    if (options.check) words.push_back("--check");
    const auto start = std::chrono::steady_clock::now();
    const int status = run(words);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    total += seconds;
    failures += status == 0 ? 0 : 1;
    stopped = interrupted() || status == exit_interrupted || status == 128 + SIGINT;
    table.push_back({lab, clock_time(seconds), stopped ? "interrupted" : verdict(status, options.check)});
  }
  table.push_back({"all", clock_time(total), ""});
  std::printf("\n======== all labs\n\n%s\n", aligned(table).c_str());
  if (stopped) return exit_interrupted;
  std::printf("Everything is in %s: each lab has a report.html.\n", options.out.c_str());
  return failures == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  return run_program([&] { return labs(argc, argv); });
}
