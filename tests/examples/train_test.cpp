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
