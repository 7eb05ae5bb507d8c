// The command line of the example programs: options with defaults, one help text, errors that say what to do.
// CLI11 does the parsing, in command_line.cpp alone.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace minima::examples {

class CommandLine {
 public:
  /// `description` is the paragraph that --help opens with.
  CommandLine(const std::string& program, const std::string& description);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  // Each option writes to `value`, whose present contents are the default that --help shows.
  void option(const std::string& name, std::string& value, const std::string& help);
  void option(const std::string& name, int64_t& value, const std::string& help);
  void option(const std::string& name, double& value, const std::string& help);
  void option(const std::string& name, std::vector<std::string>& comma_separated, const std::string& help);
  void flag(const std::string& name, bool& value, const std::string& help);

  /// False when --help was asked for and printed. An unknown option or an unreadable value is an error.
  bool parse(int argc, const char* const* argv);
  /// After parse(): the options but those in `without`, as they were typed or else their defaults.
  std::map<std::string, std::string> values(const std::vector<std::string>& without) const;

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

/// What the program was called as: "./minima compare" for one started so, else its name.
std::string called_as(const std::string& program);

/// Runs a program: prints an error to stderr and returns 2 for it, else returns what the program returns.
int run_program(const std::function<int()>& program);

/// "a, b and c"
std::string listed(const std::vector<std::string>& words);

}  // namespace minima::examples
