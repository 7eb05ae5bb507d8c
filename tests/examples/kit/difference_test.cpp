// The difference between two settings with all of its uncertainty, by hand.
#include "examples/kit/difference.h"

#include "core/random.h"
#include "tests/check.h"

using namespace minima;
using namespace minima::examples;

namespace {

RunResult run_of(uint64_t seed, double accuracy, const std::vector<double>& rows = {}) {
  RunResult run{.seed = seed};
  run.curve.push_back({.test_loss = 1 - accuracy, .test_accuracy = accuracy});
  if (!rows.empty()) run.seen[row_correct] = rows;
  return run;
}

}  // namespace

TEST_CASE("splits of their own: the variance of the mean is that of the corrected resampled t-test, by hand") {
  // mean 3, variance 14/3; times 1/4 + 1/4 that is 7/3; three degrees of freedom
  const Difference d = difference_of({.differences = {1, 2, 3, 6}, .test_per_train = 0.25});
  CHECK(d.interval.mean == 3);
  CHECK_CLOSE(d.interval.half_width, 4.8612670297, {.rtol = 1e-9});
  CHECK_CLOSE(d.p, 0.144293612814, {.rtol = 1e-9});
  CHECK(d.rows == 0);
  CHECK(d.median == 2.5);
  CHECK(d.improved == 1);
  const Difference uncorrected = difference_of({.differences = {1, 2, 3, 6}});
  CHECK_CLOSE(d.interval.half_width / uncorrected.interval.half_width, std::sqrt(2.0), {.rtol = 1e-12});
}

TEST_CASE("one test row in common adds nothing that can be known") {
  const Difference one = difference_of({.differences = {1, 2, 3, 6}, .by_row = {{1}, {2}, {3}, {6}}});
  CHECK(one.interval.half_width == difference_of({.differences = {1, 2, 3, 6}}).interval.half_width);
}

TEST_CASE("test rows in common: what lasts from replicate to replicate is added to their spread, by hand") {
  // Row means 5.5, .5, 1.5 have a variance of 7. What a row does in one replicate alone has a variance of 2, half of
  // which is in a mean of two: 6 lasts, and 6/3 is the variance of the mean over rows. That of the replicates is 1/4.
  // Welch and Satterthwaite: 2.25^2 / (0.25^2 / 1 + 2^2 / 2) = 27/11 degrees of freedom.
  const Difference d = difference_of({.differences = {2, 3}, .by_row = {{4, 0, 2}, {7, 1, 1}}});
  CHECK(d.interval.mean == 2.5);
  CHECK_CLOSE(d.interval.half_width, 5.43369657366, {.rtol = 1e-9});
  CHECK_CLOSE(d.p, 0.213957852402, {.rtol = 1e-9});
  CHECK_CLOSE(d.rows, 6.08486984459, {.rtol = 1e-9});
  CHECK_CLOSE(d.replicates, 6.35310236809, {.rtol = 1e-9});
}

TEST_CASE("test rows of a group count as one") {
  const std::vector<int64_t> groups{0, 1, 2, 2, 1, 0};
  const Replicates means{.differences = {2, 3}, .by_row = {{4, 0, 2}, {7, 1, 1}}};
  const Replicates grouped{.differences = {2, 3},
                           .by_row = {by_group({3, -1, 1, 3, 1, 5}, groups), by_group({7, 1, 0, 2, 1, 7}, groups)}};
  CHECK(grouped.by_row == means.by_row);
  CHECK(difference_of(grouped).rows == difference_of(means).rows);
  // Groups of other sizes: the mean is that of the rows, and what is the same in all rows has no spread.
  CHECK_CLOSE(interval_95(by_group({1, 2, 3, 10}, {5, 5, 5, 9})).mean, 4, {.rtol = 1e-12});
  CHECK(by_group({2, 2, 2, 2}, {5, 5, 5, 9}) == std::vector<double>{2, 2});
}

TEST_CASE("of the spread over test rows only what lasts counts beside the replicates") {
  Generator random{3, 0};
  constexpr size_t replicates = 5, rows = 400;
  const auto in_one = random.normal({replicates * rows}, 0, 30, DType::float64).to_vector<double>();
  const auto lasting = random.normal({rows}, 0, 20, DType::float64).to_vector<double>();
  Replicates noise{.differences = {1, 2, 3, 2, 1}}, both = noise;
  for (size_t s = 0; s < replicates; ++s) {
    noise.by_row.emplace_back(), both.by_row.emplace_back();
    for (size_t i = 0; i < rows; ++i) {
      noise.by_row[s].push_back(in_one[s * rows + i] + 10 * static_cast<double>(s));
      both.by_row[s].push_back(noise.by_row[s][i] + lasting[i]);
    }
  }
  // All of it would be 1.97 * 30 / sqrt(5 * 400) = 1.3, and 1.97 * sqrt(20^2 + 30^2 / 5) / sqrt(400) = 2.4.
  CHECK(difference_of(noise).rows < 0.5);
  CHECK_CLOSE(difference_of(both).rows, 1.966 * 20 / 20, {.rtol = 0.1});
}

TEST_CASE("replicates that are all equal have no interval, and one replicate has none") {
  const Difference equal = difference_of({.differences = {2, 2, 2}});
  CHECK(equal.no_spread());
  CHECK(std::isnan(equal.p));
  const Difference one = difference_of({.differences = {2}});
  CHECK_FALSE(one.no_spread());
  CHECK(std::isnan(one.p));
  CHECK_FALSE(difference_of({.differences = {0, 0}}).no_spread());  // which differ by nothing
  CHECK(difference_of({.differences = {1, 0, -1, 0}}).improved == 0.5);
}

