#include "examples/compare/comparison.h"

#include <nlohmann/json.hpp>

#include "tests/check.h"

using namespace minima;
using namespace minima::examples;
using test::contains;

namespace {

RunResult finished(const std::string& optimizer, uint64_t seed, double accuracy, double loss, double seconds) {
  return {.seed = seed,
          .parameters = 42,
          .curve = {{.epoch = 1,
                     .step = 10,
                     .gradient_evaluations = static_cast<int64_t>(10 * optim::gradients_per_step(optimizer)),
                     .seconds = seconds,
                     .peak_memory_bytes = 1 << 20,
                     .train_loss = loss / 2,
                     .train_accuracy = 1,
                     .test_loss = loss,
                     .test_accuracy = accuracy}},
          .lambda_max = 3,
          .lambda_residual = 1e-4};
}

void diverge(RunResult& run) { run = {.seed = run.seed, .divergence = "loss nan"}; }

/// Three seeds; msam is better by 1 point (steadily), sam by as much on average, but not steadily.
Comparison example() {
  Comparison comparison{.data = "digits", .model = "mlp", .machine = "", .runs = {}, .tuning = {}, .compared_with = ""};
  for (const char* name : {"sgd", "sam", "msam"}) comparison.runs.push_back({{.optimizer = name}});
  const double sgd[] = {0.90, 0.92, 0.91}, sam[] = {0.93, 0.90, 0.93}, msam[] = {0.91, 0.93, 0.921};
  for (size_t i = 0; i < 3; ++i) {
    const auto later = static_cast<double>(i);
    comparison.runs[0].results.push_back(finished("sgd", i + 1, sgd[i], 0.3, 2 + later));
    comparison.runs[1].results.push_back(finished("sam", i + 1, sam[i], 0.2 + 0.001 * later, 4 + later));
    comparison.runs[2].results.push_back(finished("msam", i + 1, msam[i], 0.3, 2 + later));
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
  for (Runs& runs : comparison.runs) runs.results.resize(1);
  CHECK(contains(verdict(comparison), "Not separated: one seed"));
  CHECK(sentences(verdict(comparison)) == 2);
  CHECK(aligned(result_table(comparison)).find("+-") == std::string::npos);
}

TEST_CASE("an optimizer with a diverged run is counted, shown and not compared") {
  Comparison comparison = example();
  diverge(comparison.runs[2].results[2]);
  CHECK(contains(verdict(comparison), "msam not comparable, as runs diverged"));
  CHECK(contains(aligned(result_table(comparison)), "1 of 3 runs diverged"));
  for (RunResult& run : comparison.runs[2].results) diverge(run);
  CHECK(result_table(comparison)[3].back() == "diverged");
  CHECK(sentences(verdict(comparison)) == 2);
}

TEST_CASE("when sgd diverged, the next optimizer that did not is the reference, and the verdict says so") {
  Comparison comparison = example();
  for (RunResult& run : comparison.runs[0].results) diverge(run);
  CHECK(comparison.reference().name() == "sam");
  const std::string said = verdict(comparison);
  CHECK_MESSAGE(contains(said, "sgd diverged, so that the reference is sam: test accuracy"), said);
  CHECK_MESSAGE(contains(said, "training time relative to sam: msam"), said);
  CHECK(sentences(said) == 2);
  const Table table = difference_table(comparison);
  CHECK(table[1] == std::vector<std::string>{"sgd", "-", "-", "not comparable", "not comparable"});
  for (Runs& runs : comparison.runs)
    for (RunResult& run : runs.results) diverge(run);
  CHECK(contains(verdict(comparison), "Every run diverged."));
}

TEST_CASE("training times that spread wider than they differ are not given as a cost") {
  Comparison comparison = example();
  comparison.runs[2].results[0].curve[0].seconds = 1;
  CHECK_MESSAGE(contains(verdict(comparison), "msam not measurable on this busy machine."), verdict(comparison));
}

TEST_CASE("a choice at the edge of its grid is named by the verdict, in two sentences") {
  Comparison comparison = example();
  for (const double lr : {0.1, 0.2, 0.3})
    for (const char* name : {"sgd", "sam"}) {
      Runs trial{{.optimizer = name, .hyperparameters = {{"lr", lr}}}};
      const double off = name == std::string("sgd") ? std::abs(lr - 0.2) : lr;
      trial.results.push_back(finished(name, 1001, 0.9, 1 + off, 1));
      comparison.tuning.trials.push_back(trial);
    }
  CHECK_MESSAGE(contains(verdict(comparison), "; at the edge of what tuning tried: sam: widen."), verdict(comparison));
  CHECK(sentences(verdict(comparison)) == 2);
}

TEST_CASE("without sgd the first optimizer is the reference") {
  Comparison comparison = example();
  std::swap(comparison.runs[0], comparison.runs[2]);  // msam, sam, sgd
  CHECK(comparison.reference().name() == "sgd");
  comparison.runs.pop_back();
  CHECK(comparison.reference().name() == "msam");
  CHECK(contains(verdict(comparison), "relative to msam"));
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
  comparison.batch = 8, comparison.threads = 2, comparison.machine = "some machine";
  for (Runs& runs : comparison.runs) runs.results.push_back({.seed = 4, .divergence = "loss nan"});
  const auto json = nlohmann::json::parse(summary_json(comparison));
  std::vector<std::string> keys, run_keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  for (const auto& [key, value] : json.at("runs").at(0).items()) run_keys.push_back(key);
  CHECK(keys == std::vector<std::string>{"batch", "data", "machine", "model", "options", "parameters", "runs", "schema",
                                         "threads"});
  CHECK(run_keys == std::vector<std::string>{"base", "epochs", "gradient_evaluations", "lambda_max", "lambda_residual",
                                             "lr", "momentum", "optimizer", "peak_memory_bytes", "rho", "seconds",
                                             "seed", "steps", "test_accuracy", "test_loss", "train_accuracy",
                                             "train_loss", "weight_decay"});
  CHECK(json.at("schema") == 2);
  CHECK(json.at("parameters") == 42);
  CHECK(json.at("runs").size() == 12);
  CHECK(json.at("runs").at(1).at("optimizer") == "sam");
  CHECK(json.at("runs").at(1).at("base") == "sgd");
  CHECK(json.at("runs").at(1).at("gradient_evaluations") == 20);
  CHECK(json.at("runs").at(9).at("test_loss").is_null());
  CHECK(json.at("runs").at(9).at("steps") == 0);
}

TEST_CASE("the words about tuning count the trials and seeds that there were") {
  Tuning tuning;
  for (const double lr : {0.1, 0.2, 0.3})
    tuning.trials.push_back(
        {{.hyperparameters = {{"lr", lr}}}, std::vector<RunResult>(4, finished("sgd", 1001, 0.9, lr, 1))});
  CHECK(contains(tuning_text(tuning), "3 trials for each optimizer, on 80% of the training data with 4 seeds"));
  CHECK(contains(tuning_text(tuning), "chosen by the mean loss on the other 20%"));
  tuning.judged_by = JudgedBy::accuracy;
  CHECK(contains(tuning_text(tuning), "chosen by the mean accuracy on the other 20%"));
}
