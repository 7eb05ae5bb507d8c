// train as a program: it trains, and refuses what cannot work. Ctrl-C and --resume: train_resume_test.cpp.
#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::test;

TEST_CASE("train reaches a good accuracy on the digits and saves its weights") {
  TemporaryFolder folder;
  const Outcome outcome = run(folder, {MINIMA_TRAIN, "--epochs", "8", "--save", folder.file("model.safetensors")});
  CAPTURE(outcome.output);
  REQUIRE(outcome.status == 0);
  const size_t at = outcome.output.rfind("test accuracy ");
  REQUIRE(at != std::string::npos);
  CHECK(std::stod(outcome.output.substr(at + 14)) > 90);
  CHECK(std::filesystem::exists(folder.file("model.safetensors")));
}

TEST_CASE("train refuses what cannot work") {
  TemporaryFolder folder;
  auto refused = [&](const Words& more, const std::string& part) {
    Words words{MINIMA_TRAIN, "--save", folder.file("m")};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = run(folder, words);
    CHECK(outcome.status == 2);
    CHECK_MESSAGE(contains(outcome.output, part), outcome.output);
  };
  refused({"--optimizer", "magic"}, "magic");
  refused({"--model", "magic"}, "magic");
  refused({"--lr", "-1"}, "[--lr] got -1");
  refused({"--lr", "nan"}, "[--lr] got nan");
  refused({"--lr", "inf"}, "[--lr] got inf");
  refused({"--seed", "-1"}, "[--seed] got -1");
  refused({"--label", "x"}, "[--label] got \"x\"");
  refused({"--save", "/nonexistent/folder/m"}, "expected a file that can be written");
  refused({"--batch", "5000"}, "5000");
  refused({"--resume"}, "m.checkpoint");
  refused({"--lr", "1e6", "--optimizer", "sgd"}, "with learning rate 99");
}

TEST_CASE("a training whose last step diverged fails and saves nothing") {
  TemporaryFolder folder;
  const Outcome outcome = run(folder, {MINIMA_TRAIN, "--optimizer", "sgd", "--lr", "1e38", "--epochs", "1", "--batch",
                                       "1437", "--save", folder.file("m")});
  CHECK(outcome.status == 2);
  CHECK_MESSAGE(contains(outcome.output, "[sgd] got test loss nan at step 1"), outcome.output);
  CHECK_FALSE(std::filesystem::exists(folder.file("m")));
}

TEST_CASE("Ctrl-C promises what --resume of this build then does") {
  TemporaryFolder folder;
  const Words words{MINIMA_TRAIN, "--epochs", "200", "--save", folder.file("m")};
  Process process(folder, words);
  REQUIRE(wait_for_lines(folder.file("output.txt"), 4));
  process.interrupt();
  CHECK(process.wait() == 130);
  const bool promised = contains(process.output(), "the same command with --resume goes on.");
  Words resumed = words;
  resumed.push_back("--resume");
  Process second(folder, resumed);
  if (promised) {
    REQUIRE(wait_for_lines(folder.file("output.txt"), 4));
    second.interrupt();
  }
  CHECK(second.wait() == (promised ? 130 : 2));
}

#if !MINIMA_TRAIN_HAS_MPI
TEST_CASE("--distributed in a build without MPI is refused, and says what to install") {
  TemporaryFolder folder;
  const Outcome outcome = run(folder, {MINIMA_TRAIN, "--distributed", "--save", folder.file("m")});
  CHECK(outcome.status == 2);
  CHECK_MESSAGE(contains(outcome.output,
                         "[distributed] got a build without MPI, expected one with it. Install an MPI "
                         "library (Debian: libopenmpi-dev and openmpi-bin)"),
                outcome.output);
}
#endif