TEST_CASE("replicates pair runs by seed, leave out diverged ones, and join the seeds of a study") {
  Runs sgd{{.optimizer = "sgd"}}, msam{{.optimizer = "msam"}};
  for (const uint64_t seed : {1001, 1002, 2001, 2002}) sgd.results.push_back(run_of(seed, 0.5, {1, 0}));
  for (const uint64_t seed : {2002, 1001, 1002, 2001})  // another order
    msam.results.push_back(run_of(seed, 0.5 + 0.1 * static_cast<double>(seed % 10), {1, 1}));
  const ReplicateOf study = [](uint64_t seed) { return seed / 1000; };
  Replicates r = replicates_of(msam, sgd, Judged::accuracy, 0, study);
  CHECK_CLOSE(r.differences, (std::vector<double>{0.15, 0.15}), {.rtol = 1e-12});
  REQUIRE(r.by_row.size() == 2);
  CHECK(r.by_row[0] == std::vector<double>{0, 1});
  CHECK(replicates_of(msam, sgd, Judged::accuracy, 0.25, study).by_row.empty());  // the rows differ from split to split
  CHECK_CLOSE(replicates_of(msam, sgd, Judged::loss, 0).differences, (std::vector<double>{-0.1, -0.2, -0.1, -0.2}),
              {.rtol = 1e-12});
  sgd.results[0].divergence = "loss nan";
  r = replicates_of(msam, sgd, Judged::accuracy, 0, study);
  CHECK_CLOSE(r.differences, (std::vector<double>{0.2, 0.15}), {.rtol = 1e-12});
}

TEST_CASE("a run that ends near guessing while the others do well has collapsed") {
  Runs sgd{{.optimizer = "sgd"}}, msam{{.optimizer = "msam"}};
  for (const double a : {0.98, 0.97, 0.99}) sgd.results.push_back(run_of(1, a));
  for (const double a : {0.98, 0.97, 0.62}) msam.results.push_back(run_of(1, a));
  // The median is 0.975 and guessing reaches 0.5: below 0.975 - 0.75 * 0.475 = 0.619 a run has collapsed.
  CHECK(collapsed(msam, {sgd, msam}, 0.5) == 0);
  msam.results[2].curve.back().test_accuracy = 0.61;
  CHECK(collapsed(msam, {sgd, msam}, 0.5) == 1);
  CHECK(collapsed(sgd, {sgd, msam}, 0.5) == 0);
  CHECK(collapsed(msam, {sgd, msam}, 0.98) == 0);  // where all guess, none has collapsed
  CHECK(collapsed(msam, {sgd, msam}, 0.9) == 0);   // nor where guessing is nearly as good
}

TEST_CASE("each test row is noted once, right or wrong, and as its share of the loss") {
  auto [train, test] = datasets::digits();
  const Problem problem{.data = "digits", .model = "mlp:8", .train = train.take(200), .test = test, .batch = 50};
  Run run(problem, {.hyperparameters = {{"lr", 0.1}}, .steps = 8}, /*seed=*/1);
  const RunResult result = train_to_end(run, {.at_end = note_rows}, {.every_epoch = false});
  REQUIRE(result.seen.at(row_correct).size() == 360);
  CHECK_CLOSE(interval_95(result.seen.at(row_correct)).mean, result.last().test_accuracy, {.rtol = 1e-12});
  CHECK_CLOSE(interval_95(result.seen.at(row_loss)).mean, result.last().test_loss, {.rtol = 1e-5});

  std::vector<int64_t> groups;
  for (int64_t i = 0; i < test.size(); ++i) groups.push_back(i / 50);
  Problem grouped = problem;
  grouped.test = test.grouped(groups);
  Run same(grouped, {.hyperparameters = {{"lr", 0.1}}, .steps = 8}, /*seed=*/1);
  const RunResult of_groups = train_to_end(same, {.at_end = note_rows}, {.every_epoch = false});
  REQUIRE(of_groups.seen.at(row_correct).size() == 8);
  CHECK_CLOSE(interval_95(of_groups.seen.at(row_correct)).mean, result.last().test_accuracy, {.rtol = 1e-12});
}

TEST_CASE("each test row of a quantity is noted as what it adds to R2, and as its squared error") {
  std::vector<float> values, targets;
  for (int i = 0; i < 60; ++i) {
    values.push_back(static_cast<float>(i % 7) / 3 - 1);
    targets.push_back(values.back() + static_cast<float>(i % 4) / 4);
  }
  const auto [train, test] = datasets::Dataset::from_targets(values, {1}, targets).split(0.25, 1);
  const Problem problem{.data = "quantities", .model = "mlp:4", .train = train, .test = test, .batch = 9};
  Run run(problem, {.hyperparameters = {{"lr", 0.1}}, .steps = 20}, /*seed=*/1);
  const RunResult result = train_to_end(run, {.at_end = note_rows}, {.every_epoch = false});
  REQUIRE(result.seen.at(row_correct).size() == 15);
  CHECK_CLOSE(interval_95(result.seen.at(row_correct)).mean, result.last().test_accuracy, {.rtol = 1e-9});
  CHECK_CLOSE(interval_95(result.seen.at(row_loss)).mean, result.last().test_loss, {.rtol = 1e-9});
}

TEST_CASE("guessing reaches the share of the most frequent class") {
  const auto data = datasets::Dataset::from_values({1, 2, 3, 4}, {1}, {0, 1, 1, 1}, {"a", "b"});
  CHECK(largest_share(data) == 0.75);
}
