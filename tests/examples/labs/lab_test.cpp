// What labs share: options, tables, verdicts, exit status; and the program that runs them all.
#include "examples/labs/lab.h"

#include <filesystem>

#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::examples;
using namespace minima::test;

namespace {

const LabAbout about{.name = "lab0_test", .title = "Lab 0. Test", .question = "Which?", .refuted_by = "a <b> & c"};

/// Runs a lab in this process; what it prints goes to the test's output.
int run_here(const TemporaryFolder& folder, const std::function<void(Lab&)>& lab, Words words = {}) {
  words.insert(words.begin(), {"lab0_test", "--out", folder.file("out")});
  std::vector<const char*> argv;
  for (const std::string& word : words) argv.push_back(word.c_str());
  return run_lab(static_cast<int>(argv.size()), argv.data(), about, lab);
}

}  // namespace

TEST_CASE("an expectation says what it expects, and NaN satisfies none") {
  CHECK(at_least(5).words == "at least 5");
  CHECK(at_most(1e-10).words == "at most 1e-10");
  CHECK(between(1, 2).words == "1 to 2");
  CHECK(within(8.51, 0.01).words == "8.51 +- 1%");
  CHECK(at_least(5).holds(5));
  CHECK_FALSE(at_least(5).holds(4.999));
  CHECK(at_most(5).holds(5));
  CHECK_FALSE(at_most(5).holds(5.001));
  CHECK(between(1, 2).holds(1.5));
  CHECK_FALSE(between(1, 2).holds(2.001));
  CHECK(within(-10, 0.01).holds(-10.09));
  CHECK_FALSE(within(-10, 0.01).holds(-9.89));
  for (const Expectation& e : {at_least(-INFINITY), at_most(INFINITY), between(-1, 1), within(1, 1)})
    CHECK_FALSE(e.holds(NAN));
}

TEST_CASE("a stated figure that does not hold fails a lab with --check, and only then") {
  TemporaryFolder folder;
  const auto fails = [](Lab& lab) { lab.expect("two", 2, at_least(3)); };
  const auto holds = [](Lab& lab) { lab.expect("two", 2, at_least(1)); };
  CHECK(run_here(folder, fails) == 0);
  CHECK(run_here(folder, fails, {"--check"}) == 1);
  CHECK(run_here(folder, holds, {"--check"}) == 0);
}

TEST_CASE("figures stated for other data or amounts are shown, and fail nothing") {
  TemporaryFolder folder;
  const auto both = [](double before) {
    return [before](Lab& lab) {
      lab.expect("exact", before, at_least(3));
      lab.not_as_stated();
      lab.expect("accurate", 2, at_least(3));
    };
  };
  CHECK(run_here(folder, both(4), {"--check"}) == 0);
  const std::string report = read_bytes(folder.file("out/report.html"));
  CHECK(contains(report, "All 1 hold. The others were stated for the data, network and amounts that are the defaults"));
  CHECK(contains(report, "no, here"));
  CHECK(run_here(folder, both(2), {"--check"}) == 1);
  const auto identity = [](Lab& lab) {
    lab.not_as_stated();
    CHECK(lab.as_stated("SAM wins.").empty());
    lab.expect_always("holds for any data", 2, at_least(3));
  };
  CHECK(run_here(folder, identity, {"--check"}) == 1);
  CHECK(run_here(folder, [](Lab& lab) { CHECK(lab.as_stated("SAM wins.") == "SAM wins."); }) == 0);
}

TEST_CASE("a lab's report holds the question, the verdicts, and what would refute it") {
  TemporaryFolder folder;
  CHECK(run_here(folder, [](Lab& lab) {
          lab.heading("Results");
          lab.say("Said.");
          lab.table("Tabled.", {{"a", "b"}, {"1", "2"}});
          lab.expect("the claim", 0.25, at_least(0.5));
        }) == 0);
  const std::string report = read_bytes(folder.file("out/report.html"));
  for (const char* part : {"Lab 0. Test", "Predict first: Which?", "Results", "Said.", "Tabled.", "the claim",
                           "at least 0.5", "0.25", "NO", "Beyond that: a &lt;b&gt; &amp; c"})
    CHECK_MESSAGE(contains(report, part), std::string(part));
}

