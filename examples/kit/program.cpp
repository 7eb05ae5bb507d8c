#include "examples/kit/program.h"

#include <cblas.h>
#include <sys/utsname.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <thread>
#include <utility>

#include "core/backend.h"
#include "core/error.h"
#include "core/parallel.h"

namespace minima::examples {

struct CommandLine::Implementation {
  CLI::App app;
  std::string program;
  Implementation(const std::string& program, const std::string& description)
      : app(description, program), program(program) {
    app.get_formatter()->column_width(30);
    app.option_defaults()->always_capture_default();
  }
};

CommandLine::CommandLine(const std::string& program, const std::string& description)
    : implementation_(std::make_unique<Implementation>(program, description)) {}
CommandLine::~CommandLine() = default;

void CommandLine::option(const std::string& name, std::string& value, const std::string& help) {
  implementation_->app.add_option(name, value, help)->take_last();
}
void CommandLine::option(const std::string& name, int64_t& value, const std::string& help) {
  implementation_->app.add_option(name, value, help)->take_last();
}
void CommandLine::option(const std::string& name, double& value, const std::string& help) {
  implementation_->app.add_option(name, value, help)->take_last();
}
void CommandLine::option(const std::string& name, std::vector<std::string>& values, const std::string& help) {
  implementation_->app.add_option(name, values, help)->delimiter(',');
}
void CommandLine::flag(const std::string& name, bool& value, const std::string& help) {
  implementation_->app.add_flag(name, value, help);
}

bool CommandLine::parse(int argc, const char* const* argv) {
  try {
    implementation_->app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::fputs(implementation_->app.help().c_str(), stdout);
    return false;
  } catch (const CLI::ParseError& error) {
    throw Error("[" + implementation_->program + "] " + error.what() + ". `" + called_as(implementation_->program) +
                " --help` lists the options.");
  }
  return true;
}

std::map<std::string, std::string> CommandLine::values(const std::vector<std::string>& without) const {
  std::map<std::string, std::string> result;
  for (const CLI::Option* option : std::as_const(implementation_->app).get_options()) {
    const std::string name = option->get_name();
    if (name == "--help" || std::find(without.begin(), without.end(), name) != without.end()) continue;
    result[name] = option->count() > 0 ? option->results().back() : option->get_default_str();
  }
  return result;
}

std::string called_as(const std::string& program) {
  const char* typed = std::getenv("MINIMA_COMMAND");  // set by ./minima
  return typed ? typed : program;
}

int run_program(const std::function<int()>& program) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // every line appears at once, in a file as well
  try {
    return program();
  } catch (const std::exception& error) {
    std::fflush(stdout);
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  }
}

std::string listed(const std::vector<std::string>& words) {
  std::string result;
  for (size_t i = 0; i < words.size(); ++i) result += (i == 0 ? "" : i + 1 == words.size() ? " and " : ", ") + words[i];
  return result;
}

// ---- the machine

namespace {

std::string processor() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  utsname system{};
  uname(&system);
  return system.machine;
}

std::string compiler() {
#if defined(__clang__)
  return text("clang++ ", __clang_major__, ".", __clang_minor__, ".", __clang_patchlevel__);
#else
  return text("g++ ", __GNUC__, ".", __GNUC_MINOR__, ".", __GNUC_PATCHLEVEL__);
#endif
}

std::string blas() {
  const std::string configuration = openblas_get_config();  // "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ..."
  const size_t end_of_version = configuration.find(' ', configuration.find(' ') + 1);
  return configuration.substr(0, end_of_version) + " (" + openblas_get_corename() + ")";
}

}  // namespace

std::string machine_description() {
  utsname system{};
  uname(&system);
  return text(processor(), ", ", std::thread::hardware_concurrency(), " CPUs, ", system.sysname, " ", system.release,
              "; ", compiler(), ", ", MINIMA_BUILD_TYPE, "; ", blas());
}

void print_machine(Device device) {
  std::printf("%s\ndevice %s, %d thread%s\n", machine_description().c_str(), name_of(device), num_threads(),
              num_threads() == 1 ? "" : "s");
#ifndef NDEBUG
  std::printf("warning: this is a %s build, many times slower than Release; do not report its seconds\n",
              MINIMA_BUILD_TYPE);
#endif
}

Device parse_device(const std::string& name) {
  if (name == "cpu") return Device::cpu;
  if (name != "cuda") fail("--device", name, "cpu or cuda");
  const std::string reason = cuda_unavailable_reason();
  if (!reason.empty()) fail("--device cuda", "no usable GPU (" + reason + ")", "one", "Use --device cpu.");
  return Device::cuda;
}

// ---- Ctrl-C

namespace {
volatile std::sig_atomic_t arrived = 0;

void note_interrupt(int signal) {
  arrived = 1;
  std::signal(signal, SIG_DFL);  // the next one ends the process
}
}  // namespace

void catch_interrupts() {
  std::signal(SIGINT, note_interrupt);
  std::signal(SIGTERM, note_interrupt);
}

bool interrupted() { return arrived != 0; }

}  // namespace minima::examples
