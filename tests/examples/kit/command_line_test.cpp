// The parser of the command line: what it accepts, what it refuses, and its help.
#include "examples/kit/program.h"
#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::examples;
using namespace minima::test;

namespace {

/// A program with an option of every kind.
struct Program {
  std::string text = "before", file = "none";
  int64_t count = 3;
  double rate = 0.5;
  std::vector<std::string> list{"a", "b"};
  bool on = false;
  CommandLine line{"program", "Does it."};

  Program() {
    line.option("--text", text, "some words");
    line.option("--count", count, "a whole number");
    line.option("--rate", rate, "a number");
    line.option("--list", list, "names with commas between");
    line.flag("--on", on, "switches it on");
    line.option("file", file, "a word that stands alone");
  }
  bool parse(std::vector<const char*> words) {
    words.insert(words.begin(), "program");
    return line.parse(static_cast<int>(words.size()), words.data());
  }
};

}  // namespace

TEST_CASE("an option is --name VALUE or --name=VALUE, the last one counts, and a word may stand alone") {
  Program program;
  CHECK(program.parse({"--text", "a=b", "--count=7", "data.csv", "--rate", "-1e-3", "--count", "-8", "--on", "--list",
                       "x,y,z", "--text="}));
  CHECK(program.text == "");
  CHECK(program.count == -8);
  CHECK(program.rate == -1e-3);
  CHECK(program.list == std::vector<std::string>{"x", "y", "z"});
  CHECK(program.on);
  CHECK(program.file == "data.csv");
}

TEST_CASE("options that were not given keep their defaults, and values() tells both") {
  Program program;
  CHECK(program.parse({"--rate", "0.10"}));
  CHECK(program.count == 3);
  CHECK(!program.on);
  const std::map<std::string, std::string> expected{
      {"--text", "before"}, {"--count", "3"}, {"--rate", "0.10"}, {"--on", "false"}, {"file", "none"}};
  CHECK(program.line.values({"--list"}) == expected);
}

TEST_CASE("what is no option, and a value that is none, are refused by name with what was expected") {
  const auto refused = [](std::vector<const char*> words) {
    Program program;
    return error_of([&] { program.parse(words); });
  };
  CHECK(contains(refused({"--txt", "a"}), "[program] got \"--txt\", expected one of its options"));
  CHECK(contains(refused({"one", "two"}), "[program] got \"two\""));
  CHECK(contains(refused({"-x"}), "got \"-x\""));
  CHECK(contains(refused({"--text"}), "got --text without a value, expected --text TEXT"));
  CHECK(contains(refused({"--text", "--on"}), "--text without a value"));
  CHECK(contains(refused({"--on=1"}), "got --on=1, expected --on without a value"));
  for (const char* word : {"", "x", "1.5", "7 ", "99999999999999999999"})
    CHECK(contains(refused({"--count", word}), text("--count \"", word, "\", expected a whole number")));
  for (const char* word : {"", "x", "1.5.", "1 2"})
    CHECK(contains(refused({"--rate", word}), text("--rate \"", word, "\", expected a number")));
  CHECK(contains(refused({"--txt"}), "program --help` lists the options"));
}

TEST_CASE("--help shows every option with its kind, its default and its purpose, in 100 columns") {
  TemporaryFolder folder;
  const Outcome outcome = run(folder, {MINIMA_TRAIN, "--help"});
  CHECK(outcome.status == 0);
  for (const char* part : {"Trains one model", "Usage: train [OPTIONS]", "  --lr FLOAT=0.05             learning rate",
                           "  --label TEXT                column", "  --resume                    go on"})
    CHECK_MESSAGE(contains(outcome.output, part), outcome.output);
  std::istringstream lines(outcome.output);
  for (std::string line; std::getline(lines, line);) CHECK_MESSAGE(line.size() <= 100, line);
}
