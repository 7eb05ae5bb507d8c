#include "examples/kit/program.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <new>
#include <sstream>
#include <thread>

#include "core/backend.h"
#include "core/error.h"
#include "core/gemm.h"
#include "core/parallel.h"

namespace minima::examples {

namespace {

constexpr size_t help_column = 30, help_width = 100;

bool is_dashed(const std::string& word) { return word.size() > 2 && word.compare(0, 2, "--") == 0; }

/// Breaks a text into lines; each but the first begins at `column`.
std::string wrapped(const std::string& paragraph, size_t column) {
  std::istringstream words(paragraph);
  std::string out;
  size_t at = column;
  for (std::string word; words >> word; at += word.size()) {
    if (!out.empty() && at + 1 + word.size() > help_width)
      out += "\n" + std::string(column, ' '), at = column;
    else if (!out.empty())
      out += ' ', ++at;
    out += word;
  }
  return out + "\n";
}

}  // namespace

CommandLine::CommandLine(const std::string& program, const std::string& description)
    : program_(program), description_(description) {}

void CommandLine::option(const std::string& name, std::string& value, const std::string& help) {
  add({name, "TEXT", help, value, [&value](const std::string& word) {
         value = word;
         return true;
       }});
}

namespace {
template <class T>
bool read_whole(const std::string& word, T& value) {
  const char* end = word.data() + word.size();
  const auto [stop, problem] = std::from_chars(word.data(), end, value);
  return stop == end && problem == std::errc();
}
}  // namespace

void CommandLine::option(const std::string& name, int64_t& value, const std::string& help) {
  add({name, "INT", help, text(value), [&value](const std::string& word) { return read_whole(word, value); }});
}

void CommandLine::option(const std::string& name, uint64_t& value, const std::string& help) {
  add({name, "INT", help, text(value), [&value](const std::string& word) { return read_whole(word, value); }});
}

void CommandLine::option(const std::string& name, double& value, const std::string& help) {
  add({name, "FLOAT", help, text(value), [&value](const std::string& word) {
         char* end = nullptr;
         value = std::strtod(word.c_str(), &end);
         return !word.empty() && *end == '\0';
       }});
}

void CommandLine::option(const std::string& name, std::vector<std::string>& values, const std::string& help) {
  add({name, "TEXT,...", help, joined(values, ","), [&values](const std::string& word) {
         values.clear();
         std::istringstream parts(word);
         for (std::string part; std::getline(parts, part, ',');) values.push_back(part);
         return true;
       }});
}

void CommandLine::words(const std::string& name, std::vector<std::string>& values, const std::string& help) {
  add({name + " ...", "TEXT", help, "",
       [&values](const std::string& word) {
         values.push_back(word);
         return true;
       },
       true});
}

void CommandLine::flag(const std::string& name, bool& value, const std::string& help) {
  add({name, "", help, "false", [&value](const std::string&) { return value = true; }});
}

std::string CommandLine::help() const {
  std::string usage = "Usage: " + program_ + " [OPTIONS]", lines;
  for (const Option& option : options_) {
    if (!is_dashed(option.name)) usage += " [" + option.name + "]";
    std::string left = "  " + option.name;
    if (!option.kind.empty()) left += " " + option.kind + (option.shown.empty() ? "" : "=" + option.shown);
    left +=
        left.size() < help_column ? std::string(help_column - left.size(), ' ') : "\n" + std::string(help_column, ' ');
    lines += left + wrapped(option.help, help_column);
  }
  return wrapped(description_, 0) + usage + "\n\nOptions:\n" + lines;
}

CommandLine::Option* CommandLine::find(const std::string& name, size_t position) {
  for (Option& option : options_)
    if (is_dashed(name) ? option.name == name : !is_dashed(option.name) && (option.repeated || position-- == 0))
      return &option;
  return nullptr;
}

void CommandLine::refuse(const std::string& got, const std::string& expected) const {
  fail(program_, got, expected, "`" + called_as(program_) + " --help` lists the options.");
}

bool CommandLine::parse(int argc, const char* const* argv) {
  size_t alone = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--help" || word == "-h") {
      std::fputs(help().c_str(), stdout);
      return false;
    }
    const size_t equals = is_dashed(word) ? word.find('=') : std::string::npos;
    const std::string name = word.substr(0, equals);
    const bool wrong_dash = word.size() > 1 && word[0] == '-' && !is_dashed(word);
    Option* option = wrong_dash ? nullptr : find(name, is_dashed(word) ? 0 : alone++);
    if (!option) refuse("\"" + name + "\"", "one of its options");
    std::string value = word;
    if (option->kind.empty()) {
      if (equals != std::string::npos) refuse(word, name + " without a value");
      value = "true";
    } else if (equals != std::string::npos) {
      value = word.substr(equals + 1);
    } else if (is_dashed(word)) {
      if (++i == argc || is_dashed(argv[i])) refuse(name + " without a value", name + " " + option->kind);
      value = argv[i];
    }
    if (!option->read(value)) {
      refuse(name + " \"" + value + "\"", option->kind == "INT" ? "a whole number" : "a number");
    }
    option->shown = value;
  }
  return true;
}

