// train as a program: it trains, and Ctrl-C and --resume leave no trace in the weights.
#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::test;

namespace {
Words training(const std::string& save, const Words& more = {}) {
  Words words{MINIMA_TRAIN, "--epochs", "60", "--model", "mlp:64", "--save", save};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}
}  // namespace

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

TEST_CASE("a training that is interrupted and resumed saves the same bytes as one that was not") {
  TemporaryFolder folder;
  const std::string whole = folder.file("whole.safetensors"), parts = folder.file("parts.safetensors");
  for (const char* optimizer : {"adam", "sam", "msam"}) {
    CAPTURE(std::string(optimizer));
    const Words method{"--optimizer", optimizer, "--lr", "0.01"};
    REQUIRE(run(folder, training(whole, method)).status == 0);
    {
      Process process(folder, training(parts, method));
      REQUIRE(wait_for_lines(folder.file("output.txt"), 8));
      process.interrupt();
      const int status = process.wait();
      CAPTURE(process.output());
      REQUIRE(status == 130);
      CHECK(contains(process.output(), "the same command with --resume goes on"));
    }
    auto resumed = [&](const Words& more) {
      Words words = training(parts, method);
      words.push_back("--resume");
      words.insert(words.end(), more.begin(), more.end());
      return run(folder, words);
    };
    const Outcome other = resumed({"--epochs", "61"});
    CHECK(other.status == 2);
    CHECK_MESSAGE(contains(other.output, "got --epochs 61, expected --epochs 60"), other.output);
    CHECK_MESSAGE(contains(resumed({"--batch", "32"}).output, "got --batch 32"), "another batch was believed");
    REQUIRE(resumed({}).status == 0);
    CHECK(read_bytes(parts) == read_bytes(whole));
    CHECK_FALSE(std::filesystem::exists(parts + ".checkpoint"));
  }
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
