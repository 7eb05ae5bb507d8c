// The pilot's rule and its report, on results made by hand.
#include <cmath>
#include <nlohmann/json.hpp>

#include "examples/pilot/report.h"
#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::examples;
using test::contains;

namespace {

/// One final run on `rows` test rows of which the first `correct` are right.
RunResult finished(uint64_t seed, int correct, int rows, double loss) {
  RunResult run{.seed = seed, .parameters = 100};
  for (int epoch = 1; epoch <= 6; ++epoch)
    run.curve.push_back({.epoch = 1.0 * epoch,
                         .step = 10 * epoch,
                         .seconds = 1.0 * epoch,
                         .peak_memory_bytes = 1 << 20,
                         .test_loss = loss + 6 - epoch,
                         .test_accuracy = static_cast<double>(correct) / rows});
  for (int i = 0; i < rows; ++i) run.seen["row_correct"].push_back(i < correct), run.seen["row_loss"].push_back(loss);
  run.seen["epoch"] = {0.5, 2};
  run.seen["cosine"] = {0.9, -0.1 - 0.01 * static_cast<double>(seed)};
  run.seen["slope"] = {9, -2};
  return run;
}

/// As many seeds as there are numbers of right rows, of 10,000.
Pilot pilot_of(const std::vector<int>& sgd, const std::vector<int>& msam) {
  Pilot pilot;
  pilot.comparison.compared_with = "sgd";
  pilot.comparison.test_samples = 10000;
  for (const std::string& name : pilot_optimizers()) {
    Runs runs{{.optimizer = name}};
    for (size_t i = 0; i < sgd.size(); ++i)
      runs.results.push_back(finished(i + 1, name == "msam" ? msam[i] : sgd[i], 10000, 0.3));
    pilot.comparison.runs.push_back(runs);
  }
  return pilot;
}

PilotVerdict verdict_of(const Pilot& pilot) { return judge(evidence_of(pilot), pilot.rule); }

Pilot swapped(const Pilot& pilot) {
  Pilot other = pilot;
  std::swap(other.comparison.runs[0].results, other.comparison.runs[2].results);
  return other;
}

}  // namespace

TEST_CASE("a gain above the margin in every seed is a reason to adopt MSAM, and the same loss a reason not to") {
  const Pilot pilot = pilot_of({9000, 9020, 9010, 9005}, {9200, 9215, 9204, 9208});
  const PilotVerdict v = verdict_of(pilot);
  CHECK(v.advice == Advice::adopt);
  CHECK_CLOSE(v.seeds.mean, (2.00 + 1.95 + 1.94 + 2.03) / 4, {.rtol = 1e-9});
  CHECK(contains(recommendation(pilot), "Adopt MSAM. Over 4 seeds MSAM's advantage over SGD in test accuracy is +1.9"));
  CHECK(contains(recommendation(pilot), "MSAM is better."));

  const PilotVerdict other = verdict_of(swapped(pilot));
  CHECK(other.advice == Advice::do_not_adopt);
  CHECK_CLOSE(other.seeds.mean, -v.seeds.mean, {.rtol = 1e-9});
  CHECK_CLOSE(other.half_width, v.half_width, {.rtol = 1e-9});
  CHECK(contains(other.reason, "SGD is better."));
}

TEST_CASE("a difference that is small for certain is no reason to adopt MSAM, even where it is separated from 0") {
  for (const int gain : {0, 10}) {
    const Pilot pilot = pilot_of({9000, 9020, 9010, 9005}, {9000 + gain, 9022 + gain, 9009 + gain, 9006 + gain});
    const PilotVerdict v = verdict_of(pilot);
    CHECK(v.advice == Advice::do_not_adopt);
    CHECK(contains(v.reason, "no difference that matters (0.5 points of accuracy), either way"));
    CHECK(verdict_of(swapped(pilot)).advice == Advice::do_not_adopt);
  }
}

