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

/// What a pilot found, without times and prices.
json findings(const std::string& out) {
  json pilot = json::parse(read_bytes(out + "/pilot.json"));
  json kept = {{"trials", repeatable_cells(out + "/trials.csv")}, {"metrics", repeatable_cells(out + "/metrics.csv")}};
  for (const char* name : {"advice", "msam_advantage", "low", "high", "p", "better_in", "studies", "more_studies",
                           "cosine_v_g", "slope_along_v", "reason"})
    kept[name] = pilot.at(name);
  return kept;
}

size_t finished_runs(const std::string& out) {
  return json::parse(read_bytes(out + "/state.json")).at("finished").size();
}

/// Runs a pilot of these minutes, or of more where that is what a slow or busy machine asks for.
Outcome in_minutes(double& minutes, const std::function<Outcome()>& attempt) {
  Outcome outcome = attempt();
  for (int i = 0; i < 5 && outcome.status == 2; ++i) {
    const size_t least = outcome.output.find("expected at least ");
    if (least == std::string::npos) break;
    minutes = 1.3 * std::strtod(outcome.output.c_str() + least + 18, nullptr);
    outcome = attempt();
  }
  return outcome;
}

void check_refused(const TemporaryFolder& folder, Words words, const std::vector<std::string>& parts) {
  words.insert(words.begin(), MINIMA_PILOT);
  words.insert(words.end(), {"--out", folder.file("out"), "--model", "mlp:8"});
  const Outcome outcome = run(folder, words);
  CHECK_MESSAGE(outcome.status == 2, "status " << outcome.status);
  for (const std::string& part : parts) CHECK_MESSAGE(contains(outcome.output, part), outcome.output);
  CHECK_FALSE(std::filesystem::exists(folder.file("out")));
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
  check_refused(folder,
                {folder.write("t.csv", "x,kind\n1,a\n5,a\n3,a\n9,a\n4,b\n"), "--label", "kind", "--test",
                 folder.write("test.csv", "x,kind\n1,b\n5,b\n2,a\n")},
                {"3 samples of class \"b\", 1 of them in the training part", "at least 2 in the training part"});
  refused("x,kind\n1,a\n5,\n3,b\n4,b\n", {"label \"kind\"", "got none in line 3"});
  refused("x,kind\n0,a\n1,a\n2,a\n3,b\n4,b\n5,b\n",
          {"no column that can be learnt from", "\"x\" is left out: it counts the rows"});
  const std::string groups =
      folder.write("groups.csv", "x,who,kind\n1,a,p\n5,a,q\n3,a,p\n8,a,q\n9,b,q\n4,b,p\n7,b,q\n2,b,p\n");
  check_refused(folder, {groups, "--label", "kind", "--group", "who"},
                {"got one group only, expected at least two, to train and to test. Tuning holds out groups"});
  check_refused(folder, {folder.file("t.csv"), "--label", "colour"}, {"no column \"colour\"", "\"x\", \"kind\""});
  check_refused(folder, {folder.file("t.csv")},
                {"no name for the label (--label), expected one of the columns \"x\", \"kind\""});
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
  check_refused(folder, {csv, "--label", "kind", "--also", "adam"},
                {"[--also] got adam, expected some of msam+auto, sam+auto. sgd, sam, msam are always compared."});
  check_refused(folder, {csv, "--label", "kind", "--batch", "97"}, {"[--batch] got 97, expected at most "});
}

TEST_CASE("pilot keeps its time, tries equally often, and writes metrics, verdict, figures and one report") {
  TemporaryFolder folder;
  const std::string csv = folder.write("t.csv", table(150));
  double minutes = 0.3, seconds = 0;
  const auto attempt = [&] {
    const auto start = std::chrono::steady_clock::now();
    Outcome outcome =
        run(folder, {MINIMA_PILOT, csv, "--label", "kind", "--minutes", text(minutes), "--model", "mlp:8", "--threads",
                     "1", "--hourly-cost", "2.5", "--language", "ja", "--out", folder.file("out")});
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return outcome;
  };
  const Outcome outcome = in_minutes(minutes, attempt);
  CAPTURE(outcome.output);
  REQUIRE(outcome.status == 0);
  // It stops a tenth over its time at the latest, and then draws figures.
  CHECK_MESSAGE(seconds < 1.1 * 60 * minutes + 30, "it took " << seconds << " s of " << 60 * minutes);
  for (const char* part : {"The rule, fixed before any result is seen", "halved", "Generalisation",
                           "Time and memory paid", "Money", "何を比べたか", "Sharpness", "Stability of the curves",
                           "Does the momentum carry", "Two warnings", "Tuning", "open report.html"})
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
  for (const char* part :
       {"Quality on the test part", "balanced acc %", "calibration error", "label, then predicted as", "epoch of MSAM"})
    CHECK_MESSAGE(contains(report, part), part);
}

