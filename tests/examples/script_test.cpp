// ./minima, as far as it can be tested without installing or building anything.
#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::test;

TEST_CASE("./minima without a word lists its commands and every program") {
  TemporaryFolder folder;
  const Outcome outcome = run(folder, {"/bin/sh", MINIMA_SOURCE_DIR "/minima"});
  CHECK(outcome.status == 0);
  for (const char* part : {"./minima test", "./minima bench", "  compare: ", "  train: "})
    CHECK_MESSAGE(contains(outcome.output, part), outcome.output);
}

TEST_CASE("./minima refuses a program that does not exist, and says which do") {
  TemporaryFolder folder;
  const Outcome outcome = run(folder, {"/bin/sh", MINIMA_SOURCE_DIR "/minima", "compere"});
  CHECK(outcome.status == 1);
  CHECK_MESSAGE(contains(outcome.output, "there is no program \"compere\""), outcome.output);
  CHECK_MESSAGE(contains(outcome.output, "  compare: "), outcome.output);
}
