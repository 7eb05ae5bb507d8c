#include "examples/kit/program.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "core/error.h"

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
