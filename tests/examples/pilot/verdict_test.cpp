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
  run.seen["cosine"] = {0.9, -0.1 - 0.01 * static_cast<double>(study_of(seed))};
  run.seen["slope"] = {9, -2};
  return run;
}

/// As many studies, of a run each, as there are numbers of right rows, of 10,000.
Pilot pilot_of(const std::vector<int>& sgd, const std::vector<int>& msam) {
  Pilot pilot;
  pilot.comparison.compared_with = "sgd";
  pilot.comparison.test_samples = 10000;
  for (const std::string& name : pilot_optimizers()) {
    Runs runs{{.optimizer = name}};
    for (size_t i = 0; i < sgd.size(); ++i)
      runs.results.push_back(
          finished(study_seed(static_cast<int64_t>(i) + 1, 1), name == "msam" ? msam[i] : sgd[i], 10000, 0.3));
    pilot.comparison.runs.push_back(runs);
  }
  return pilot;
}

/// The same pilot with one more optimizer.
Pilot with_further(Pilot pilot, const std::string& name, const std::vector<int>& correct) {
  Runs runs{{.optimizer = name}};
  for (size_t i = 0; i < correct.size(); ++i)
    runs.results.push_back(finished(study_seed(static_cast<int64_t>(i) + 1, 1), correct[i], 10000, 0.3));
  pilot.comparison.runs.push_back(runs);
  return pilot;
}

PilotVerdict verdict_of(const Pilot& pilot) { return judge(evidence_of(pilot), pilot.rule); }

Pilot swapped(const Pilot& pilot) {
  Pilot other = pilot;
  std::swap(other.comparison.runs[0].results, other.comparison.runs[2].results);
  return other;
}

}  // namespace

TEST_CASE("a gain above the margin in every study is a reason to adopt MSAM, and the same loss a reason not to") {
  const Pilot pilot = pilot_of({9000, 9020, 9010, 9005}, {9200, 9215, 9204, 9208});
  const PilotVerdict v = verdict_of(pilot);
  CHECK(v.advice == Advice::adopt);
  CHECK(v.better == 1);
  CHECK_CLOSE(v.difference.interval.mean, (2.00 + 1.95 + 1.94 + 2.03) / 4, {.rtol = 1e-9});
  CHECK(
      contains(recommendation(pilot), "Adopt MSAM. Over 4 studies MSAM's advantage over SGD in test accuracy is +1.9"));
  CHECK(contains(recommendation(pilot), "MSAM is better."));

  const PilotVerdict other = verdict_of(swapped(pilot));
  CHECK(other.advice == Advice::do_not_adopt);
  CHECK(other.better == -1);
  CHECK_CLOSE(other.difference.interval.mean, -v.difference.interval.mean, {.rtol = 1e-9});
  CHECK_CLOSE(other.difference.interval.half_width, v.difference.interval.half_width, {.rtol = 1e-9});
  CHECK(contains(other.reason, "SGD is better."));
}

TEST_CASE("a difference that is small for certain is no reason to adopt MSAM, even where it is separated from 0") {
  for (const int gain : {0, 10}) {
    const Pilot pilot = pilot_of({9000, 9020, 9010, 9005}, {9000 + gain, 9022 + gain, 9009 + gain, 9006 + gain});
    const PilotVerdict v = verdict_of(pilot);
    CHECK(v.advice == Advice::do_not_adopt);
    CHECK(v.better == 0);
    CHECK(contains(v.reason, "no difference that matters (0.5 points of accuracy), either way"));
    CHECK(verdict_of(swapped(pilot)).advice == Advice::do_not_adopt);
  }
}

TEST_CASE("of quantities the verdict is in points of R2, and not in test rows") {
  Pilot pilot = pilot_of({9000, 9020, 9010, 9005}, {9200, 9215, 9204, 9208});
  pilot.rule.quantities = pilot.comparison.quantities = true;
  CHECK(pilot.rule.tuned_by() == JudgedBy::loss);
  CHECK(pilot.rule.unit() == "points of R2");
  const std::string words = recommendation(pilot);
  CHECK_MESSAGE(contains(words, "advantage over SGD in test R2 is +1.9"), words);
  CHECK_MESSAGE(contains(words, " points (percent of the variance)"), words);
  for (const PilotSection& section : pilot_sections(pilot)) {
    for (const auto& row : section.table)
      for (const std::string& cell : row) CHECK_MESSAGE(!contains(cell, "acc"), cell);
    CHECK_MESSAGE(!contains(section.remark, "accuracy"), section.remark);
  }
  CHECK(contains(rule_text(pilot.rule), "0.5 points of R2"));
}

