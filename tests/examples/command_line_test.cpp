#include "examples/kit/command_line.h"

#include "examples/kit/compare_options.h"
#include "examples/kit/per_optimizer.h"
#include "examples/kit/progress.h"
#include "tests/check.h"

using namespace minima;
using namespace minima::examples;

namespace {

CompareOptions parsed(std::vector<const char*> words) {
  words.insert(words.begin(), "compare");
  CompareOptions options;
  options.parse(static_cast<int>(words.size()), words.data());
  return options;
}

}  // namespace

TEST_CASE("a hyperparameter is one number for all, a number by name, or both") {
  const std::vector<std::string> names{"sgd", "sam", "msam"};
  const PerOptimizer all("--lr", {"0.1"}, names, {0, true});
  CHECK(all.value("sgd") == 0.1);
  const PerOptimizer some("--rho", {"sam=0.2"}, names, {0, true});
  CHECK(some.value("sam") == 0.2);
  CHECK_FALSE(some.value("msam").has_value());
  const PerOptimizer both("--rho", {"0.3", "sam=0.2"}, names, {0, true});
  CHECK(both.value("sam") == 0.2);
  CHECK(both.value("msam") == 0.3);
}

TEST_CASE("a hyperparameter that cannot be meant is refused by option and text") {
  const std::vector<std::string> names{"sgd", "sam"};
  for (const char* word : {"0", "-1", "nan", "inf", "fast", "0.1x", "", "sgd=0", "sgd=nan", "sgd="})
    CHECK_ERROR(PerOptimizer("--lr", {word}, names, {0, true}), "expected a number above 0");
  CHECK_ERROR(PerOptimizer("--lr", {"adam=1"}, names, {0, true}), "a value for \"adam\", expected a name among");
  CHECK_ERROR(PerOptimizer("--lr", {"1", "2"}, names, {0, true}), "two plain numbers");
  CHECK_ERROR(PerOptimizer("--lr", {"sgd=1", "sgd=2"}, names, {0, true}), "two values for sgd");
}

TEST_CASE("compare's options become one setting for each optimizer") {
  const CompareOptions options = parsed(
      {"--optimizers", "sgd,msam", "--lr", "0.3,msam=0.2", "--rho", "1.5", "--weight-decay", "0", "--momentum", "0.8"});
  REQUIRE(options.settings.size() == 2);
  const RunSettings &sgd = options.settings[0], &msam = options.settings[1];
  CHECK(sgd.optimizer == "sgd");
  CHECK(sgd.base == "sgd");
  CHECK(sgd.lr == 0.3);
  CHECK(sgd.rho == 0);
  CHECK(msam.base == "sgd");
  CHECK(msam.lr == 0.2);
  CHECK(msam.rho == 1.5);
  CHECK(msam.momentum == 0.8);
  CHECK(msam.weight_decay == 0);
}

TEST_CASE("a wrapper around another base takes that base's learning rate") {
  const CompareOptions options = parsed({"--optimizers", "adamw,msam", "--base", "adamw"});
  CHECK(options.settings[1].base == "adamw");
  CHECK(options.settings[1].lr == options.settings[0].lr);
  CHECK(options.settings[1].weight_decay == options.settings[0].weight_decay);
}

TEST_CASE("options that cannot work are refused by name, with what was expected") {
  auto refused = [](std::vector<const char*> words, const std::string& part) { CHECK_ERROR(parsed(words), part); };
  refused({"--optimizers", "sgd,magic"}, "got magic, expected one of sgd, nesterov, adam, adamw, sam, asam, msam,");
  refused({"--optimizers", "sgd,sgd"}, "sgd twice");
  refused({"--lr", "0"}, "[--lr] got \"0\", expected a number above 0");
  refused({"--lr", "nan"}, "[--lr] got \"nan\"");
  refused({"--epochs", "0"}, "[--epochs] got 0, expected a whole number of at least 1");
  refused({"--epochs", "many"}, "--epochs");
  refused({"--seeds", "0"}, "[--seeds] got 0");
  refused({"--batch", "-3"}, "[--batch] got -3");
  refused({"--momentum", "1"}, "[--momentum] got 1, expected a number from 0 to below 1");
  refused({"--label-noise", "1.5"}, "[--label-noise]");
  refused({"--budget", "hours"}, "[--budget] got hours, expected epochs or gradients");
  refused({"--speed", "fast"}, "--help` lists the options");
}

TEST_CASE("words are listed as one writes them") {
  CHECK(listed({}) == "");
  CHECK(listed({"a"}) == "a");
  CHECK(listed({"a", "b"}) == "a and b");
  CHECK(listed({"a", "b", "c"}) == "a, b and c");
}

TEST_CASE("the progress bar shows the share done and the time left") {
  CHECK(progress_bar(50, 100, 75, "sgd") == "[============>           ]  50%  1:15 left  sgd");
  CHECK(progress_bar(0, 100, NAN, "") == "[>                       ]   0%");
  CHECK(progress_bar(100, 100, 0, "done") == "[========================] 100%  done");
  CHECK(clock_time(3725) == "1:02:05");
}
