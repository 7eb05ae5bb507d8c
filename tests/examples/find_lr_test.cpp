// find_lr as a program: what it suggests, its files, and what it refuses.
#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::test;

TEST_CASE("find_lr suggests a learning rate, and writes every step and a figure") {
  TemporaryFolder folder;
  const Words words{MINIMA_FIND_LR, "--data", "digits", "--model",         "mlp:32",
                    "--steps",      "60",     "--out",  folder.file("out")};
  const Outcome outcome = run(folder, words);
  CAPTURE(outcome.output);
  CHECK(outcome.status == 0);
  CHECK(contains(outcome.output, "suggested: --lr 0.0"));
  CHECK(lines_of(folder.file("out/range.csv")).size() > 30);
  CHECK(lines_of(folder.file("out/range.csv")).size() <= 61);
  CHECK(contains(read_bytes(folder.file("out/range.gp")), "learning rate"));
  const Outcome refused =
      run(folder, {MINIMA_FIND_LR, "--lowest", "1", "--highest", "0.1", "--out", folder.file("out")});
  CHECK(refused.status == 2);
  CHECK(contains(refused.output, "got learning rates from 1 to 0.1"));
}

TEST_CASE("find_lr suggests nothing where the loss never fell, and says what it found before a file fails") {
  TemporaryFolder folder;
  const auto with = [&](const Words& more) {
    Words words{MINIMA_FIND_LR, "--data", "digits", "--model", "mlp:32", "--steps", "60", "--out", folder.file("out")};
    words.insert(words.end(), more.begin(), more.end());
    return run(folder, words);
  };
  const Outcome rising = with({"--lowest", "100", "--highest", "1000"});
  CHECK(rising.status == 0);
  CHECK_MESSAGE(contains(rising.output, "the smoothed loss never fell below"), rising.output);
  CHECK_FALSE(contains(rising.output, "suggested"));
  std::filesystem::remove(folder.file("out/range.csv"));
  std::filesystem::create_directory(folder.file("out/range.csv"));  // where it cannot be written
  const Outcome unwritten = with({});
  CHECK(unwritten.status == 2);
  CHECK_MESSAGE(contains(unwritten.output, "suggested: --lr 0.0"), unwritten.output);
}
