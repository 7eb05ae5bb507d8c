// pilot as a program: what it refuses and how, that it keeps its time, what it writes, and Ctrl-C.
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>

#include "core/random.h"
#include "examples/pilot/plan.h"
#include "tests/check.h"
#include "tests/datasets/images_for_tests.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::test;
using nlohmann::json;

namespace {

/// A table of two features and three classes that overlap.
std::string table(int rows, uint64_t seed = 1) {
  Generator random{seed, 0};
  const auto noise = random.normal({2 * rows}).to_vector<double>();
  std::string csv = "x,y,kind\n";
  for (int i = 0; i < rows; ++i)
    csv += text(noise[2 * i] + 2 * (i % 3), ",", noise[2 * i + 1] + (i % 2), ",kind", i % 3, "\n");
  return csv;
}

std::string image(int width, int height, uint8_t level) {
  return png(width, height, PNG_FORMAT_GRAY, Pixels(static_cast<size_t>(width) * height, level));
}

void check_refused(const TemporaryFolder& folder, Words words, const std::vector<std::string>& parts) {
  words.insert(words.begin(), MINIMA_PILOT);
  words.insert(words.end(), {"--out", folder.file("out"), "--model", "mlp:8"});
  const Outcome outcome = run(folder, words);
  CHECK_MESSAGE(outcome.status == 2, "status " << outcome.status);
  for (const std::string& part : parts) CHECK_MESSAGE(contains(outcome.output, part), outcome.output);
}

}  // namespace

TEST_CASE("pilot refuses a table that it cannot learn from, and says what to do") {
  TemporaryFolder folder;
  const auto refused = [&](const std::string& csv, const std::vector<std::string>& parts) {
    check_refused(folder, {folder.write("t.csv", csv), "--label", "kind"}, parts);
  };
  refused("x,kind\n1,a\n2,a\n3,a\n", {"label \"kind\"", "one class only, \"a\""});
  refused("x,kind\n1,a\n5,b\n3,c\n", {"t.csv]", "3 samples, none of a class like another's"});
  refused("x,kind\n1,a\n5,a\n3,b\n4,b\n", {"2 samples of class \"a\"", "one each for training, validation and test"});
  refused("x,kind\n1,a\n5,\n3,b\n4,b\n", {"label \"kind\"", "got none in line 3"});
  refused("x,kind\n0,a\n1,a\n2,a\n3,b\n4,b\n5,b\n",
          {"no column that can be learnt from", "\"x\" is left out: it counts the rows"});
  check_refused(folder, {folder.file("t.csv"), "--label", "colour"}, {"no column \"colour\"", "\"x\", \"kind\""});
  check_refused(folder, {folder.file("t.csv")}, {"no name for the label"});
}

TEST_CASE("pilot refuses a folder with a file that is no image, and a label for it") {
  TemporaryFolder folder;
  for (const char* name : {"a/0", "a/1", "a/2", "b/0", "b/1"})
    folder.write(text("data/", name, ".png"), image(4, 4, name[0] == 'a' ? 10 : 200));
  folder.write("data/b/2.png", "words");
  check_refused(folder, {folder.file("data")}, {"data/b/2.png] got what cannot be read as an image"});
  check_refused(folder, {folder.file("data"), "--label", "kind"}, {"the names of the folders inside are the classes"});
}

TEST_CASE("pilot refuses a time that is none, or too short for anything, with what would do") {
  TemporaryFolder folder;
  const std::string csv = folder.write("t.csv", table(120));
  for (const char* minutes : {"0", "-1", "nan"})
    check_refused(folder, {csv, "--label", "kind", "--minutes", minutes}, {"[--minutes] got ", "a time above 0"});
  check_refused(folder, {csv, "--label", "kind", "--minutes", "0.01"},
                {"[--minutes] got 0.01, expected at least ",
                 "The smallest plan is 8 trials for each of three optimizers in each of 5 studies"});
  check_refused(folder, {}, {"no data"});
  check_refused(folder, {csv, "--label", "kind", "--hourly-cost", "-1"}, {"[--hourly-cost] got -1"});
  check_refused(folder, {csv, "--label", "kind", "--language", "de"}, {"[--language] got de, expected en or ja"});
  check_refused(folder, {csv, "--label", "kind", "--measure", "speed"}, {"accuracy or loss"});
  check_refused(folder, {csv, "--label", "kind", "--batch", "97"}, {"[--batch] got 97, expected at most "});
}