TEST_CASE("a difference lost in the spread is undecided, with the number of studies that would decide") {
  const Pilot pilot = pilot_of({9000, 9100, 9050, 8950}, {9200, 9080, 9230, 9080});
  const PilotVerdict v = verdict_of(pilot);
  CHECK(v.advice == Advice::undecided);
  CHECK(v.difference.interval.low() < 0);
  CHECK(v.difference.interval.high() > 0.5);
  REQUIRE(v.more_studies > 0);
  CHECK(contains(v.reason, text("About ", v.more_studies, " more studies would decide with a probability of 80%")));
  CHECK(verdict_of(swapped(pilot)).advice == Advice::undecided);
  CHECK(verdict_of(swapped(pilot)).more_studies == v.more_studies);

  // By hand: the mean must lie sd / sqrt(n) times 0.8416 above the half width that n studies and the rows have
  // together.
  const std::vector<double> d{2.0, -0.2, 1.8, 1.3};
  const Interval i = interval_95(d);
  const double sd = i.half_width / student_t_975(3) * 2;
  const auto decides = [&](int n) {
    const double of_mean = sd / std::sqrt(n);
    return i.mean - 0.8416 * of_mean >= std::hypot(student_t_975(n - 1) * of_mean, v.difference.rows);
  };
  const int n = 4 + v.more_studies;
  CHECK(decides(n));
  if (v.more_studies > 1) CHECK_FALSE(decides(n - 1));
}

namespace {

/// Evidence of these differences whose test rows add an interval of this half width.
PilotEvidence evidence(const std::vector<double>& differences, double rows = 0) {
  PilotEvidence e{.replicates = {.differences = differences}, .test_rows = 100};
  // Rows that do the same in every study, on both sides of its difference.
  const double apart = rows / student_t_975(99) * std::sqrt(99.0);
  for (const double d : differences) {
    e.replicates.by_row.emplace_back();
    for (int i = 0; i < 100; ++i) e.replicates.by_row.back().push_back(d + (i % 2 == 0 ? apart : -apart));
  }
  return e;
}

}  // namespace

TEST_CASE("with the studies asked for, the rule decides in about four cases of five") {
  const auto check_forecast = [](double true_mean, double rows, double test_per_train, int now) {
    CAPTURE(true_mean);
    CAPTURE(rows);
    CAPTURE(test_per_train);
    const auto sample = [&](const std::vector<double>& values) {
      PilotEvidence e = evidence(values, rows);
      e.replicates.test_per_train = test_per_train;
      if (test_per_train > 0) e.replicates.by_row.clear();
      return judge(e, {});
    };
    std::vector<double> seen;  // exactly this mean, and standard deviation 1
    const double one = std::sqrt((now - 1.0) / now);
    for (int i = 0; i < now; ++i) seen.push_back(true_mean + (i % 2 == 0 ? one : -one));
    const PilotVerdict v = sample(seen);
    CHECK_CLOSE(v.difference.rows, rows, {.rtol = 1e-6, .atol = 1e-9});
    REQUIRE(v.more_studies > 0);
    Generator random{11, 0};
    constexpr int trials = 400;
    int decided = 0;
    for (int trial = 0; trial < trials; ++trial) {
      // Splits of their own resemble each other: what they share does not average out.
      const double shared = random.normal({1}, true_mean, 1, DType::float64).item() * std::sqrt(test_per_train) +
                            true_mean * (1 - std::sqrt(test_per_train));
      decided += sample(random.normal({now + v.more_studies}, shared, 1, DType::float64).to_vector<double>()).advice !=
                 Advice::undecided;
    }
    // A standard deviation of luck is 2%.
    CHECK_MESSAGE(std::abs(decided / double{trials} - 0.8) < 0.06, decided << " with " << v.more_studies << " more");
  };
  check_forecast(0, 0, 0, 4);       // no difference: both bounds must hold
  check_forecast(0, 0.3, 0, 4);     // the same, and few rows
  check_forecast(0.15, 0, 0, 4);    // a difference that does not matter
  check_forecast(0.9, 0.65, 0, 4);  // one that does, and few rows
  check_forecast(1.6, 0, 0.25, 4);  // one that does, in splits that overlap
}

