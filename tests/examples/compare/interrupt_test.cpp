// Ctrl-C and --resume of compare: the resumed comparison ends as if it had never been interrupted.
#include <nlohmann/json.hpp>

#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::test;

namespace {

/// Some seconds of work, with dropout-free and batch-norm-free speed.
Words comparison(const std::string& out, const Words& more = {}) {
  Words words{MINIMA_COMPARE, "--model",       "mlp:64",      "--epochs", "40",    "--seeds", "2",
              "--optimizers", "adam,sam,msam", "--curvature", "50",       "--out", out};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// The numbers of summary.json that do not depend on the clock.
nlohmann::json repeatable_summary(const std::string& path) {
  auto json = nlohmann::json::parse(read_bytes(path));
  for (auto& run : json.at("runs")) run.erase("seconds"), run.erase("peak_memory_bytes");
  return json;
}

}  // namespace

TEST_CASE("a comparison interrupted twice and resumed equals one that was not interrupted, bit for bit") {
  TemporaryFolder folder;
  REQUIRE(run(folder, comparison(folder.file("whole"))).status == 0);

  const std::string out = folder.file("parts"), metrics = out + "/metrics.csv";
  size_t rows = 15;              // in the first run, and later in the third
  Words more{"--workers", "3"};  // and then one after another, and again side by side
  for (int part = 0; part < 2; ++part, rows = 100, more = {"--resume", "--workers", "1"}) {
    REQUIRE((part == 0 || lines_of(metrics).size() < rows));
    Process process(folder, comparison(out, more), {{"MINIMA_COMMAND", "./minima compare"}});
    REQUIRE(wait_for_lines(metrics, rows));
    process.interrupt();
    const int status = process.wait();
    const std::string output = process.output();
    CAPTURE(output);
    REQUIRE(status == 130);
    CHECK(contains(output, "Interrupted; the state is saved in " + out));
    CHECK(contains(output, "./minima compare --model mlp:64 --epochs 40"));
    CHECK(contains(output, " --resume"));
    CHECK(lines_of(metrics).size() < 1 + 2 * 3 * 40);
    CHECK(!files_like(out, "checkpoint-").empty());
  }
  const Outcome rest = run(folder, comparison(out, {"--resume", "--workers", "2"}));
  CAPTURE(rest.output);
  REQUIRE(rest.status == 0);
  CHECK(repeatable_cells(metrics) == repeatable_cells(folder.file("whole/metrics.csv")));
  CHECK(repeatable_summary(out + "/summary.json") == repeatable_summary(folder.file("whole/summary.json")));
  CHECK_FALSE(std::filesystem::exists(out + "/state.json"));
  CHECK(files_like(out, "checkpoint-").empty());
}

TEST_CASE("resuming with other options is refused by the option's name") {
  TemporaryFolder folder;
  const std::string out = folder.file("out");
  REQUIRE(run_interrupted(folder, comparison(out, {"--augment", "shift=1"}), 3, "out/metrics.csv").status == 130);
  const Outcome without = run(folder, comparison(out, {"--resume"}));
  CHECK(without.status == 2);
  CHECK_MESSAGE(contains(without.output, "got --augment \"\", expected --augment shift=1, as when it was interrupted"),
                without.output);
  const Outcome outcome = run(folder, comparison(out, {"--resume", "--augment", "shift=1", "--momentum", "0.5"}));
  CHECK(outcome.status == 2);
  CHECK_MESSAGE(contains(outcome.output, "got --momentum 0.5, expected --momentum 0.9, as when it was interrupted"),
                outcome.output);
  CHECK(std::filesystem::exists(out + "/state.json"));
}

TEST_CASE("a damaged state file is refused, not believed") {
  TemporaryFolder folder;
  folder.write("out/state.json", "{\"schema\": 2, \"configuration\": {}");
  const Outcome outcome = run(folder, comparison(folder.file("out"), {"--resume"}));
  CHECK(outcome.status == 2);
  CHECK_MESSAGE(contains(outcome.output, "a damaged file"), outcome.output);
}