TEST_CASE("a difference lost in the spread of the seeds is undecided, with the number of seeds that would decide") {
  const Pilot pilot = pilot_of({9000, 9100, 9050, 8950}, {9200, 9080, 9230, 9080});
  const PilotVerdict v = verdict_of(pilot);
  CHECK(v.advice == Advice::undecided);
  CHECK(v.low() < 0);
  CHECK(v.high() > 0.5);
  REQUIRE(v.more_seeds > 0);
  CHECK(contains(v.reason, text("About ", v.more_seeds, " more seeds would decide with a probability of 80%")));
  CHECK(verdict_of(swapped(pilot)).advice == Advice::undecided);
  CHECK(verdict_of(swapped(pilot)).more_seeds == v.more_seeds);

  // By hand: the mean must lie sd / sqrt(n) times 0.8416 above the half width that n seeds and the rows have together.
  const std::vector<double> d{2.0, -0.2, 1.8, 1.3};
  const Interval i = interval_95(d);
  const double sd = i.half_width / student_t_975(3) * 2;
  const auto decides = [&](int n) {
    const double of_mean = sd / std::sqrt(n);
    return i.mean - 0.8416 * of_mean >= std::hypot(student_t_975(n - 1) * of_mean, v.rows);
  };
  const int n = 4 + v.more_seeds;
  CHECK(decides(n));
  if (v.more_seeds > 1) CHECK_FALSE(decides(n - 1));
}

TEST_CASE("of the spread over test rows only what stays from seed to seed counts beside the seeds") {
  Generator random{3, 0};
  constexpr int seeds = 5, rows = 400;
  const auto in_one_seed = random.normal({seeds * rows}, 0, 30, DType::float64).to_vector<double>();
  const auto lasting = random.normal({rows}, 0, 20, DType::float64).to_vector<double>();
  PilotEvidence noise{.by_seed = {1, 2, 3, 2, 1}}, both = noise;
  for (size_t s = 0; s < seeds; ++s) {
    noise.by_row.emplace_back(), both.by_row.emplace_back();
    for (size_t i = 0; i < rows; ++i) {
      noise.by_row[s].push_back(in_one_seed[s * rows + i] + 10 * static_cast<double>(s));
      both.by_row[s].push_back(noise.by_row[s][i] + lasting[i]);
    }
  }
  // Without the correction: 1.97 * 30 / sqrt(5 * 400) = 1.3 and 1.97 * sqrt(20^2 + 30^2 / 5) / sqrt(400) = 2.4.
  CHECK(judge(noise, {}).rows < 0.5);
  CHECK_CLOSE(judge(both, {}).rows, 1.966 * 20 / 20, {.rtol = 0.1});
}

TEST_CASE("with the seeds asked for, the rule decides in about four cases of five") {
  const auto check_forecast = [](double true_mean, double rows, int seeds_now) {
    CAPTURE(true_mean);
    CAPTURE(rows);
    // Seeds with exactly this mean and standard deviation 1; rows whose part has a half width of `rows`.
    const auto sample = [&](const std::vector<double>& values) {
      PilotEvidence evidence{.by_seed = values};
      const double apart = rows / student_t_975(99) * std::sqrt(99.0);
      evidence.by_row.emplace_back();
      for (int i = 0; i < 100; ++i) evidence.by_row[0].push_back(i % 2 == 0 ? apart : -apart);
      return judge(evidence, {});
    };
    std::vector<double> now;
    const double one = std::sqrt((seeds_now - 1.0) / seeds_now);
    for (int i = 0; i < seeds_now; ++i) now.push_back(true_mean + (i % 2 == 0 ? one : -one));
    const PilotVerdict v = sample(now);
    CHECK_CLOSE(v.rows, rows, {.rtol = 1e-6, .atol = 1e-9});
    REQUIRE(v.more_seeds > 0);
    Generator random{11, 0};
    constexpr int trials = 400;
    int decided = 0;
    for (int trial = 0; trial < trials; ++trial)
      decided +=
          sample(random.normal({seeds_now + v.more_seeds}, true_mean, 1, DType::float64).to_vector<double>()).advice !=
          Advice::undecided;
    // A standard deviation of luck is 2%.
    CHECK_MESSAGE(std::abs(decided / double{trials} - 0.8) < 0.06, decided << " with " << v.more_seeds << " more");
  };
  check_forecast(0, 0, 4);       // no difference: both bounds must hold
  check_forecast(0, 0.3, 4);     // the same, and few rows
  check_forecast(0.15, 0, 4);    // a difference that does not matter
  check_forecast(0.9, 0.65, 4);  // one that does, and few rows
}

