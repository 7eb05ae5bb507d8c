// The page about the kit: its program is one that runs, and its lists name every header.
#include <filesystem>

#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::test;

namespace {
const std::string kit = std::string(MINIMA_SOURCE_DIR) + "/examples/kit";
}

TEST_CASE("the program on the kit's page is one that compiles, runs, and says what it is said to say") {
  const std::string program = read_bytes(MINIMA_SOURCE_DIR "/tests/examples/kit/own_program.cpp");
  CHECK(contains(read_bytes(kit + "/README.md"), "```cpp\n" + program + "```\n"));
  TemporaryFolder folder;
  const Outcome outcome = run(folder, {"/bin/sh", "-c", "cd " + folder.path.string() + " && " MINIMA_OWN_PROGRAM});
  CAPTURE(outcome.output);
  CHECK(outcome.status == 0);
  for (const char* part : {"sgd   ", "msam  ", " +- ", "msam - sgd: ", " points"})
    CHECK(contains(outcome.output, part));
  CHECK(lines_of(folder.file("runs/own/metrics.csv")).size() == 1 + 2 * 5 * 5);
}

TEST_CASE("the kit's page names every header, and none that is not there") {
  const std::string page = read_bytes(kit + "/README.md");
  size_t headers = 0, rows = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kit))
    if (entry.path().extension() == ".h") {
      ++headers;
      CHECK_MESSAGE(contains(page, "| `" + entry.path().filename().string() + "` |"), entry.path().filename());
    }
  for (size_t at = page.find(".h` |"); at != std::string::npos; at = page.find(".h` |", at + 1)) ++rows;
  CHECK(rows == headers);
}
