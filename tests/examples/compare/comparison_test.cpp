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
  comparison.runs[0].results[0].curve.back().test_accuracy = 0.89846;
  CHECK(result_table(comparison)[1][3] == "89.8");  // digits that one seed cannot carry are not printed
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

TEST_CASE("runs that are left where others diverged are judged nowhere, and do not adjust the others") {
  Comparison comparison = example();
  diverge(comparison.runs[1].results[0]);
  const Table table = difference_table(comparison);
  CHECK(table[1][0] == "sam");
  CHECK(table[1][4] == "not comparable");
  CHECK(table[1][5] == "not comparable");
  CHECK(std::isnan(difference_to_reference(comparison, comparison.runs[1], Judged::accuracy).p));
  const double beside = difference_to_reference(comparison, comparison.runs[2], Judged::accuracy).p;
  comparison.runs.erase(comparison.runs.begin() + 1);
  CHECK(beside == difference_to_reference(comparison, comparison.runs[1], Judged::accuracy).p);
}

TEST_CASE("where one split serves all seeds, the words say that its luck and that of tuning are not in the intervals") {
  Comparison comparison = example();
  comparison.one_split = true;
  CHECK(contains(uncertainty_text(comparison), "All seeds share one split, --split-seed, and what was tuned"));
  CHECK_FALSE(contains(uncertainty_text(comparison), "published"));
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
  CHECK(table[1] == std::vector<std::string>{"sgd", "-", "-", "-", "not comparable", "not comparable"});
  for (Runs& runs : comparison.runs)
    for (RunResult& run : runs.results) diverge(run);
  CHECK(contains(verdict(comparison), "Every run diverged."));
}

TEST_CASE("training times that spread wider than they differ are not given as a cost") {
  Comparison comparison = example();
  comparison.runs[2].results[0].curve[0].seconds = 1;
  CHECK_MESSAGE(contains(verdict(comparison), "msam not measurable on this busy machine."), verdict(comparison));
  comparison = example();  // far from 1, and from each other
  double factor = 4;
  for (RunResult& run : comparison.runs[2].results) run.curve.back().seconds *= factor, factor += 4;
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
  CHECK(table[2][10] == "1.67x (1.50 to 2.00)");
  CHECK(table[0].back() == "to sgd's acc");
}

TEST_CASE("several comparisons are adjusted by Holm: what one alone would separate, several may not") {
  Comparison comparison = example();
  const auto p_of = [&](size_t i) {
    return difference_to_reference(comparison, comparison.runs[i], Judged::accuracy).p;
  };
  const double sam = p_of(1), msam = p_of(2);
  comparison.runs.pop_back();
  CHECK_CLOSE(p_of(1), sam, {.rtol = 1e-12});  // the larger of two p-values stays
  comparison = example();
  comparison.runs.erase(comparison.runs.begin() + 1);
  CHECK_CLOSE(p_of(1), msam / 2, {.rtol = 1e-12});  // the smaller one had counted twice
}

TEST_CASE("the difference table says in which share of the seeds an optimizer is better, and with which p") {
  const Table table = difference_table(example());
  REQUIRE(table.size() == 3);
  CHECK(table[0] == std::vector<std::string>{"minus sgd", "test acc, points", "better in", "test loss", "acc separated",
                                             "loss separated"});
  CHECK(table[1][2] == "67%");
  CHECK(table[2][2] == "100%");
  CHECK(table[2][4] == "yes, p = 0.002");  // differences 1, 1, 1.1: t = 31; Holm: twice the p-value
  CHECK(table[2][5] == "no");              // the losses are equal
}