TEST_CASE(
    "what is better than 0 but not by as much as matters is undecided, and more precision does not undo adoption") {
  const auto advice = [](double mean, double spread) {
    return judge(evidence({mean - spread, mean, mean, mean, mean + spread}), {});
  };
  const PilotVerdict v = advice(0.3, 0.25);
  CHECK(v.difference.interval.low() > 0);
  CHECK(v.difference.interval.high() > 0.5);
  CHECK(v.advice == Advice::undecided);
  CHECK(v.better == 0);
  CHECK(contains(v.reason, "MSAM is better, but not shown to be so by as much as matters (0.5 points of accuracy)."));
  CHECK(contains(advice(-0.3, 0.25).reason, "SGD is better, but not shown to be so by as much as matters"));
  CHECK(advice(-0.3, 0.25).advice == Advice::undecided);
  CHECK(advice(0.3, 0.1).advice == Advice::do_not_adopt);
  for (const double spread : {0.6, 0.3, 0.1, 0.01}) CHECK(advice(0.6, spread).advice == Advice::adopt);
  // Too close to the margin for any number of studies: the rows are not to blame.
  const PilotVerdict close = advice(0.499, 0.3);
  CHECK(close.more_studies == -1);
  CHECK(close.rows_needed == 0);
  CHECK(contains(close.reason, "too close to the smallest gain that matters"));
}

TEST_CASE("of several methods each verdict is adjusted for the others by Holm, and one alone as it always was") {
  const PilotEvidence some = evidence({0.606, 1.794, 0.606, 1.794}), none = evidence({0.5, -0.5, 0.1, -0.1}),
                      clear = evidence({2, 2.01, 2, 2.01});
  const PilotVerdict alone = judge(some, {});
  CHECK(alone.advice == Advice::adopt);
  CHECK(alone.difference.p < 0.05);
  CHECK(alone.difference.p > 0.025);
  const PilotVerdict beside_none = judge_each({none, some}, {})[1];
  CHECK(beside_none.advice == Advice::undecided);
  CHECK(beside_none.better == 0);
  CHECK_CLOSE(beside_none.difference.p, 2 * alone.difference.p, {.rtol = 1e-12});
  CHECK(beside_none.difference.interval.half_width == alone.difference.interval.half_width);
  CHECK_MESSAGE(
      contains(beside_none.reason, "alone it would be a difference, but not as one of 2 comparisons (Holm: p"),
      beside_none.reason);
  CHECK(beside_none.more_studies > 0);
  const auto beside_clear = judge_each({clear, some}, {});
  CHECK(beside_clear[0].advice == Advice::adopt);
  CHECK(beside_clear[1].advice == Advice::adopt);  // the larger of two p-values counts once
  const PilotEvidence open = evidence({2.0, -0.2, 1.8, 1.3});
  CHECK(judge_each({open, none}, {})[0].more_studies > judge(open, {}).more_studies);
  // That there is no difference that matters takes no more studies beside others, as its interval is the plain one.
  const PilotEvidence equal = evidence({1, -1, 1, -1});
  REQUIRE(judge(equal, {}).more_studies > 0);
  CHECK(judge_each({equal, clear}, {})[0].more_studies == judge(equal, {}).more_studies);
  CHECK_CLOSE(student_t_p(student_t_975(5, 2), 5), 0.025, {.rtol = 1e-9});
}

TEST_CASE("diverged runs of several methods are adjusted as well") {
  PilotEvidence e = evidence(std::vector<double>(24, 2.0));
  e.studies = 30, e.sgd_diverged = 6;  // alone p = 0.024
  CHECK(judge(e, {}).advice == Advice::adopt);
  const PilotEvidence none = evidence({0.5, -0.5, 0.1, -0.1});
  CHECK(judge_each({e, none}, {})[0].advice == Advice::adopt);            // 0.047
  CHECK(judge_each({e, none, none}, {})[0].advice == Advice::undecided);  // 0.071
  CHECK(contains(judge_each({e, none, none}, {})[0].reason, "(Fisher's exact test, Holm: p = 0.07)"));
  CHECK_CLOSE(judge_each({e, none, none}, {})[0].p, 3 * judge(e, {}).p, {.rtol = 1e-12});
  CHECK(judge_each({none, e}, {})[0].p == judge_each({none, e}, {})[0].difference.p);
}