TEST_CASE("pilot judges a quantity by R2, in its table, its verdict and its report, and a further arm as well") {
  TemporaryFolder folder;
  Generator random{3, 0};
  const auto noise = random.normal({300}).to_vector<double>();
  std::string csv = "x,y,price\n";
  for (int i = 0; i < 150; ++i) {
    const double x = noise[2 * i], y = noise[2 * i + 1];
    csv += text(x, ",", y, ",", 1000 + 20 * x - 10 * x * y, "\n");
  }
  folder.write("t.csv", csv);
  double minutes = 0.3;
  const auto attempt = [&] {
    return run(folder, {MINIMA_PILOT,
                        folder.file("t.csv"),
                        "--label",
                        "price",
                        "--task",
                        "regression",
                        "--minutes",
                        text(minutes),
                        "--model",
                        "mlp:8",
                        "--threads",
                        "1",
                        "--hourly-cost",
                        "2.5",
                        "--runs-per-month",
                        "40",
                        "--language",
                        "ja",
                        "--also",
                        "msam+auto",
                        "--out",
                        folder.file("out")});
  };
  const Outcome outcome = in_minutes(minutes, attempt);
  CAPTURE(outcome.output);
  REQUIRE(outcome.status == 0);
  const json pilot = json::parse(read_bytes(folder.file("out/pilot.json")));
  const std::string report = read_bytes(folder.file("out/report.html"));
  if (pilot.at("studies") >= 3)
    CHECK(contains(pilot.at("reason").get<std::string>(), "R2"));  // else there were too few
  for (const std::string& shown : {outcome.output, report}) {
    CHECK(contains(shown, "R2"));
    CHECK_FALSE(contains(shown, "accuracy"));
  }
  if (pilot.at("studies") >= 3) CHECK(contains(pilot.at("msam+auto_reason").get<std::string>(), "R2"));
  CHECK(pilot.at("msam+auto_trials").get<int64_t>() < pilot.at("trials_per_optimizer").get<int64_t>());
  CHECK(contains(report, "MSAM（半径自動調整）"));
  CHECK(contains(outcome.output, "(msam+auto):"));
  // The switch has a price, or none where the machine did other work.
  CHECK(contains(report, "1時間あたり2.5、月40回") + contains(report, "費用もわかりません") == 1);
  for (const char* part : {"Quality on the test part", "root mean squared error"})
    CHECK_MESSAGE(contains(report, part), part);
}

TEST_CASE("Ctrl-C ends the comparison with what is finished, and a pilot still tuning without a verdict") {
  TemporaryFolder folder;
  const std::string csv = folder.write("t.csv", table(150));
  const auto words = [&](const std::string& out) {
    return Words{MINIMA_PILOT, csv,        "--label", "kind",      "--minutes", "1",     "--model",
                 "mlp:8",      "--epochs", "30",      "--threads", "1",         "--out", folder.file(out)};
  };
  {
    Process process(folder, words("out"));
    REQUIRE(wait_for_lines(folder.file("out/trials.csv"), 3));
    process.interrupt();
    CHECK(process.wait() == 130);
    CHECK_MESSAGE(contains(process.output(), "Stopped before the first study"), process.output());
    CHECK(contains(process.output(), "The state is saved. To go on:\n"));
    CHECK_FALSE(std::filesystem::exists(folder.file("out/pilot.json")));
  }
  Process process(folder, words("more"));
  REQUIRE(wait_for_lines(folder.file("more/trials.csv"), 3));
  const json plan =
      json::parse(json::parse(read_bytes(folder.file("more/state.json"))).at("program").at("plan").get<std::string>());
  const size_t rows_of_a_study = 3 * 30 * plan.at(4).get<size_t>();  // optimizers, epochs, seeds
  REQUIRE(wait_for_lines(folder.file("more/metrics.csv"), 1 + rows_of_a_study + 1));
  process.interrupt();
  CHECK(process.wait() == 130);
  CHECK_MESSAGE(contains(read_bytes(folder.file("more/report.html")), "The pilot was stopped early; this is what was "),
                process.output());
}