TEST_CASE(
    "what is better than 0 but not by as much as matters is undecided, and more precision does not undo adoption") {
  const auto advice = [](double mean, double spread) {
    const std::vector<double> seeds{mean - spread, mean, mean, mean, mean + spread};
    return judge({.by_seed = seeds, .by_row = {{0, 0}}}, {});
  };
  const PilotVerdict v = advice(0.3, 0.25);
  CHECK(v.low() > 0);
  CHECK(v.high() > 0.5);
  CHECK(v.advice == Advice::undecided);
  CHECK(contains(v.reason, "MSAM is better, but not shown to be so by as much as matters (0.5 points of accuracy)."));
  CHECK(contains(advice(-0.3, 0.25).reason, "SGD is better, but not shown to be so by as much as matters"));
  CHECK(advice(-0.3, 0.25).advice == Advice::undecided);
  CHECK(advice(0.3, 0.1).advice == Advice::do_not_adopt);
  for (const double spread : {0.6, 0.3, 0.1, 0.01}) CHECK(advice(0.6, spread).advice == Advice::adopt);
  // Too close to the margin for any number of seeds: the rows are not to blame.
  const PilotVerdict close = advice(0.499, 0.3);
  CHECK(close.more_seeds == -1);
  CHECK(close.rows_needed == 0);
  CHECK(contains(close.reason, "too close to the smallest gain that matters"));
}

TEST_CASE("where the test rows are too few, no number of seeds decides, and the rows that would are named") {
  PilotEvidence evidence;
  for (int i = 0; i < 10; ++i) evidence.by_seed.push_back(1 + 0.01 * i);
  evidence.by_row.resize(10);
  for (auto& rows : evidence.by_row)  // the same in every seed
    for (int i = 0; i < 50; ++i) rows.push_back(i < 3 ? 100 : i < 5 ? -50 : 0);
  const PilotVerdict v = judge(evidence, {});
  CHECK(v.advice == Advice::undecided);
  CHECK(v.more_seeds == -1);
  CHECK(v.rows_needed > 50);
  CHECK(contains(v.reason, text("The 50 test rows are too few for a difference of this size: about ", v.rows_needed)));
  // Four times the rows halve their part.
  for (auto& rows : evidence.by_row)
    for (int i = 0; i < 150; ++i) rows.push_back(rows[static_cast<size_t>(i)]);
  CHECK_CLOSE(judge(evidence, {}).rows, v.rows / 2, {.rtol = 0.05});
}

TEST_CASE("diverged runs decide where they are more than luck, and leave it undecided where they are not") {
  const auto verdict = [](int runs, int sgd, int msam) {
    PilotEvidence evidence{.by_row = {{0, 0}}, .runs = runs, .sgd_diverged = sgd, .msam_diverged = msam};
    for (int i = 0; i < runs - std::max(sgd, msam); ++i) evidence.by_seed.push_back(2 + 0.1 * (i % 3));
    return judge(evidence, {});
  };
  CHECK(verdict(30, 0, 0).advice == Advice::adopt);
  CHECK(verdict(30, 1, 0).advice == Advice::undecided);
  CHECK(contains(verdict(30, 1, 0).reason, "Of 30 final runs of each, SGD diverged in 1 and MSAM in 0: too few"));
  CHECK(contains(verdict(30, 1, 0).reason, "p = 1.00"));
  CHECK(contains(verdict(30, 1, 0).reason, "Over 29 seeds MSAM's advantage over SGD in test accuracy is "));
  // Twice C(30, 6) C(30, 0) / C(60, 6) = 0.0237; five of thirty: 0.0522.
  CHECK(verdict(30, 6, 0).advice == Advice::adopt);
  CHECK(contains(verdict(30, 6, 0).reason, "p = 0.024"));
  CHECK(verdict(30, 5, 0).advice == Advice::undecided);
  CHECK(verdict(30, 0, 6).advice == Advice::do_not_adopt);
  CHECK(verdict(30, 10, 7).advice == Advice::undecided);
  // Of few seeds, all: twice 1 / C(10, 5) = 0.0079.
  CHECK(verdict(5, 5, 0).advice == Advice::adopt);
  CHECK(verdict(5, 0, 5).advice == Advice::do_not_adopt);
  CHECK(verdict(30, 2, 2).advice == Advice::adopt);  // equally many: the seeds in which both finished speak
}