TEST_CASE("each row of a lab's metrics names the lab") {
  TemporaryFolder folder;
  CHECK(run_here(folder, [](Lab& lab) {
          const auto [train, test] = datasets::load("two-moons");
          const Problem problem{.data = "two-moons", .model = "mlp:4", .train = train, .test = test, .batch = 100};
          lab.run({.problems = problem, .settings = {{.steps = problem.steps_per_epoch()}}, .seeds = {1}});
        }) == 0);
  const std::vector<std::string> lines = lines_of(folder.file("out/metrics.csv"));
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].starts_with("lab,schema,data,"));
  CHECK(lines[1].starts_with("lab0_test,"));
}

TEST_CASE("a lab records rows into tables by name, each with columns of its own") {
  TemporaryFolder folder;
  CHECK(run_here(folder, [](Lab& lab) {
          lab.record({{"x", 1.5}});
          lab.record("paths", {{"step", int64_t{0}}, {"loss", 0.5}});
          lab.record("paths", {{"step", int64_t{1}}, {"loss", 0.25}});
          CHECK_ERROR(lab.record("paths", {{"epoch", int64_t{1}}}), "expected the columns lab,step,loss");
          CHECK_ERROR(lab.record("metrics", {{"x", 1.5}}), "training runs use it");
        }) == 0);
  CHECK(read_bytes(folder.file("out/measurements.csv")) == "lab,x\nlab0_test,1.5\n");
  CHECK(read_bytes(folder.file("out/paths.csv")) == "lab,step,loss\nlab0_test,0,0.5\nlab0_test,1,0.25\n");
  CHECK(lines_of(folder.file("out/paths.jsonl")).size() == 2);
}

TEST_CASE("a lab whose folder cannot be written is refused before any work") {
  TemporaryFolder folder;
  folder.write("out", "not a directory");
  bool worked = false;
  CHECK(run_here(folder, [&](Lab&) { worked = true; }) == 2);
  CHECK_FALSE(worked);
}

TEST_CASE("an error in a lab, or an option that it does not know, ends it with status 2") {
  TemporaryFolder folder;
  CHECK(run_here(folder, [](Lab&) { fail("lab", "this", "that"); }) == 2);
  CHECK(run_here(folder, [](Lab&) {}, {"--qick"}) == 2);
  CHECK(run_here(folder, [](Lab&) {}, {"--threads", "-1"}) == 2);
}

TEST_CASE("--quick and the lab's own options arrive") {
  TemporaryFolder folder;
  int64_t seeds = 3;
  const std::string out = folder.file("out");
  const char* argv[] = {"lab0_test", "--quick", "--seeds", "7", "--out", out.c_str()};
  const int status = run_lab(
      6, argv, about,
      [&](Lab& lab) {
        CHECK(lab.quick());
        CHECK(lab.out() == out);
        CHECK(seeds == 7);
      },
      [&](CommandLine& line) { line.option("--seeds", seeds, "seeds"); });
  CHECK(status == 0);
}

TEST_CASE("without gnuplot a lab ends well, with the script and a line that says how to get the figure") {
  TemporaryFolder folder;
  const Panel panel{.title = "t", .series = {{.label = "sgd", .style = "sgd", .x = {0, 1}, .y = {1, 2}}}};
  const std::string path = std::getenv("PATH");
  setenv("PATH", folder.path.c_str(), 1);
  const int status =
      run_here(folder, [&](Lab& lab) { lab.figure("one", line_figure("one", "h", {panel}, 1), "Shown."); });
  setenv("PATH", path.c_str(), 1);
  CHECK(status == 0);
  CHECK(std::filesystem::exists(folder.file("out/one.gp")));
  const std::string report = read_bytes(folder.file("out/report.html"));
  CHECK_MESSAGE(contains(report, "Shown. No figures: gnuplot is not installed"), report);
}

