// What labs train on: which options are refused, what is kept for validation, and for what the stated figures count.
#include "examples/labs/lab_data.h"

#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::examples;
using namespace minima::test;

namespace {

const LabAbout about{.name = "lab0_test", .title = "Lab 0. Test", .question = "Which?", .refuted_by = "nothing"};

/// Runs a lab that reads its data options and states a figure that does not hold: 1 where it counts, 0 where it does
/// not. `look` is called in between.
int run_here(const Words& options, const std::function<void(const LabData&)>& look = {}) {
  TemporaryFolder folder;
  Words words{"lab0_test", "--check", "--out", folder.file("out")};
  words.insert(words.end(), options.begin(), options.end());
  std::vector<const char*> argv;
  for (const std::string& word : words) argv.push_back(word.c_str());
  LabData data{{.images = 1000, .epochs = 30, .seeds = 3}, {.images = 300, .epochs = 20, .seeds = 2}};
  return run_lab(
      static_cast<int>(argv.size()), argv.data(), about,
      [&](Lab& lab) {
        data.take(lab);
        if (look) look(data);
        lab.expect("never", 0, at_least(1));
      },
      [&](CommandLine& line) { data.add_to(line); });
}

}  // namespace

TEST_CASE("stated figures count for the default data, network and amounts, or more seeds, and for no others") {
  CHECK(run_here({}) == 1);
  CHECK(run_here({"--seeds", "10"}) == 1);
  CHECK(run_here({"--seeds", "2"}) == 0);
  CHECK(run_here({"--quick"}) == 1);
  CHECK(run_here({"--quick", "--seeds", "5"}) == 1);
  CHECK(run_here({"--quick", "--epochs", "5"}) == 0);
  CHECK(run_here({"--epochs", "29"}) == 0);
  CHECK(run_here({"--images", "2000"}) == 0);
  CHECK(run_here({"--model", "mlp:8"}) == 0);
  CHECK(run_here({"--data", "digits"}) == 0);
  CHECK(run_here({"--data", "digits", "--quick"}) == 0);
}

TEST_CASE("--quick takes its own amounts of what is not chosen") {
  run_here({"--quick"}, [](const LabData& data) {
    CHECK(data.epochs() == 20);
    CHECK(data.seeds() == 2);
  });
  for (const Words& mode : {Words{}, Words{"--quick"}}) {
    Words words{"--epochs", "7", "--seeds", "4"};
    words.insert(words.end(), mode.begin(), mode.end());
    run_here(words, [](const LabData& data) {
      CHECK(data.epochs() == 7);
      CHECK(data.seeds() == 4);
    });
  }
}

TEST_CASE("validation samples follow the training samples, as many or what is left, a fifth at least") {
  const int64_t all = datasets::load("digits").train.size();
  run_here({"--data", "digits", "--images", "300"}, [&](const LabData& data) {
    const auto train = datasets::load("digits").train;
    const Images images = data.load_with_validation();
    CHECK(images.problem.train.size() == 300);
    CHECK(images.validation.size() == 300);
    CHECK(images.problem.batch == 75);
    CHECK_SAME_BITS(images.validation.batch({0, 299}).x, train.batch({300, 599}).x);
  });
  run_here({"--data", "digits", "--images", "100000"}, [&](const LabData& data) {
    const Images images = data.load_with_validation();
    CHECK(images.validation.size() == all / 5);
    CHECK(images.problem.train.size() == all - all / 5);
    CHECK(data.load().train.size() == all);
    CHECK(data.load().batch == 128);
  });
}

TEST_CASE("options that leave nothing to train, or nothing to estimate a spread from, are refused by name") {
  const auto refused = [](const Words& options) {
    bool reached = false;
    CHECK(run_here(options, [&](const LabData&) { reached = true; }) == 2);
    CHECK_FALSE(reached);
  };
  refused({"--images", "255"});
  refused({"--epochs", "0"});
  refused({"--seeds", "1"});
  refused({"--label", "kind"});
}