TEST_CASE(
    "where SGD diverged with one seed, the report's differences are still to SGD, over the seeds that it finished") {
  Pilot pilot = pilot_of({9000, 9020, 9010}, {9200, 9215, 9204});
  pilot.comparison.runs[0].results[0].divergence = "a loss of infinity";
  CHECK(pilot.comparison.reference().name() == "sgd");
  const Interval gain = pilot.of("msam").minus(pilot.comparison.reference(), at_end(&Measurement::test_accuracy));
  CHECK(gain.count == 2);
  CHECK_CLOSE(gain.mean, (0.0195 + 0.0194) / 2);
}

TEST_CASE("two seeds decide nothing") {
  const PilotVerdict two = judge({.by_seed = {1, 1.1}, .by_row = {{1, 1}, {1, 1}}}, {});
  CHECK(two.advice == Advice::undecided);
  CHECK(two.more_seeds == 1);
  CHECK(contains(two.reason, "at least 3 are needed"));
}

TEST_CASE("judged by loss, a difference is in percent of SGD's loss, and lower is better") {
  Pilot pilot = pilot_of({9000, 9000, 9000}, {9000, 9000, 9000});
  pilot.rule = {.by_loss = true, .margin = 5};
  for (RunResult& run : pilot.comparison.runs[2].results) {
    const double lower = 0.06 + 0.001 * static_cast<double>(run.seed);
    run.curve.back().test_loss -= lower;
    for (double& loss : run.seen["row_loss"]) loss -= lower;
  }
  const PilotVerdict v = verdict_of(pilot);
  CHECK_CLOSE(v.seeds.mean, 100 * 0.062 / 0.3, {.rtol = 1e-9});
  CHECK(v.advice == Advice::adopt);
  CHECK(contains(v.reason, "in test loss is +20"));
}

TEST_CASE("the rule in --help and the report names its margin and all three outcomes") {
  const std::string rule = rule_text({.margin = 0.25});
  for (const char* part :
       {"fixed before any result is seen", "0.25 points of accuracy", "adopt", "do not", "undecided"})
    CHECK_MESSAGE(contains(rule, part), part);
}

TEST_CASE("time to equal loss is taken where both first reach what the worse one ends with") {
  RunResult slow, fast;
  for (int i = 1; i <= 4; ++i) {
    slow.curve.push_back({.seconds = 2.0 * i, .test_loss = 5.0 - i, .test_accuracy = 0.5 + 0.1 * i});
    fast.curve.push_back({.seconds = 1.0 * i, .test_loss = 4.0 - i, .test_accuracy = 0.5 + 0.1 * i});
  }
  // slow ends with loss 1 after 8 s; fast gets there after its third measurement, 3 s. Accuracies are equal.
  CHECK_CLOSE(time_to_equal(fast, slow, true), 3.0 / 8, {.rtol = 1e-12});
  CHECK_CLOSE(time_to_equal(slow, fast, true), 8.0 / 3, {.rtol = 1e-12});
  CHECK_CLOSE(time_to_equal(slow, fast, false), 2.0, {.rtol = 1e-12});
  slow.divergence = "nan";
  CHECK(std::isnan(time_to_equal(fast, slow, true)));
}

TEST_CASE("the wobble of a run is the spread of its last third of test losses") {
  RunResult run;
  for (const double loss : {9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 1.0, 2.0, 3.0}) run.curve.push_back({.test_loss = loss});
  CHECK_CLOSE(wobble(run), 1, {.rtol = 1e-12});
  run.curve.resize(8);
  CHECK(std::isnan(wobble(run)));
}