TEST_CASE("pilot keeps its time, tries equally often, and writes metrics, verdict, figures and one report") {
  TemporaryFolder folder;
  const std::string csv = folder.write("t.csv", table(150));
  double minutes = 0.3, seconds = 0;
  Outcome outcome;
  const auto attempt = [&] {
    const auto start = std::chrono::steady_clock::now();
    outcome = run(folder, {MINIMA_PILOT, csv, "--label", "kind", "--minutes", text(minutes), "--model", "mlp:8",
                           "--threads", "1", "--hourly-cost", "2.5", "--language", "ja", "--out", folder.file("out")});
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  attempt();
  const size_t least = outcome.output.find("expected at least ");
  if (outcome.status == 2 && least != std::string::npos) {  // on a machine that is busy: what it asks for must do
    minutes = std::strtod(outcome.output.c_str() + least + 18, nullptr);
    attempt();
  }
  CAPTURE(outcome.output);
  REQUIRE(outcome.status == 0);
  CHECK_MESSAGE(seconds < 1.2 * 60 * minutes, "it took " << seconds << " s of " << 60 * minutes);
  for (const char* part : {"The rule, fixed before any result is seen", "Plan for ", "Generalisation",
                           "Time and memory paid", "Money", "何を比べたか", "Sharpness", "Stability of the curves",
                           "Does the momentum carry", "Two warnings", "Tuning", "epoch of MSAM", "open report.html"})
    CHECK_MESSAGE(contains(outcome.output, part), part);

  const json pilot = json::parse(read_bytes(folder.file("out/pilot.json")));
  CHECK(contains(outcome.output, pilot.at("reason").get<std::string>().substr(0, 30)));
  CHECK(pilot.at("studies") >= 3);
  std::map<std::string, int> trials;
  for (const std::string& line : lines_of(folder.file("out/trials.jsonl")))
    ++trials[json::parse(line).at("optimizer").get<std::string>()];
  const int64_t studies = pilot.at("studies").get<int64_t>(), each = pilot.at("trials_per_optimizer").get<int64_t>();
  for (const char* name : {"sgd", "sam", "msam"})  // beyond the edges of the grids one may have more than another
    CHECK_MESSAGE(trials[name] >= examples::halving_runs(each) * studies, name << " has " << trials[name]);
  const json first = json::parse(lines_of(folder.file("out/trials.jsonl"))[0]);
  CHECK(first.contains("validation_loss"));
  CHECK_FALSE(first.contains("test_loss"));
  CHECK(lines_of(folder.file("out/metrics.csv")).size() > 3 * 5);
  CHECK(json::parse(read_bytes(folder.file("out/summary.json"))).at("runs").size() ==
        3 * studies * pilot.at("seeds_per_study").get<int64_t>());
  const std::string report = read_bytes(folder.file("out/report.html"));
  const size_t half_page = report.find("<section class=\"answers\" lang=\"ja\">");
  CHECK(half_page < report.find("class=\"statement\""));  // the report opens with it
  CHECK(pilot.at("tuning_cost").get<double>() > 0);
}

TEST_CASE("Ctrl-C ends the comparison with what is finished, and a pilot still tuning without a verdict") {
  TemporaryFolder folder;
  const std::string csv = folder.write("t.csv", table(150));
  const Words words{MINIMA_PILOT, csv,        "--label", "kind",      "--minutes", "1",     "--model",
                    "mlp:8",      "--epochs", "30",      "--threads", "1",         "--out", folder.file("out")};
  {
    Process process(folder, words);
    REQUIRE(wait_for_lines(folder.file("out/trials.csv"), 3));
    process.interrupt();
    CHECK(process.wait() == 130);
    CHECK_MESSAGE(contains(process.output(), "Stopped before the first study"), process.output());
    CHECK_FALSE(std::filesystem::exists(folder.file("out/pilot.json")));
  }
  Process process(folder, words);
  REQUIRE(wait_for_lines(folder.file("out/metrics.csv"), 300));  // a study has at most 9 runs of 30 epochs
  process.interrupt();
  CHECK(process.wait() == 130);
  CHECK_MESSAGE(contains(read_bytes(folder.file("out/report.html")), "The pilot was stopped early; this is what was "),
                process.output());
}

TEST_CASE("pilot --help states the rule") {
  TemporaryFolder folder;
  const Outcome outcome = run(folder, {MINIMA_PILOT, "--help"});
  CHECK(outcome.status == 0);
  CHECK_MESSAGE(contains(outcome.output, "fixed before any result is seen"), outcome.output);
}
