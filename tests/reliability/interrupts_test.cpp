// Signals at any moment: what is saved is whole, and a run that goes on ends as if it had never stopped.
#include <random>

#include "tests/reliability/programs.h"

using namespace minima;
using namespace minima::test;
namespace fs = std::filesystem;

namespace {
void sleep_ms(double milliseconds) {
  std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(milliseconds));
}

/// Starts a comparison, or goes on with it where there is something to go on with, with so many runs at once.
Words next_part(const std::string& out, int workers) {
  Words more{"--workers", std::to_string(workers)};
  if (fs::exists(out + "/state.json")) more.push_back("--resume");
  return comparison(out, more);
}

/// Killed twice, each time when it has just saved a checkpoint. `first_report` is what a run from the beginning prints.
void check_goes_on_when_killed(Words (*command)(const std::string& save, const Words& more), const Words& length,
                               const std::string& first_report) {
  const TemporaryFolder folder;
  const Outcome whole = run(folder, command(folder.file("whole"), length));
  REQUIRE(whole.status == 0);
  CHECK(contains(whole.output, first_report));
  const std::string model = folder.file("parts"), checkpoint = model + ".checkpoint";
  Words often = command(model, length);
  often.insert(often.end(), {"--save-every", "0.001"});  // minutes: 60 ms
  Words rest = often;
  rest.push_back("--resume");
  for (const bool resumed : {false, true}) {
    const auto written = [&] {
      return fs::exists(checkpoint) ? fs::last_write_time(checkpoint) : fs::file_time_type();
    };
    auto before = written();
    Process process(folder, resumed ? rest : often);
    for (int i = 0; i < 12000 && !resumed && !contains(process.output(), first_report); ++i) sleep_ms(5);
    if (!resumed) before = written();  // the one that is waited for is after the first report
    for (int i = 0; i < 12000 && written() == before; ++i) sleep_ms(5);
    process.send(SIGKILL);
    REQUIRE(process.wait() == 128 + SIGKILL);
    REQUIRE(fs::exists(checkpoint));
  }
  const Outcome last = run(folder, rest);
  REQUIRE_MESSAGE(last.status == 0, last.output);
  CHECK_FALSE(contains(last.output, first_report));  // it did not begin anew
  CHECK(read_bytes(model) == read_bytes(folder.file("whole")));
  CHECK_FALSE(fs::exists(checkpoint));
}
}  // namespace

TEST_CASE("SIGHUP and SIGTERM save as Ctrl-C does") {
  const TemporaryFolder folder;
  REQUIRE(run(folder, training(folder.file("whole"), {"--epochs", "400"})).status == 0);
  const Words words = training(folder.file("parts"), {"--epochs", "400"});
  for (const int signal : {SIGHUP, SIGTERM}) {
    const bool resumed = fs::exists(folder.file("parts.checkpoint"));
    Words part = words;
    if (resumed) part.push_back("--resume");
    Process process(folder, part);
    REQUIRE(wait_for_lines(folder.file("output.txt"), 8));
    process.send(signal);
    CHECK(process.wait() == 130);
    REQUIRE(fs::exists(folder.file("parts.checkpoint")));
  }
  Words rest = words;
  rest.push_back("--resume");
  REQUIRE(run(folder, rest).status == 0);
  CHECK(read_bytes(folder.file("parts")) == read_bytes(folder.file("whole")));
}

TEST_CASE("under nohup a closed terminal interrupts nothing") {
  const TemporaryFolder folder;
  Process process(folder, after("trap '' HUP", training(folder.file("m"))));
  REQUIRE(wait_for_lines(folder.file("output.txt"), 6));
  process.send(SIGHUP);
  CHECK(process.wait() == 0);
  CHECK(fs::exists(folder.file("m")));
}

// MINIMA_KILLS=50 makes these longer.
TEST_CASE("a second Ctrl-C, milliseconds after the first, waits for the save, and the rest ends with the same bits") {
  const TemporaryFolder folder;
  REQUIRE(run(folder, comparison(folder.file("whole"))).status == 0);
  const std::string expected = findings(folder.file("whole")), out = folder.file("parts");
  const int count = count_from("MINIMA_KILLS", 4);
  std::mt19937 random(1);
  for (int i = 0; i < count; ++i) {
    fs::remove_all(out);
    {
      Process process(folder, next_part(out, 1 + i % 3));
      REQUIRE(wait_for_lines(out + "/metrics.csv", 2 + random() % 24));
      process.interrupt();
      sleep_ms(random() % 8 * 0.5);
      process.send(random() % 2 ? SIGINT : SIGTERM);
      const int status = process.wait();
      CAPTURE(process.output());
      REQUIRE((status == 130 || status == 0));  // 0: it was at its end already
      if (status == 130) CHECK(fs::exists(out + "/state.json"));
    }
    if (fs::exists(out + "/state.json")) {
      const Outcome rest = run(folder, next_part(out, 1 + i % 2));
      REQUIRE_MESSAGE(rest.status == 0, rest.output);
    }
    CHECK(findings(out) == expected);
  }
}

