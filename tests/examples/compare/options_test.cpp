// The options of compare, and what its report says of where values come from.
#include "examples/compare/options.h"

#include "examples/compare/per_optimizer.h"
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
  const PerOptimizer all("--lr", {"0.1"}, names, 0, /*exclusive=*/true);
  CHECK(all.value("sgd") == 0.1);
  const PerOptimizer some("--rho", {"sam=0.2"}, names, 0, /*exclusive=*/true);
  CHECK(some.value("sam") == 0.2);
  CHECK_FALSE(some.value("msam").has_value());
  const PerOptimizer both("--rho", {"0.3", "sam=0.2"}, names, 0, /*exclusive=*/true);
  CHECK(both.value("sam") == 0.2);
  CHECK(both.value("msam") == 0.3);
}

TEST_CASE("a hyperparameter that cannot be meant is refused by option and text") {
  const std::vector<std::string> names{"sgd", "sam"};
  for (const char* word : {"0", "-1", "nan", "inf", "fast", "0.1x", "", "sgd=0", "sgd=nan", "sgd="})
    CHECK_ERROR(PerOptimizer("--lr", {word}, names, 0, /*exclusive=*/true), "expected a number above 0");
  CHECK_ERROR(PerOptimizer("--lr", {"adam=1"}, names, 0, /*exclusive=*/true),
              "a value for \"adam\", expected a name among");
  CHECK_ERROR(PerOptimizer("--lr", {"1", "2"}, names, 0, /*exclusive=*/true), "two plain numbers");
  CHECK_ERROR(PerOptimizer("--lr", {"sgd=1", "sgd=2"}, names, 0, /*exclusive=*/true), "two values for sgd");
}

TEST_CASE("compare's options become one setting for each optimizer") {
  const CompareOptions options = parsed(
      {"--optimizers", "sgd,msam", "--lr", "0.3,msam=0.2", "--rho", "1.5", "--weight-decay", "0", "--momentum", "0.8"});
  REQUIRE(options.settings.size() == 2);
  const Setting &sgd = options.settings[0], &msam = options.settings[1];
  CHECK(sgd.optimizer == "sgd");
  CHECK(sgd.hyperparameters == Hyperparameters{{"lr", 0.3}, {"momentum", 0.8}, {"weight_decay", 0}});
  CHECK(msam.base == "sgd");
  CHECK(msam.hyperparameters == Hyperparameters{{"lr", 0.2}, {"momentum", 0.8}, {"rho", 1.5}, {"weight_decay", 0}});
}

TEST_CASE("a wrapper around another base takes that base's learning rate") {
  const CompareOptions options = parsed({"--optimizers", "adamw,msam", "--base", "adamw"});
  CHECK(options.settings[1].base == "adamw");
  for (const char* name : {"lr", "weight_decay"})
    CHECK(options.settings[1].value(name) == options.settings[0].value(name));
}

TEST_CASE("options that cannot work are refused by name, with what was expected") {
  auto refused = [](std::vector<const char*> words, const std::string& part) { CHECK_ERROR(parsed(words), part); };
  refused({"--optimizers", "sgd,magic"},
          "got magic, expected one of sgd, nesterov, adam, adamw, rmsprop, adagrad, lion, sam,");
  refused({"--optimizers", "sgd,sgd"}, "sgd twice");
  refused({"--lr", "0"}, "[--lr] got \"0\", expected a number above 0");
  refused({"--lr", "nan"}, "[--lr] got \"nan\"");
  refused({"--epochs", "-1"}, "[--epochs] got -1, expected a whole number of at least 0");
  refused({"--epochs", "many"}, "--epochs");
  refused({"--seeds", "0"}, "[--seeds] got 0");
  refused({"--batch", "-3"}, "[--batch] got -3");
  refused({"--momentum", "1"}, "[--momentum] got 1, expected a number from 0 to below 1");
  refused({"--label-noise", "1.5"}, "[--label-noise]");
  refused({"--budget", "hours"}, "[--budget] got hours, expected epochs or gradients");
  refused({"--speed", "fast"}, "--help` lists the options");
}