TEST_CASE("splits of their own widen the intervals, and the words say what the intervals hold") {
  Comparison comparison = example();
  comparison.test_samples = 40;
  const auto half_width = [&] {
    return difference_to_reference(comparison, comparison.runs[2], Judged::accuracy).interval.half_width;
  };
  const double seeds_alone = half_width();
  const std::string shared = uncertainty_text(comparison);
  CHECK_MESSAGE(contains(shared,
                         "All seeds share the published test part. The intervals hold the luck of the seed and "
                         "of the 40 test rows. One test row is 2.5 points."),
                shared);
  CHECK_MESSAGE(contains(shared, "adjusted for 2 comparisons (Holm)"), shared);
  comparison.test_per_train = 0.25;
  CHECK_CLOSE(half_width() / seeds_alone, std::sqrt((1.0 / 3 + 0.25) * 3), {.rtol = 1e-12});
  const std::string anew = uncertainty_text(comparison);
  CHECK_MESSAGE(contains(anew,
                         "Each seed splits the data anew. The intervals hold the luck of the split and of the seed "
                         "(corrected resampled t-test)."),
                anew);
  CHECK(contains(anew, "More rows would narrow the intervals; more seeds do so only a little."));
}

TEST_CASE("test rows in common count as well: few of them separate nothing that hangs on one row") {
  // Four seeds; msam is right in one row of ten more, the same one in each seed but for one in which it gains another.
  const auto comparison_on = [](size_t rows) {
    Comparison comparison{.runs = {{{.optimizer = "sgd"}}, {{.optimizer = "msam"}}}};
    for (uint64_t seed = 1; seed <= 4; ++seed)
      for (size_t arm = 0; arm < 2; ++arm) {
        std::vector<double> correct(rows, 1);
        for (size_t i = 0; i < rows; ++i)
          if (i % 10 == 0 || (i == 1 && seed == 1)) correct[i] = static_cast<double>(arm);
        const double accuracy = interval_95(correct).mean;
        RunResult run = finished("sgd", seed, accuracy, 1 - accuracy, 1);
        run.seen[row_correct] = correct, run.seen[row_loss] = correct;
        comparison.runs[arm].results.push_back(run);
      }
    return comparison;
  };
  const auto d = [](const Comparison& c) { return difference_to_reference(c, c.runs[1], Judged::accuracy); };
  const Difference few = d(comparison_on(10)), many = d(comparison_on(400));
  CHECK_FALSE(few.separated());
  CHECK(few.rows > few.replicates);
  CHECK(many.separated());
  CHECK(contains(uncertainty_text(comparison_on(10)), "The test rows are the larger part of it"));
}

TEST_CASE("time to target is where a run first has the accuracy that the reference ends with") {
  Comparison comparison = example();
  comparison.guessing = 1;          // nothing is called collapsed
  for (size_t i = 0; i < 3; ++i) {  // the reference ends after 2, 3, 4 seconds; msam is as good after one in two seeds
    RunResult& run = comparison.runs[2].results[i];
    run.curve.insert(run.curve.begin(), {.seconds = 1, .test_accuracy = i < 2 ? 0.95 : 0.1});
    run.curve.back().test_accuracy = 0.2;
  }
  CHECK(result_table(comparison)[3].back() == "0.42x (2 of 3)");  // the median of 1/2 and 1/3
  CHECK(result_table(comparison)[1].back() == "1.00x (3 of 3)");
  for (RunResult& run : comparison.runs[2].results) run.curve.front().test_accuracy = 0.1;
  CHECK(result_table(comparison)[3].back() == "never (0 of 3)");
}

TEST_CASE("a mean and a median on different sides of 0 are pointed out, and collapsed runs are counted") {
  Comparison comparison = example();
  comparison.guessing = 0.1;
  for (size_t i = 0; i < 3; ++i)
    comparison.runs[2].results[i].curve[0].test_accuracy =
        comparison.runs[0].results[i].curve[0].test_accuracy + (i == 0 ? -0.8 : 0.01);
  CHECK_MESSAGE(contains(uncertainty_text(comparison), "Mean and median differ in sign for msam (mean -26, median +1)"),
                uncertainty_text(comparison));
  CHECK(result_table(comparison)[3].back() == "1 of 3 runs collapsed");
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
                                             "seed", "split_seed", "steps", "test_accuracy", "test_loss",
                                             "train_accuracy", "train_loss", "weight_decay"});
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