TEST_CASE("a further optimizer has a verdict, a row in each table, and an entry in pilot.json, under its name") {
  const Pilot plain = pilot_of({9000, 9020, 9010, 9005}, {9000, 9022, 9009, 9006});
  Pilot pilot = with_further(plain, "msam+auto", {9200, 9215, 9204, 9208});
  pilot.plan.grid = {2, 3, 3};
  CHECK(plain.further().empty());
  CHECK(pilot.further() == std::vector<std::string>{"msam+auto"});
  CHECK(pilot_verdict(pilot).advice == Advice::do_not_adopt);
  CHECK(pilot_verdict(pilot, "msam+auto").advice == Advice::adopt);
  const std::string words = recommendation(pilot);
  CHECK_MESSAGE(
      words.starts_with(recommendation(plain) + " MSAM, automatic radius (msam+auto): adopt it. Over 4 "
                                                "studies msam+auto's advantage over SGD in test accuracy is +1.9"),
      words);
  CHECK_MESSAGE(contains(words, ": msam+auto is better. An epoch of it took 1.00 times as long as one of SGD."), words);
  CHECK(contains(recommendation(with_further(plain, "sam+auto", {9000, 9021, 9010, 9004})),
                 "SAM, automatic radius (sam+auto): do not adopt it."));
  const std::string rule = rule_text(pilot.rule, pilot.further());
  CHECK(rule.starts_with(rule_text(pilot.rule) + " msam+auto is judged as MSAM is."));
  CHECK(contains(rule, "As there are 2 comparisons"));

  const auto json = nlohmann::json::parse(pilot_json(pilot)), json_before = nlohmann::json::parse(pilot_json(plain));
  CHECK(json.at("advice") == "do not adopt MSAM");
  CHECK(json.at("msam+auto_advice") == "adopt msam+auto");
  CHECK(json.at("msam+auto_trials") == 6);
  CHECK_CLOSE(json.at("msam+auto_advantage").get<double>(), 1.98, {.rtol = 1e-9});
  for (const auto& [name, value] : json_before.items()) CHECK_FALSE(contains(name, "auto"));

  Study study;
  for (const Runs& runs : pilot.comparison.runs) study.tuning.trials.push_back(runs), study.runs.push_back(runs);
  pilot.studies = {study};
  pilot.prices = {.per_hour = 3600, .per_month = 1};
  std::map<std::string, PilotSection> sections;
  for (const PilotSection& section : pilot_sections(pilot)) sections[section.heading] = section;
  CHECK(sections.at("Generalisation").table[4][0] == "msam+auto");
  CHECK(sections.at("Generalisation").table[4][3] == "-");  // no radius was chosen
  CHECK(sections.at("Tuning").table[4][1] == "msam+auto");
  CHECK_MESSAGE(contains(sections.at("Tuning").text, "18 trials (msam+auto: 6, as no radius is tried) with one seed"),
                sections.at("Tuning").text);
  const Table& money = sections.at("Money").table;
  REQUIRE(money.size() == 7 + 5);
  CHECK(money[9] == std::vector<std::string>{"tuning msam+auto, once", "24.00"});  // 4 runs of 6 seconds
}

TEST_CASE("where the test rows are too few, no number of studies decides, and the rows that would are named") {
  std::vector<double> differences;
  for (int i = 0; i < 10; ++i) differences.push_back(1 + 0.01 * i);
  const PilotVerdict v = judge(evidence(differences, 3), {});
  CHECK(v.advice == Advice::undecided);
  CHECK(v.more_studies == -1);
  CHECK(v.rows_needed > 100);
  CHECK(contains(v.reason, text("The 100 test rows are too few for a difference of this size: about ", v.rows_needed)));
  // A half width of 3 must become one below 1: nine times the rows, and a few more.
  CHECK(v.rows_needed > 750);
  CHECK(v.rows_needed < 1100);
}