namespace {

/// What the report of a comparison of these options says, before any run.
std::string measured(std::vector<const char*> words) {
  CompareOptions options = parsed(std::move(words));
  if (options.epochs == 0) options.epochs = 30;  // what load() does for digits
  if (options.batch == 0) options.batch = 64;
  auto [train, test] = datasets::digits();
  const Problem problem{
      .data = options.data, .model = options.model, .train = train, .test = test, .batch = options.batch};
  Comparison comparison;
  for (Setting& setting : options.settings) {
    setting.steps = options.steps_for(problem, setting.optimizer);
    comparison.runs.push_back({setting});
  }
  return options.how_measured(comparison, problem);
}

}  // namespace

TEST_CASE("an average is an arm beside its optimizer, with its optimizer's values") {
  const CompareOptions options = parsed({"--optimizers", "sgd,msam,msam-ema,adagrad-swa", "--rho", "msam-ema=0.2,0.7"});
  CHECK(options.settings[2].value("rho") == 0.2);
  CHECK(options.settings[1].value("rho") == 0.7);
  CHECK(options.settings[2].value("lr") == options.settings[1].value("lr"));
  CHECK_FALSE(options.settings[3].has("momentum"));  // adagrad has none, and --momentum is not for it
  CHECK(options.settings[3].value("weight_decay") == options.settings[0].value("weight_decay"));
}

TEST_CASE("only optimizers that were tuned on this data are said to be tuned") {
  const std::string tuned = "lr and rho were tuned on a validation split of this data.";
  CHECK(test::contains(measured({}), tuned));
  CHECK(test::contains(measured({"--optimizers", "sgd,nesterov,adam,adamw,sam,asam,msam"}), tuned));
  for (const std::string& name : optim::optimizer_names()) {
    CAPTURE(name);
    const bool in_table = test::contains(" sgd nesterov adam adamw sam asam msam ", " " + name + " ");
    CHECK(test::contains(measured({"--optimizers", name.c_str()}), tuned) == in_table);
  }
  CHECK(test::contains(measured({"--optimizers", "sgd,msam,looksam,along-random"}),
                       "lr and rho of sgd and msam were tuned on a validation split of this data; those of looksam and "
                       "along-random are starting values, --tune finds this data's own."));
}

TEST_CASE("what is not exactly as it was when tuning was done is not said to be tuned") {
  for (const std::vector<const char*>& words : std::vector<std::vector<const char*>>{{"--epochs", "20"},
                                                                                     {"--batch", "32"},
                                                                                     {"--momentum", "0.8"},
                                                                                     {"--model", "mlp:32"},
                                                                                     {"--train-limit", "500"},
                                                                                     {"--label-noise", "0.1"},
                                                                                     {"--budget", "gradients"},
                                                                                     {"--weight-decay", "0"}}) {
    CAPTURE(std::string(words[0]));
    CHECK(test::contains(measured(words), "lr and rho are starting values, --tune finds this data's own."));
  }
  CHECK(test::contains(measured({"--optimizers", "sgd,sam", "--base", "nesterov"}),
                       "lr and rho of sgd were tuned on a validation split of this data; those of sam are starting"));
  CHECK(test::contains(measured({"--optimizers", "sgd,msam", "--rho", "0.3"}),
                       "lr and rho of sgd were tuned on a validation split of this data; those of msam as given, else "
                       "the defaults."));
  CHECK(test::contains(measured({"--lr", "0.1"}), "lr and rho as given, else the defaults."));
  CHECK(test::contains(measured({"--tune"}), "lr and rho were tuned as listed."));
}

TEST_CASE("data of one's own are split anew with each seed, unless they are tuned on, and published splits stay") {
  Problem drawn, published;
  drawn.loaded = std::make_shared<const datasets::Loaded>();
  published.loaded = std::make_shared<const datasets::Loaded>(datasets::Loaded{.own_test_part = true});
  CHECK_FALSE(parsed({}).splits_anew(published));
  CHECK(parsed({"--data", "flowers.csv", "--label", "kind"}).splits_anew(drawn));
  CHECK_FALSE(parsed({"--data", "flowers.csv", "--label", "kind", "--tune"}).splits_anew(drawn));
}

TEST_CASE("the schedule is told as it is: in short runs lr does not rise for a whole epoch") {
  CHECK(test::contains(measured({}), "lr rises for an epoch, then falls along a cosine to 0;"));
  CHECK(
      test::contains(measured({"--epochs", "3"}), "lr rises for an epoch or a quarter of the steps, if that is less"));
  CHECK(test::contains(measured({"--epochs", "6", "--budget", "gradients"}), "or a quarter of the steps"));  // sam
}
