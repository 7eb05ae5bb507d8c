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