TEST_CASE("diverged runs decide where they are more than luck, and leave it undecided where they are not") {
  const auto verdict = [](int studies, int sgd, int msam) {
    std::vector<double> differences;
    for (int i = 0; i < studies - std::max(sgd, msam); ++i) differences.push_back(2 + 0.1 * (i % 3));
    PilotEvidence e = evidence(differences);
    e.studies = studies, e.sgd_diverged = sgd, e.msam_diverged = msam;
    return judge(e, {});
  };
  CHECK(verdict(30, 0, 0).advice == Advice::adopt);
  CHECK(verdict(30, 1, 0).advice == Advice::undecided);
  CHECK(contains(verdict(30, 1, 0).reason, "Of 30 studies, SGD diverged in 1 and MSAM in 0: too few"));
  CHECK(contains(verdict(30, 1, 0).reason, "p = 1.00"));
  CHECK(contains(verdict(30, 1, 0).reason, "Over 29 studies MSAM's advantage over SGD in test accuracy is "));
  // Twice C(30, 6) C(30, 0) / C(60, 6) = 0.0237; five of thirty: 0.0522.
  CHECK(verdict(30, 6, 0).advice == Advice::adopt);
  CHECK(verdict(30, 6, 0).better == 1);
  CHECK(contains(verdict(30, 6, 0).reason, "p = 0.024"));
  CHECK(verdict(30, 5, 0).advice == Advice::undecided);
  CHECK(verdict(30, 0, 6).advice == Advice::do_not_adopt);
  CHECK(verdict(30, 0, 6).better == -1);
  CHECK(verdict(30, 10, 7).advice == Advice::undecided);
  // Of few studies, all: twice 1 / C(10, 5) = 0.0079.
  CHECK(verdict(5, 5, 0).advice == Advice::adopt);
  CHECK(verdict(5, 0, 5).advice == Advice::do_not_adopt);
  CHECK(verdict(30, 2, 2).advice == Advice::adopt);  // equally many: the studies in which both finished speak
}

TEST_CASE("diverged and collapsed runs are counted by study, and collapsed ones are named in the verdict") {
  Pilot pilot = pilot_of({9000, 9020, 9010, 9000}, {9200, 9215, 9204, 2000});
  pilot.comparison.guessing = 0.1;
  PilotEvidence e = evidence_of(pilot);
  CHECK(e.studies == 4);
  CHECK(e.msam_collapsed == 1);
  CHECK(e.sgd_collapsed == 0);
  CHECK(contains(judge(e, {}).reason,
                 "Runs that ended far below the others (collapsed): SGD in 0 and MSAM in 1 of 4 studies"));
  CHECK(pilot_sections(pilot)[0].table[3].back() == "4, 1 collapsed");
  pilot.comparison.runs[2].results[3].divergence = "loss nan";
  e = evidence_of(pilot);
  CHECK(e.msam_diverged == 1);
  CHECK(e.replicates.differences.size() == 3);
  // Who diverged decides: 1 of 4 against none is p = 1, whatever the difference among the others.
  CHECK_CLOSE(nlohmann::json::parse(pilot_json(pilot)).at("p").get<double>(), 1, {.rtol = 1e-12});
}

TEST_CASE("seeds of one study are one piece of evidence, not several") {
  Pilot pilot = pilot_of({9000, 9020, 9010}, {9200, 9215, 9204});
  for (Runs& runs : pilot.comparison.runs)
    for (int64_t study = 1; study <= 3; ++study)
      runs.results.push_back(finished(study_seed(study, 2), 9100, 10000, 0.3));  // no difference in a second seed
  const PilotEvidence e = evidence_of(pilot);
  CHECK_CLOSE(e.replicates.differences, (std::vector<double>{1.0, 0.975, 0.97}), {.rtol = 1e-9});
  CHECK(e.replicates.by_row.size() == 3);
  CHECK(e.studies == 3);
}

TEST_CASE(
    "where SGD diverged in one study, the report's differences are still to SGD, over the studies that it finished") {
  Pilot pilot = pilot_of({9000, 9020, 9010}, {9200, 9215, 9204});
  pilot.comparison.runs[0].results[0].divergence = "a loss of infinity";
  CHECK(pilot.comparison.reference().name() == "sgd");
  const Interval gain = pilot.of("msam").minus(pilot.comparison.reference(), at_end(&Measurement::test_accuracy));
  CHECK(gain.count == 2);
  CHECK_CLOSE(gain.mean, (0.0195 + 0.0194) / 2);
}

