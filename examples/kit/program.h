// What every program starts with: its command line (options with defaults, one help text, errors that say what to do),
// the machine it runs on, and Ctrl-C, handled between two training steps: it asks the program to save and stop. An
// option is --name VALUE or --name=VALUE; of two equal ones the last counts.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/dtype.h"

namespace minima::examples {

class CommandLine {
 public:
  /// `description` is the paragraph that --help opens with.
  CommandLine(const std::string& program, const std::string& description);
  CommandLine(const CommandLine&) = delete;  // the options write to their variables
  CommandLine& operator=(const CommandLine&) = delete;

  // Each option writes to `value`, whose present contents are the default that --help shows. A name without dashes is
  // that of a word that stands alone.
  void option(const std::string& name, std::string& value, const std::string& help);
  void option(const std::string& name, int64_t& value, const std::string& help);
  void option(const std::string& name, uint64_t& value, const std::string& help);
  void option(const std::string& name, double& value, const std::string& help);
  void option(const std::string& name, std::vector<std::string>& comma_separated, const std::string& help);
  /// All words that stand alone, as many as there are.
  void words(const std::string& name, std::vector<std::string>& values, const std::string& help);
  /// An option without a value.
  void flag(const std::string& name, bool& value, const std::string& help);

  /// False when --help was asked for and printed. An unknown option or an unreadable value is an error.
  bool parse(int argc, const char* const* argv);
  /// After parse(): the options but those in `without`, as they were typed or else their defaults.
  std::map<std::string, std::string> values(const std::vector<std::string>& without) const;

 private:
  struct Option {
    std::string name, kind, help,
        shown;  ///< kind is TEXT, INT, FLOAT, or empty for a flag; shown: as typed, or the default
    std::function<bool(const std::string&)> read;  ///< false for a text that is no value of the kind
    bool repeated = false;
  };
  void add(const Option& option) { options_.push_back(option); }
  std::string help() const;
  /// Of the words that stand alone, the one that comes `position`-th; with dashes, the one of that name.
  Option* find(const std::string& name, size_t position);
  [[noreturn]] void refuse(const std::string& got, const std::string& expected) const;

  std::string program_, description_;
  std::vector<Option> options_;
};

/// What the program was called as: "./minima compare" for one started so, else its name.
std::string called_as(const std::string& program);

/// A command line as a shell reads it back, as it was typed for one started by ./minima.
std::string shell_command(const std::vector<std::string>& words);

/// Runs a program: prints an error to stderr and returns 2 for it, else returns what the program returns.
int run_program(const std::function<int()>& program);

/// "a, b and c"
std::string listed(const std::vector<std::string>& words);

// ---- the machine

/// "AMD EPYC 9R14, 2 CPUs, Linux 6.1; g++ 12.2.0, Release; OpenBLAS 0.3.21 (Haswell)"
std::string machine_description();

/// Prints machine, device and threads, as every program does first; warns about a build that is slow by intent.
void print_machine(Device device);

/// "cpu" or "cuda" as a Device; anything else, or a GPU that cannot be used, is an error.
Device parse_device(const std::string& name);

// ---- Ctrl-C

/// From now on SIGINT, SIGTERM and SIGHUP (of a terminal that is closed; not under nohup) set a flag instead of ending
/// the process. A second one waits for the save, too, and says so. A third, two seconds after the first or later, ends
/// the process where it is: between two saves, and never within one.
void catch_interrupts();

/// Whether one has arrived.
bool interrupted();

/// No interrupt ends the process within this scope: one that would is heard at its end.
class InterruptsWait {
 public:
  InterruptsWait();
  ~InterruptsWait();
  InterruptsWait(const InterruptsWait&) = delete;
  InterruptsWait& operator=(const InterruptsWait&) = delete;
};

/// The exit status of a program that was interrupted and has saved its state, as shells expect it.
inline constexpr int exit_interrupted = 130;

}  // namespace minima::examples
