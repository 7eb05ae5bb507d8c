#include "examples/kit/comparison.h"

#include <nlohmann/json.hpp>

#include "examples/kit/summary.h"
#include "tests/check.h"

using namespace minima;
using namespace minima::examples;
using test::contains;

namespace {

RunResult finished(const std::string& optimizer, uint64_t seed, double accuracy, double loss, double seconds = 1) {
  RunResult run;
  run.settings.optimizer = optimizer;
  run.settings.base = optim::is_wrapper(optimizer) ? "sgd" : optimizer;
  run.settings.seed = seed;
  run.curve.push_back({.epoch = 1,
                       .step = 10,
                       .gradient_evaluations = static_cast<int64_t>(10 * gradients_per_step(optimizer)),
                       .seconds = seconds,
                       .peak_memory_bytes = 1 << 20,
                       .train_loss = loss / 2,
                       .train_accuracy = 1,
                       .test_loss = loss,
                       .test_accuracy = accuracy});
  run.lambda_max = 3;
  run.lambda_residual = 1e-4;
  return run;
}

RunResult diverged(const std::string& optimizer, uint64_t seed) {
  RunResult run = finished(optimizer, seed, 0, 0);
  run.curve.clear();
  run.divergence = "loss nan";
  return run;
}

/// Three seeds; msam is better by 1 point (steadily), sam by as much on average, but not steadily.
Comparison example() {
  Comparison comparison;
  comparison.data = "digits", comparison.model = "mlp";
  comparison.optimizers = {"sgd", "sam", "msam"};
  const double sgd[] = {0.90, 0.92, 0.91}, sam[] = {0.93, 0.90, 0.93}, msam[] = {0.91, 0.93, 0.921};
  for (int i = 0; i < 3; ++i) {
    comparison.runs.push_back(finished("sgd", i + 1, sgd[i], 0.3, 2 + i));
    comparison.runs.push_back(finished("sam", i + 1, sam[i], 0.2 + 0.001 * i, 4 + i));
    comparison.runs.push_back(finished("msam", i + 1, msam[i], 0.3, 2 + i));
  }
  return comparison;
}

int sentences(const std::string& verdict) {
  int count = 0;
  for (size_t i = 0; i < verdict.size(); ++i)
    if (verdict[i] == '.' && (i + 1 == verdict.size() || verdict[i + 1] == ' ')) ++count;
  return count;
}

}  // namespace

TEST_CASE("the verdict separates what the paired interval separates, and says so when it does not") {
  const std::string said = verdict(example());
  CHECK_MESSAGE(contains(said,
                         "Test accuracy in points, paired over 3 seeds: msam (+1.03) above sgd; sam not "
                         "separated from sgd."),
                said);
  CHECK_MESSAGE(contains(said, "Test loss: sam (-0.0990) below sgd; msam not separated from sgd"), said);
  CHECK_MESSAGE(contains(said, "training time relative to sgd: sam 1.67x (1.50 to 2.00), msam 1.00x."), said);
  CHECK(sentences(said) == 2);
}

TEST_CASE("one seed separates nothing, and the verdict says so") {
  Comparison comparison = example();
  comparison.runs.resize(3);
  CHECK(contains(verdict(comparison), "Not separated: one seed"));
  CHECK(sentences(verdict(comparison)) == 2);
  CHECK(aligned(result_table(comparison)).find("+-") == std::string::npos);
}

TEST_CASE("an optimizer with a diverged run is counted, shown and not compared") {
  Comparison comparison = example();
  comparison.runs[8] = diverged("msam", 3);
  CHECK(method(comparison, "msam").diverged == 1);
  CHECK(contains(verdict(comparison), "msam not comparable, as runs diverged"));
  CHECK(contains(aligned(result_table(comparison)), "1 of 3 runs diverged"));
  comparison.runs[2] = diverged("msam", 1), comparison.runs[5] = diverged("msam", 2);
  CHECK(result_table(comparison)[3].back() == "diverged");
  CHECK(sentences(verdict(comparison)) == 2);
}

TEST_CASE("when sgd diverged, the next optimizer that did not is the reference, and the verdict says so") {
  Comparison comparison = example();
  for (size_t i : {0, 3, 6}) comparison.runs[i] = diverged("sgd", i / 3 + 1);
  CHECK(comparison.reference() == "sam");
  const std::string said = verdict(comparison);
  CHECK_MESSAGE(contains(said, "sgd diverged, so that the reference is sam: test accuracy"), said);
  CHECK_MESSAGE(contains(said, "training time relative to sam: msam"), said);
  CHECK(sentences(said) == 2);
  const Table table = difference_table(comparison);
  CHECK(table[1] == std::vector<std::string>{"sgd", "-", "-", "not comparable", "not comparable"});
  for (RunResult& run : comparison.runs) run = diverged(run.settings.optimizer, run.settings.seed);
  CHECK(contains(verdict(comparison), "Every run diverged."));
}

TEST_CASE("training times that spread wider than they differ are not given as a cost") {
  Comparison comparison = example();
  comparison.runs[2].curve[0].seconds = 1;
  CHECK_MESSAGE(contains(verdict(comparison), "msam not measurable on this busy machine."), verdict(comparison));
}

TEST_CASE("a choice at the edge of its grid is named by the verdict, in two sentences") {
  Comparison comparison = example();
  comparison.trials = {{.settings = {.optimizer = "sgd"}, .chosen = true},
                       {.settings = {.optimizer = "sam"}, .chosen = true, .at_edge = true},
                       {.settings = {.optimizer = "msam"}, .chosen = false, .at_edge = true}};
  CHECK_MESSAGE(contains(verdict(comparison), "; at the edge of what tuning tried: sam: widen."), verdict(comparison));
  CHECK(sentences(verdict(comparison)) == 2);
}