TEST_CASE("a pilot that is interrupted, killed and resumed ends with the verdict of one that was not, bit for bit") {
  TemporaryFolder folder;
  const std::string csv = folder.write("t.csv", table(60)), whole = folder.file("whole"), parts = folder.file("parts");
  const auto pilot = [&](const std::string& out, const Words& more) {
    Words words{MINIMA_PILOT, csv,        "--label", "kind",      "--minutes", "2",     "--model",
                "mlp:4",      "--epochs", "20",      "--threads", "1",         "--out", out};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  {
    Process process(folder, pilot(whole, {}));
    REQUIRE(wait_for_lines(whole + "/trials.csv", 3));
    process.send(SIGKILL);
    REQUIRE(process.wait() == 128 + SIGKILL);
  }
  // The plan depends on the speed of the machine: here it is the smallest one, and nothing is finished yet.
  json state = json::parse(read_bytes(whole + "/state.json"));
  state["program"]["plan"] = "[2, 2, 2, 20, 1, 5, 1, 1.0, 1.0]";
  state["finished"] = json::array();
  folder.write("whole/state.json", state.dump());
  std::filesystem::copy(whole, parts);
  const Outcome without_a_break = run(folder, pilot(whole, {"--resume", "--minutes", "30"}));
  REQUIRE_MESSAGE(without_a_break.status == 0, without_a_break.output);
  CHECK_FALSE(std::filesystem::exists(whole + "/state.json"));
  CHECK(findings(whole).at("studies") == examples::most_pilot_studies);  // all that it may do, so in less than its time

  {
    Process process(folder, pilot(parts, {"--resume"}));
    REQUIRE(wait_for_lines(parts + "/metrics.csv", 200));
    process.interrupt();
    CHECK(process.wait() == 130);
    CHECK_MESSAGE(contains(process.output(), "and the state is saved. To go on:\n"), process.output());
  }
  const size_t interrupted_at = finished_runs(parts);
  CHECK(interrupted_at > 50);
  {
    Process process(folder, pilot(parts, {"--resume"}));
    for (int i = 0; i < 12000 && finished_runs(parts) == interrupted_at; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    process.send(SIGKILL);
    REQUIRE(process.wait() == 128 + SIGKILL);
  }
  CHECK(finished_runs(parts) > interrupted_at);  // it saves from time to time
  const Outcome rest = run(folder, pilot(parts, {"--resume", "--minutes", "30", "--language", "ja"}));
  REQUIRE_MESSAGE(rest.status == 0, rest.output);
  CHECK(contains(rest.output, "Goes on after "));
  CHECK(findings(parts) == findings(whole));
  CHECK_FALSE(std::filesystem::exists(parts + "/state.json"));
}

TEST_CASE("a pilot is resumed with the same options and data alone, and the minutes that it has used count") {
  TemporaryFolder folder;
  const std::string csv = folder.write("t.csv", table(60)), out = folder.file("out");
  const auto pilot = [&](const Words& more) {
    Words words{MINIMA_PILOT, csv,     "--label",  "kind", "--minutes", "2",
                "--model",    "mlp:4", "--epochs", "10",   "--out",     out};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  const auto refused = [&](const Words& more, const std::string& part) {
    const Outcome outcome = run(folder, pilot(more));
    CHECK(outcome.status == 2);
    CHECK_MESSAGE(contains(outcome.output, part), outcome.output);
  };
  refused({"--resume"}, "state.json] got no such file");
  CHECK_FALSE(std::filesystem::exists(out));
  {
    Process process(folder, pilot({}));
    REQUIRE(wait_for_lines(out + "/trials.csv", 3));
    process.interrupt();
    REQUIRE(process.wait() == 130);
  }
  refused({"--resume", "--epochs", "11"}, "got --epochs 11, expected --epochs 10, as when it was interrupted");
  refused({"--resume", "--margin", "0.1"}, "got --margin 0.1, expected --margin 0.5");
  json state = json::parse(read_bytes(out + "/state.json"));
  state["program"]["plan"] = "[2, 2, 2, 10, 1, 5, 1, 1.0, 1.0]";  // the smallest one
  state["program"]["seconds"] = "119.9";
  state["finished"] = json::array();
  folder.write("out/state.json", state.dump());
  const Outcome late = run(folder, pilot({"--resume"}));  // a tenth longer than its time it may work, then it ends
  CHECK_MESSAGE(late.status == 0, late.output);
  state["program"]["seconds"] = "133";
  folder.write("out/state.json", state.dump());
  const Outcome too_late = run(folder, pilot({"--resume"}));
  CHECK(too_late.status == 1);
  CHECK_MESSAGE(contains(too_late.output, "The state is saved. To go on with more --minutes:\n"), too_late.output);
  CHECK(std::filesystem::exists(out + "/state.json"));
  state["program"]["seconds"] = "inf";
  folder.write("out/state.json", state.dump());
  refused({"--resume"}, "[--resume] got a state without a plan, or with a damaged one, expected");
  state["program"].erase("plan");
  folder.write("out/state.json", state.dump());
  refused({"--resume"}, "[--resume] got a state without a plan");
  folder.write("t.csv", table(60, 2));
  refused({"--resume"}, "got fingerprint of the data ");
}

TEST_CASE("pilot --help states the rule") {
  TemporaryFolder folder;
  const Outcome outcome = run(folder, {MINIMA_PILOT, "--help"});
  CHECK(outcome.status == 0);
  CHECK_MESSAGE(contains(outcome.output, "fixed before any result is seen"), outcome.output);
}