TEST_CASE("a comparison that is killed by SIGKILL at random moments, also while it saves, ends with the same bits") {
  const TemporaryFolder folder;
  const auto start = std::chrono::steady_clock::now();
  REQUIRE(run(folder, comparison(folder.file("whole"))).status == 0);
  const double whole = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  const std::string expected = findings(folder.file("whole")), out = folder.file("parts");
  const int wanted = count_from("MINIMA_KILLS", 4);
  std::mt19937 random(2);
  std::uniform_real_distribution<double> share(0, 1);
  int finished = 0;
  for (int kills = 0; kills < wanted;) {
    Process process(folder, next_part(out, 1 + kills % 3));
    sleep_ms(share(random) * whole);
    if (kills % 2 == 1) process.interrupt(), sleep_ms(3 * share(random));  // in the middle of the save
    process.send(SIGKILL);
    const int status = process.wait();
    CAPTURE(process.output());
    if (status == 128 + SIGKILL) {
      ++kills;
    } else if (status == 0) {
      CHECK(findings(out) == expected);
      fs::remove_all(out);
      ++finished;
    } else {
      REQUIRE(status == 130);
    }
  }
  if (!fs::exists(out) || fs::exists(out + "/state.json") || !fs::exists(out + "/summary.json")) {
    const Outcome rest = run(folder, next_part(out, 2));
    REQUIRE_MESSAGE(rest.status == 0, rest.output);
  }
  CHECK(findings(out) == expected);
  MESSAGE(wanted, " kills, ", finished, " times the end was reached between them");
}

TEST_CASE("resuming with data that have changed is refused") {
  const TemporaryFolder folder;
  std::string rows = "a,b,label\n";
  for (int i = 0; i < 80; ++i) rows += text(i % 7, ",", i * i % 11, ",", i % 2 ? "yes" : "no", "\n");
  const std::string table = folder.write("t.csv", rows);
  const Words data{"--data", table, "--label", "label", "--epochs", "100000"};
  const Words train = training(folder.file("m"), data), compare = comparison(folder.file("out"), data);
  REQUIRE(run_interrupted(folder, train, 20).status == 130);
  REQUIRE(run_interrupted(folder, compare, 20, "out/metrics.csv").status == 130);
  rows[rows.find("1,1,yes")] = '2';
  folder.write("t.csv", rows);
  for (Words words : {train, compare}) {
    words.push_back("--resume");
    const Outcome outcome = run(folder, words);
    CHECK(outcome.status == 2);
    CHECK_MESSAGE(contains(outcome.output, "] got fingerprint of the data "), outcome.output);
    CHECK(contains(outcome.output, "as when it was interrupted. Give the same options and data"));
  }
  CHECK(fs::exists(folder.file("m.checkpoint")));
  CHECK(!files_like(folder.file("out"), "checkpoint-").empty());
}

TEST_CASE("a checkpoint of other runs than those in state.json is not taken for theirs") {
  const TemporaryFolder folder;
  const Words epochs{"--epochs", "80"}, other{"--epochs", "80", "--batch", "32"};
  REQUIRE(run(folder, comparison(folder.file("whole"), epochs)).status == 0);
  REQUIRE(run_interrupted(folder, comparison(folder.file("a"), epochs), 3, "a/metrics.csv").status == 130);
  REQUIRE(run_interrupted(folder, comparison(folder.file("b"), other), 3, "b/metrics.csv").status == 130);
  for (const std::string& name : files_like(folder.file("b"), "checkpoint-"))
    fs::copy_file(folder.file("b/" + name), folder.file("a/" + name), fs::copy_options::overwrite_existing);
  REQUIRE(run(folder, comparison(folder.file("a"), {"--epochs", "80", "--resume"})).status == 0);
  CHECK(findings(folder.file("a")) == findings(folder.file("whole")));
}

TEST_CASE("a training that is killed by SIGKILL goes on from its last periodic checkpoint, to the same bytes") {
  check_goes_on_when_killed(training, {"--epochs", "400"}, "epoch   1 ");
}

TEST_CASE("a language model that is killed by SIGKILL goes on from its last periodic checkpoint, to the same bytes") {
  check_goes_on_when_killed(language_training, {"--steps", "2000"}, "step   200 ");
}

TEST_CASE("a training goes on where a periodic checkpoint cannot be written, and says so") {
  const TemporaryFolder folder;
  const std::string model = folder.file("m");
  fs::create_directory(model + ".checkpoint");
  const Outcome outcome = run(folder, training(model, {"--epochs", "200", "--save-every", "0.0005"}));
  CHECK_MESSAGE(outcome.status == 0, outcome.output);
  CHECK(contains(outcome.output, "note: no checkpoint at step "));
  CHECK(fs::exists(model));
  CHECK(fs::is_directory(model + ".checkpoint"));
}

TEST_CASE("a finished training leaves the checkpoint of an earlier, interrupted one where it is") {
  const TemporaryFolder folder;
  const std::string model = folder.file("m"), checkpoint = model + ".checkpoint";
  const Words longer = training(model, {"--epochs", "400"});
  REQUIRE(run_interrupted(folder, longer, 8).status == 130);
  const std::string before = read_bytes(checkpoint);
  const Outcome other = run(folder, training(model, {"--epochs", "2"}));
  CHECK(other.status == 0);
  CHECK_MESSAGE(contains(other.output, "note: " + checkpoint + " is of an interrupted run."), other.output);
  CHECK(read_bytes(checkpoint) == before);
  Words rest = longer;
  rest.push_back("--resume");
  CHECK(run(folder, rest).status == 0);
  CHECK_FALSE(fs::exists(checkpoint));
}