TEST_CASE("wrappers are tuned over as wide a range of learning rates as the others") {
  auto range = [](const std::string& optimizer) {
    double low = INFINITY, high = 0;
    for (const RunSettings& s : tuning_grid({.optimizer = optimizer, .lr = 0.1, .rho = 0.2}))
      low = std::min(low, s.lr), high = std::max(high, s.lr);
    return high / low;
  };
  CHECK(range("sam") == range("sgd"));
}

TEST_CASE("without sgd the first optimizer is the reference") {
  Comparison comparison = example();
  comparison.optimizers = {"msam", "sam"};
  CHECK(comparison.reference() == "msam");
  CHECK(contains(verdict(comparison), "relative to msam"));
  comparison.optimizers = {"sam", "sgd"};
  CHECK(comparison.reference() == "sgd");
}

TEST_CASE("the table has a row for each optimizer with means and half-widths") {
  const Table table = result_table(example());
  REQUIRE(table.size() == 4);
  CHECK(table[1][0] == "sgd");
  CHECK(table[2][0] == "sam(sgd)");
  CHECK(table[1][2] == "-");
  CHECK(table[1][3] == "91.0 +- 2.5");
  CHECK(table[1][4] == "0.3");  // no spread: no interval to show
  CHECK(table[2][7] == "20");
  CHECK(table[2].back() == "1.67x (1.50 to 2.00)");
}

TEST_CASE("an interval is shown with two digits of its half-width") {
  CHECK(interval_text({0.974231, 0.00214, 5}, 100) == "97.42 +- 0.21");
  CHECK(interval_text({1234.5, 120, 5}) == "1234 +- 120");
  CHECK(interval_text({0.5, NAN, 1}) == "0.5");
  CHECK(interval_text({}) == "-");
  CHECK(interval_text({0.87777778, 0, 2}, 100) == "87.78");
  CHECK(interval_text({1380000, 0, 2}) == "1380000");
  CHECK(difference_text({-0.0833333, 0, 2}, 100) == "-8.33 (no spread)");
  CHECK(difference_text({-0.0123, 0.0456, 4}) == "-0.012 [-0.058, +0.033]");
}

TEST_CASE("columns of a printed table line up") {
  CHECK(aligned({{"a", "long title"}, {"name", "1"}}) == "a     long title\nname           1\n");
}

TEST_CASE("summary.json has exactly the keys of its schema, and null where a diverged run has no value") {
  Comparison comparison = example();
  comparison.parameters = 42, comparison.batch = 8, comparison.threads = 2, comparison.machine = "some machine";
  comparison.runs.push_back(diverged("sgd", 4));
  const auto json = nlohmann::json::parse(summary_json(comparison));
  std::vector<std::string> keys, run_keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  for (const auto& [key, value] : json.at("runs").at(0).items()) run_keys.push_back(key);
  CHECK(keys ==
        std::vector<std::string>{"batch", "data", "machine", "model", "parameters", "runs", "schema", "threads"});
  CHECK(run_keys == std::vector<std::string>{"base", "epochs", "gradient_evaluations", "lambda_max", "lambda_residual",
                                             "lr", "momentum", "optimizer", "peak_memory_bytes", "rho", "seconds",
                                             "seed", "steps", "test_accuracy", "test_loss", "train_accuracy",
                                             "train_loss", "weight_decay"});
  CHECK(json.at("schema") == 2);
  CHECK(json.at("runs").size() == 10);
  CHECK(json.at("runs").at(1).at("optimizer") == "sam");
  CHECK(json.at("runs").at(1).at("base") == "sgd");
  CHECK(json.at("runs").at(1).at("gradient_evaluations") == 20);
  CHECK(json.at("runs").at(9).at("test_loss").is_null());
  CHECK(json.at("runs").at(9).at("steps") == 0);
}

TEST_CASE("every optimizer gets the same number of trials, and the lowest validation loss is chosen") {
  RunSettings sgd{.optimizer = "sgd", .lr = 0.1}, sam{.optimizer = "sam", .lr = 0.1, .rho = 0.2};
  CHECK(tuning_grid(sgd).size() == trials_per_optimizer);
  CHECK(tuning_grid(sam).size() == trials_per_optimizer);
  std::vector<RunResult> runs;
  const double losses[] = {0.5, 0.3, 0.4};
  for (int lr = 0; lr < 3; ++lr)
    for (int seed = 1; seed <= 2; ++seed) {
      runs.push_back(finished("sgd", seed, 0.9, losses[lr] + 0.01 * seed));
      runs.back().settings.lr = 0.1 * (lr + 1);
    }
  runs.push_back(diverged("sgd", 1));
  runs.back().settings.lr = 9;
  const std::vector<Trial> trials = judge_trials(runs);
  REQUIRE(trials.size() == 4);
  CHECK(trials[1].chosen);
  CHECK_FALSE(trials[0].chosen);
  CHECK_FALSE(trials[1].at_edge);
  CHECK(trials[3].diverged);
  CHECK(trials[1].loss.count == 2);
  CHECK(chosen_trial(trials, "sgd").settings.lr == 0.2);
  CHECK_ERROR(chosen_trial({trials[3]}, "sgd"), "no trial of sgd that stayed finite");
}
