// train as a program: Ctrl-C and --resume leave no trace in the weights.
#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::test;

namespace {
Words training(const std::string& save, const Words& more = {}) {
  Words words{MINIMA_TRAIN, "--epochs", "400", "--model", "mlp:64", "--save", save};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}
}  // namespace

TEST_CASE("a training that is interrupted and resumed saves the same bytes as one that was not") {
  TemporaryFolder folder;
  const std::string whole = folder.file("whole.safetensors"), parts = folder.file("parts.safetensors");
  for (const char* optimizer : {"adam", "sam", "msam"}) {
    CAPTURE(std::string(optimizer));
    Words method{"--optimizer", optimizer, "--lr", "0.01"};
    if (optimizer == std::string("msam")) method.insert(method.end(), {"--augment", "shift=1,cutout=2,mixup=0.3"});
    REQUIRE(run(folder, training(whole, method)).status == 0);
    const Outcome part = run_interrupted(folder, training(parts, method), 8);
    REQUIRE_MESSAGE(part.status == 130, part.output);
    CHECK(contains(part.output, "the same command with --resume goes on"));
    auto resumed = [&](const Words& more) {
      Words words = training(parts, method);
      words.push_back("--resume");
      words.insert(words.end(), more.begin(), more.end());
      return run(folder, words);
    };
    const Outcome other = resumed({"--epochs", "401"});
    CHECK(other.status == 2);
    CHECK_MESSAGE(contains(other.output, "got --epochs 401, expected --epochs 400"), other.output);
    CHECK_MESSAGE(contains(resumed({"--batch", "32"}).output, "got --batch 32"), "another batch was believed");
    REQUIRE(resumed({}).status == 0);
    CHECK(read_bytes(parts) == read_bytes(whole));
    CHECK_FALSE(std::filesystem::exists(parts + ".checkpoint"));
  }
}

TEST_CASE("a training without a checkpoint cannot be resumed, and is told so") {
  TemporaryFolder folder;
  const Outcome refused = run(folder, training(folder.file("m.safetensors"), {"--resume"}));
  CHECK(refused.status == 2);
  CHECK_MESSAGE(contains(refused.output,
                         "m.safetensors.checkpoint, expected the checkpoint of an interrupted run. Run "
                         "without --resume to start one."),
                refused.output);
}