TEST_CASE("studies that all give the same difference decide nothing, and claim no range") {
  const PilotVerdict none = judge(evidence({0, 0, 0}), {});
  CHECK(none.advice == Advice::undecided);
  CHECK_MESSAGE(contains(none.reason, ": the same in all studies, so nothing tells how far it would vary"),
                none.reason);
  PilotEvidence one_row{.replicates = {.differences = {}},
                        .test_rows = 36};  // more in each study: equal but for rounding
  for (const double right : {35.0, 34.0, 32.0})
    one_row.replicates.differences.push_back(100 * (right / 36 - (right - 1) / 36));
  CHECK(judge(one_row, {}).advice == Advice::undecided);
  CHECK(difference_of(one_row.replicates).no_spread());
  // Where the test rows are shared, their own spread is left.
  const Difference rows = difference_of(evidence({1, 1, 1}, 2).replicates);
  CHECK_CLOSE(rows.rows, 2, {.rtol = 1e-6});
  CHECK_CLOSE(rows.interval.half_width, rows.rows, {.rtol = 1e-9});
  CHECK(rows.p > 0.05);
}

TEST_CASE("two studies decide nothing") {
  const PilotVerdict two = judge(evidence({1, 1.1}), {});
  CHECK(two.advice == Advice::undecided);
  CHECK(two.more_studies == 1);
  CHECK(contains(two.reason, "at least 3 are needed"));
}

TEST_CASE("judged by loss, a difference is in percent of SGD's loss, and lower is better") {
  Pilot pilot = pilot_of({9000, 9000, 9000}, {9000, 9000, 9000});
  pilot.rule = {.by_loss = true, .margin = 5};
  for (RunResult& run : pilot.comparison.runs[2].results) {
    const double lower = 0.06 + 0.001 * static_cast<double>(study_of(run.seed));
    run.curve.back().test_loss -= lower;
    for (double& loss : run.seen["row_loss"]) loss -= lower;
  }
  const PilotVerdict v = verdict_of(pilot);
  CHECK_CLOSE(v.difference.interval.mean, 100 * 0.062 / 0.3, {.rtol = 1e-9});
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
  CHECK(sections.at("Generalisation").table[3][9] == "100%");
  CHECK(contains(sections.at("Generalisation").remark, "One test row is 0.01 points of accuracy."));
  CHECK(sections.at("Time and memory paid").table[3][3] == "1.00x (1.00 to 1.00)");
  // the probe within the first epoch does not count: -0.1 - 0.01 * {1, 2, 3}
  const PilotSection& momentum = sections.at("Does the momentum carry information?");
  CHECK(momentum.table[1][1].substr(0, 5) == "-0.12");
  CHECK(momentum.table[1][3].substr(0, 3) == "100");
  CHECK(contains(momentum.remark, "Under SGD the cosine differs from 0"));
  CHECK(contains(sections.at("Sharpness").text, "Not measured"));

  Pilot no_sign = pilot;  // the mean over seeds is 0, and the interval reaches to 0.248
  for (Runs& runs : no_sign.comparison.runs)
    for (RunResult& run : runs.results) run.seen["cosine"].back() = 0.1 * (static_cast<double>(study_of(run.seed)) - 2);
  for (const PilotSection& section : pilot_sections(no_sign))
    if (section.heading == momentum.heading)
      CHECK_MESSAGE(contains(section.remark,
                             "no sign is seen that the momentum says anything about the next batch: in "
                             "the mean |cos| is below 0.25 (95%)"),
                    section.remark);

  const nlohmann::json json = nlohmann::json::parse(pilot_json(pilot));
  CHECK(json.at("advice") == "adopt MSAM");
  CHECK_CLOSE(json.at("cosine_v_g").get<double>(), -0.12, {.rtol = 1e-9});
  CHECK(json.at("studies") == 3);
}

TEST_CASE("a test part on which SGD does otherwise than on the validation split is pointed out") {
  Pilot pilot = pilot_of({9000, 9020, 9010}, {9000, 9020, 9010});
  pilot.comparison.train_samples = 10000;
  const auto remark = [&](double accuracy) {
    Study study;
    for (const std::string& name : pilot_optimizers()) {
      Runs runs{{.optimizer = name}, {RunResult{}}};
      runs.results[0].curve.push_back({.test_loss = 0.3, .test_accuracy = accuracy});
      study.tuning.trials.push_back(runs), study.runs.push_back(runs);
    }
    pilot.studies = {study};
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
  CHECK(contains(pilot_sections(pilot).back().text, "by the mean accuracy"));
  pilot.rule = {.by_loss = true, .margin = 5};
  CHECK(contains(pilot_sections(pilot).back().text, "by the mean loss."));
}