TEST_CASE("the report's sections hold the numbers of the runs, and pilot.json the verdict") {
  const Pilot pilot = pilot_of({9000, 9020, 9010}, {9200, 9215, 9204});
  std::map<std::string, PilotSection> sections;
  for (const PilotSection& section : pilot_sections(pilot)) sections[section.heading] = section;
  CHECK(sections.at("Generalisation").table[3][4].substr(0, 5) == "92.06");
  CHECK(sections.at("Time and memory paid").table[3][3] == "1.00x (1.00 to 1.00)");
  // the probe within the first epoch does not count: -0.1 - 0.01 * {1, 2, 3}
  const PilotSection& momentum = sections.at("Does the momentum carry information?");
  CHECK(momentum.table[1][1].substr(0, 5) == "-0.12");
  CHECK(momentum.table[1][3].substr(0, 3) == "100");
  CHECK(contains(momentum.remark, "Under SGD the cosine differs from 0"));
  CHECK(contains(sections.at("Sharpness").text, "Not measured"));

  Pilot no_sign = pilot;  // the mean over seeds is 0, and the interval reaches to 0.248
  for (Runs& runs : no_sign.comparison.runs)
    for (RunResult& run : runs.results) run.seen["cosine"].back() = 0.1 * (static_cast<double>(run.seed) - 2);
  for (const PilotSection& section : pilot_sections(no_sign))
    if (section.heading == momentum.heading)
      CHECK_MESSAGE(contains(section.remark,
                             "no sign is seen that the momentum says anything about the next batch: in "
                             "the mean |cos| is below 0.25 (95%)"),
                    section.remark);

  const nlohmann::json json = nlohmann::json::parse(pilot_json(pilot));
  CHECK(json.at("advice") == "adopt MSAM");
  CHECK_CLOSE(json.at("cosine_v_g").get<double>(), -0.12, {.rtol = 1e-9});
  CHECK(json.at("seeds") == 3);
}

TEST_CASE("a test part on which SGD does otherwise than on the validation split is pointed out") {
  Pilot pilot = pilot_of({9000, 9020, 9010}, {9000, 9020, 9010});
  pilot.comparison.train_samples = 10000;
  const auto remark = [&](double accuracy) {
    RunResult run;
    run.curve.push_back({.test_loss = 0.3, .test_accuracy = accuracy});
    pilot.comparison.tuning.trials = {{{.optimizer = "sgd"}, {run}}};
    for (const PilotSection& section : pilot_sections(pilot))
      if (section.heading == "Two warnings") return section.remark;
    return std::string("no such section");
  };
  // sd of the difference: sqrt(0.09 (1/2000 + 1/10000)) = 0.0073
  CHECK(remark(0.92) == "");
  CHECK(contains(remark(0.95), "95.0% on the validation split and of 90.1% on the test part"));
}

TEST_CASE("a pilot's trials are chosen by the measure that decides, and the report says which") {
  Runs exact{{.hyperparameters = {{"lr", 0.1}}}, {RunResult{}}},
      confident{{.hyperparameters = {{"lr", 0.2}}}, {RunResult{}}};
  exact.results[0].curve.push_back({.test_loss = 0.4, .test_accuracy = 0.95});
  confident.results[0].curve.push_back({.test_loss = 0.3, .test_accuracy = 0.9});
  CHECK(Tuning{{exact, confident}, JudgedBy::accuracy}.chosen("sgd").setting.value("lr") == 0.1);
  CHECK(Tuning{{exact, confident}, JudgedBy::loss}.chosen("sgd").setting.value("lr") == 0.2);
  CHECK(PilotRule{}.tuned_by() == JudgedBy::accuracy);
  CHECK(PilotRule{.by_loss = true}.tuned_by() == JudgedBy::loss);
  Pilot pilot = pilot_of({9000, 9020, 9010}, {9200, 9215, 9204});
  pilot.comparison.tuning.judged_by = JudgedBy::accuracy;
  CHECK(contains(pilot_sections(pilot).back().text, "chosen by the mean accuracy on the other 20%"));
  pilot.comparison.tuning.judged_by = JudgedBy::loss;
  CHECK(contains(pilot_sections(pilot).back().text, "chosen by the mean loss on the other 20%"));
}