std::map<std::string, std::string> CommandLine::values(const std::vector<std::string>& without) const {
  std::map<std::string, std::string> result;
  for (const Option& option : options_)
    if (std::find(without.begin(), without.end(), option.name) == without.end()) result[option.name] = option.shown;
  return result;
}

std::string called_as(const std::string& program) {
  const char* typed = std::getenv("MINIMA_COMMAND");  // set by ./minima
  return typed ? typed : program;
}

std::string shell_command(const std::vector<std::string>& words) {
  const auto quoted = [](const std::string& word) {
    const char* harmless = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+,./:@%";
    if (!word.empty() && word.find_first_not_of(harmless) == std::string::npos) return word;
    std::string out = "'";
    for (const char c : word) out += c == '\'' ? "'\\''" : std::string(1, c);
    return out + "'";
  };
  std::string command = called_as(quoted(words.front()));
  for (size_t i = 1; i < words.size(); ++i) command.append(" ").append(quoted(words[i]));
  return command;
}

int run_program(const std::function<int()>& program) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // every line appears at once, in a file as well
  std::signal(SIGXFSZ, SIG_IGN);                  // a file that may not grow is an error of write(), as a full disk is
  try {
    return program();
  } catch (const std::bad_alloc&) {
    std::fflush(stdout);
    std::fputs(
        "error: [memory] got less than was asked for, expected more free memory. Use a smaller batch or model.\n",
        stderr);
    return 2;
  } catch (const Error& error) {
    std::fflush(stdout);
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  } catch (const std::filesystem::filesystem_error& error) {
    std::fflush(stdout);
    std::fprintf(stderr, "error: [%s] got %s, expected a file or folder that can be used.\n",
                 error.path1().string().c_str(), error.code().message().c_str());
    return 2;
  } catch (const std::exception& error) {
    std::fflush(stdout);
    std::fprintf(stderr, "error: [minima] got a fault of its own (%s), expected none. Please report the command.\n",
                 error.what());
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

}  // namespace

std::string machine_description() {
  utsname system{};
  uname(&system);
  return text(processor(), ", ", std::thread::hardware_concurrency(), " CPUs, ", system.sysname, " ", system.release,
              "; ", compiler(), ", ", MINIMA_BUILD_TYPE, "; ", core::gemm_description());
}

void print_machine(Device device) {
  const std::string gpu = device == Device::cuda ? " (" + core::cuda_description() + ")" : "";
  std::printf("%s\ndevice %s%s, %d thread%s\n", machine_description().c_str(), name_of(device), gpu.c_str(),
              num_threads(), num_threads() == 1 ? "" : "s");
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
constexpr int interrupts[] = {SIGINT, SIGTERM, SIGHUP};
volatile std::sig_atomic_t arrived = 0, saving = 0, deadly = 0;  // deadly: the signal that is to end the process
time_t first_arrival;                                            // in seconds

void end_process() {
  std::signal(deadly, SIG_DFL);
  std::raise(deadly);
}

void note_interrupt(int signal) {  // in any thread
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  if (arrived == 0) first_arrival = now.tv_sec;
  if (arrived < 3) arrived = arrived + 1;
  if (arrived == 2) {
    const char words[] = "\nThe step under way ends and is saved. One more Ctrl-C ends the program without that.\n";
    (void)!write(STDERR_FILENO, words, sizeof words - 1);
  }
  if (arrived == 3 && now.tv_sec - first_arrival >= 2) {
    deadly = signal;
    if (saving == 0) end_process();
  }
}
}  // namespace

void catch_interrupts() {
  for (const int signal : interrupts)
    if (std::signal(signal, note_interrupt) == SIG_IGN && signal == SIGHUP) std::signal(signal, SIG_IGN);
}

InterruptsWait::InterruptsWait() { saving = saving + 1; }

InterruptsWait::~InterruptsWait() {
  saving = saving - 1;
  if (saving == 0 && deadly != 0) end_process();
}

bool interrupted() { return arrived != 0; }

}  // namespace minima::examples