TEST_CASE("a paragraph is broken at spaces, and a word that is too long stays whole") {
  CHECK(wrapped("one two three", 7) == "one two\nthree");
  CHECK(wrapped("a abcdefghij b", 5) == "a\nabcdefghij\nb");
  CHECK(wrapped("kept\nas it is", 20) == "kept\nas it is");
}

TEST_CASE("Ctrl-C ends a lab with status 130, and what it measured is kept") {
  TemporaryFolder folder;
  const std::string program = std::filesystem::path(MINIMA_LABS_PROGRAM).parent_path() / "lab2_quadratics";
  const Outcome outcome =
      run_interrupted(folder, {program, "--threads", "1", "--out", folder.file("out")}, 2, "out/rates.csv");
  CHECK(outcome.status == 130);
  CHECK_MESSAGE(contains(outcome.output, "Interrupted; what was measured so far is in"), outcome.output);
  CHECK(lines_of(folder.file("out/rates.csv")).size() > 1);
}

// ---- labs

namespace {

/// The program `labs` among labs that are shell scripts.
struct Labs {
  TemporaryFolder folder;

  Labs() { std::filesystem::copy_file(MINIMA_LABS_PROGRAM, folder.file("labs")); }
  void lab(const std::string& name, const std::string& script) const {
    folder.write(name, "#!/bin/sh\n" + script);
    std::filesystem::permissions(folder.file(name), std::filesystem::perms::owner_all);
  }
  Words words(const std::string& only) const {
    return {folder.file("labs"), "--check", "--only", only, "--out", folder.file("out")};
  }
};

}  // namespace

TEST_CASE("labs goes on after a lab that fails, sums up, and fails itself") {
  Labs labs;
  labs.lab("lab1_surfaces", "echo \"first $*\"; exit 1\n");
  labs.lab("lab2_quadratics", "echo second\n");
  const Outcome outcome = run(labs.folder, labs.words("lab1,lab2"));
  CHECK(outcome.status == 1);
  const std::string arguments = "first --out " + labs.folder.file("out") + "/lab1_surfaces --threads 0 --check";
  for (const std::string& part : {arguments, std::string("second"), std::string("DOES NOT HOLD"), std::string("holds")})
    CHECK_MESSAGE(contains(outcome.output, part), outcome.output);
}

TEST_CASE("labs of which all hold succeed") {
  Labs labs;
  labs.lab("lab1_surfaces", "exit 0\n");
  CHECK(run(labs.folder, labs.words("lab1")).status == 0);
}

TEST_CASE("labs tells an error from a figure that does not hold") {
  Labs labs;
  labs.lab("lab1_surfaces", "exit 2\n");
  const Outcome outcome = run(labs.folder, labs.words("lab1"));
  CHECK(outcome.status == 1);
  CHECK_MESSAGE(contains(outcome.output, "FAILED, exit status 2"), outcome.output);
}

TEST_CASE("labs stops at Ctrl-C: the lab is told, the others are not run") {
  Labs labs;
  const std::string started = labs.folder.file("started");
  labs.lab("lab1_surfaces", "trap 'exit 130' INT\necho started > " + started +
                                "\ni=0; while [ $i -lt 600 ]; do sleep 0.1; i=$((i+1)); done\n");
  labs.lab("lab2_quadratics", "echo second\n");
  Process process(labs.folder, labs.words("lab1,lab2"));
  REQUIRE(wait_for_lines(started, 1));
  process.interrupt();
  CHECK(process.wait() == 130);
  CHECK_MESSAGE(contains(process.output(), "not run"), process.output());
  CHECK_FALSE(contains(process.output(), "second"));
}

TEST_CASE("labs refuses the name of a lab that does not exist, and lists those that do") {
  Labs labs;
  const Outcome outcome = run(labs.folder, labs.words("lab77"));
  CHECK(outcome.status == 2);
  CHECK_MESSAGE(contains(outcome.output, "lab77"), outcome.output);
  CHECK_MESSAGE(contains(outcome.output, "lab1_surfaces, lab2_quadratics"), outcome.output);
}
