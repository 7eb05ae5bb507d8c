// The half page for people who decide, and what the switch costs, on results made by hand.
#include "examples/pilot/plain_words.h"

#include "examples/pilot/report.h"
#include "tests/check.h"

using namespace minima;
using namespace minima::examples;
using test::contains;

namespace {

/// Studies of one run each on 400 test rows, of which so many are right. SGD's runs take 36 seconds, MSAM's 45 and 54
/// in turn; tuning takes 20 runs as long as those of SGD.
Pilot pilot_of(const std::vector<int>& sgd, const std::vector<int>& msam) {
  Pilot pilot;
  pilot.comparison.data = "flowers.csv", pilot.comparison.model = "mlp", pilot.comparison.compared_with = "sgd";
  pilot.comparison.train_samples = 1600, pilot.comparison.test_samples = 400, pilot.comparison.batch = 64;
  pilot.comparison.test_per_train = 0.25;
  pilot.budget = 300;
  const auto run_of = [](uint64_t seed, int correct, double seconds) {
    RunResult run{.seed = seed};
    run.curve.push_back({.seconds = seconds,
                         .peak_memory_bytes = 1 << 20,
                         .test_loss = 1 - correct / 400.0,
                         .test_accuracy = correct / 400.0});
    return run;
  };
  for (size_t i = 0; i < sgd.size(); ++i) {
    Study study;
    const uint64_t seed = study_seed(static_cast<int64_t>(i) + 1, 1);
    study.runs = {{{.optimizer = "sgd"}, {run_of(seed, sgd[i], 36)}},
                  {{.optimizer = "sam"}, {run_of(seed, sgd[i], 72)}},
                  {{.optimizer = "msam"}, {run_of(seed, msam[i], i % 2 == 0 ? 45 : 54)}}};
    for (const Runs& runs : study.runs)
      study.tuning.trials.push_back({runs.setting, std::vector<RunResult>(20, run_of(1, 300, 36))});
    pilot.studies.push_back(study);
  }
  pilot.comparison.runs = runs_of(pilot.studies);
  return pilot;
}

/// The same pilot with one more optimizer, at 36 seconds a run, tuned by 10 such runs.
Pilot with_further(Pilot pilot, const std::string& name, const std::vector<int>& correct) {
  for (size_t i = 0; i < correct.size(); ++i) {
    Study& study = pilot.studies[i];
    Runs runs{{.optimizer = name}, study.runs[0].results};
    runs.results[0].curve.back().test_accuracy = correct[i] / 400.0;
    study.runs.push_back(runs);
    study.tuning.trials.push_back({runs.setting, std::vector<RunResult>(10, study.runs[0].results[0])});
  }
  pilot.comparison.runs = runs_of(pilot.studies);
  pilot.plan.grid = {2, 3, 3};
  return pilot;
}

Pilot better() { return pilot_of({360, 362, 361, 360}, {372, 374, 372, 373}); }

std::string answer(const Pilot& pilot, size_t question, const std::string& language = "en") {
  return plain_words(pilot, language).answers.at(question).second;
}

enum Question : size_t { compared, gained, costs, sure, next, wrong };

std::multiset<std::string> numbers(const std::string& text) {
  std::multiset<std::string> all;
  for (size_t i = 0; i < text.size();) {
    const size_t end = text.find_first_not_of("0123456789.", i);
    std::string number = text.substr(i, end - i);
    while (!number.empty() && number.back() == '.') number.pop_back();
    if (!number.empty()) all.insert(number);
    i = end == std::string::npos ? end : end + 1;
  }
  return all;
}

}  // namespace

TEST_CASE("the half page says what was compared, gained and paid, how sure that is, what to do and what may go wrong") {
  const Pilot pilot = better();
  CHECK(plain_words(pilot, "en").answers.size() == 6);
  CHECK(contains(answer(pilot, compared), "4 times, each time with another division of the data into 1600 rows"));
  CHECK_MESSAGE(answer(pilot, gained) ==
                    "Of 100 test rows, SGD gets 90.2 right and MSAM 93.2. In the pairs that were "
                    "compared MSAM gets 3.00 more: about 12 of the 400 test rows.",
                answer(pilot, gained));
  CHECK_MESSAGE(answer(pilot, costs) == "MSAM takes 1.38 times as long as SGD. It needs as much memory.",
                answer(pilot, costs));
  CHECK_MESSAGE(contains(answer(pilot, sure), "The true advantage of MSAM is between +2.54 and +3.46 points"),
                answer(pilot, sure));
  CHECK(contains(answer(pilot, sure), "the division of the data"));
  CHECK(contains(answer(pilot, next), "Adopt MSAM"));
  CHECK(contains(answer(pilot, wrong), "distribution shift"));
  CHECK(contains(answer(pilot, wrong), "here 64 rows"));
  size_t words = 0;
  for (const auto& [question, text] : plain_words(pilot, "en").answers) words += 1 + std::ranges::count(text, ' ');
  CHECK(words < 320);  // half a page
}

TEST_CASE("the half page follows the verdict: stay with SGD, or what would decide") {
  CHECK(contains(answer(pilot_of({372, 374, 372, 373}, {360, 362, 361, 360}), next), "Stay with SGD: it is better"));
  CHECK(contains(answer(pilot_of({372, 374, 372, 373}, {360, 362, 361, 360}), gained), "MSAM gets 3.00 more wrong"));
  const Pilot same = pilot_of({360, 362, 361, 360}, {360, 362, 361, 361});
  CHECK(contains(answer(same, next), "no difference that matters"));
  CHECK(contains(answer(same, gained), "less than one of the 400 test rows"));
  Pilot open = pilot_of({360, 362, 361, 360}, {360, 374, 360, 373});
  CHECK(contains(answer(open, next), "More time does not decide it; more data do: about "));
  open.comparison.test_per_train = 0;  // with test rows in common, which are not noted here
  const PilotVerdict v = judge(evidence_of(open), open.rule);
  REQUIRE(v.advice == Advice::undecided);
  CHECK(contains(answer(open, next), "the question is open"));
  CHECK(contains(answer(open, sure), "It contains 0"));
  REQUIRE(v.more_studies > 0);
  // 300 seconds for 4 studies
  const int minutes = static_cast<int>(std::ceil(5.0 / 4 * (4 + v.more_studies)));
  CHECK_MESSAGE(contains(answer(open, next), text("--minutes ", minutes, ")")), answer(open, next));
  const Pilot alike = pilot_of({360, 362, 361}, {361, 363, 362});
  CHECK(contains(answer(alike, sure), "Not at all: every study gave the same difference"));
  CHECK(contains(answer(alike, sure, "ja"), "どの回でも同じ差だった"));
  CHECK(contains(answer(alike, next), "the question is open"));
  Pilot one = pilot_of({360}, {372});
  CHECK(contains(answer(one, sure), "Not at all"));
  one.comparison.runs[2].results[0].divergence = "loss nan";
  CHECK(contains(answer(one, gained), "Nothing can be said"));
  CHECK(contains(answer(one, wrong), "0 of SGD and 1 of MSAM, of 1 each"));
}

TEST_CASE("in Japanese the half page has the same numbers") {
  Pilot quantities = better();
  quantities.rule.quantities = true;
  CHECK(contains(answer(quantities, gained), "SGD explains 90.2% of how the quantity varies (R2), and MSAM 93.2%."));
  CHECK(contains(answer(quantities, gained, "ja"), "決定係数R2"));
  Pilot worse = quantities;  // than the mean: nothing is explained
  for (Runs& runs : worse.comparison.runs)
    for (RunResult& result : runs.results) result.curve.back().test_accuracy -= 1;
  CHECK_MESSAGE(contains(answer(worse, gained), "R2 is -9.8% with SGD and -6.8% with MSAM. Below 0,"),
                answer(worse, gained));
  CHECK(contains(answer(worse, gained, "ja"), "常に平均値を答えるより悪い"));
  for (const Pilot& pilot : {better(), pilot_of({360, 362, 361, 360}, {360, 374, 360, 373}), quantities}) {
    const PlainWords words = plain_words(pilot, "ja");
    CHECK(words.language == "ja");
    CHECK(words.answers.size() == 6);
    for (size_t question = 0; question < 6; ++question) {
      CAPTURE(words.answers[question].second);
      CHECK(numbers(words.answers[question].second) == numbers(answer(pilot, question)));
    }
  }
  CHECK(contains(answer(better(), next, "ja"), "MSAMを採用してください"));
  CHECK(contains(answer(pilot_of({372, 374, 372, 373}, {360, 362, 361, 360}), next, "ja"), "SGDのままにしてください"));
  CHECK_ERROR(plain_words(better(), "de"), "[--language] got de, expected en or ja");
}

TEST_CASE("a further optimizer has a paragraph under its name, before what to do next, in both languages") {
  const Pilot same = pilot_of({360, 362, 361, 360}, {360, 362, 361, 361});
  Pilot pilot = with_further(same, "msam+auto", {372, 374, 372, 373});
  pilot.prices = {.per_hour = 100, .per_month = 40};
  const PlainWords english = plain_words(pilot, "en"), japanese = plain_words(pilot, "ja");
  REQUIRE(english.answers.size() == 7);
  REQUIRE(japanese.answers.size() == 7);
  CHECK(english.answers[4].first == "MSAM, automatic radius");
  CHECK(japanese.answers[4].first == "MSAM（半径自動調整）");
  CHECK_MESSAGE(english.answers[4].second ==
                    "It was compared in the same studies. Its radius is found while training, so there is less to "
                    "tune: it got 6 attempts at first in each study, and the others 18. Of 100 test rows it gets 93.2 "
                    "right, and SGD 90.2. In the pairs that were compared its advantage over SGD is +3.00 points, "
                    "between +2.54 and +3.46. It takes 1.00 times as long as SGD. Tuning it costs 10.00 once (MSAM: "
                    "20.00). It is better than SGD. More methods give luck more chances, so each verdict asks for "
                    "clearer evidence.",
                english.answers[4].second);
  CHECK_MESSAGE(contains(japanese.answers[4].second, "SGDより優れています。"), japanese.answers[4].second);
  CHECK_MESSAGE(english.answers[5].second ==
                    "For this task, adopt MSAM, automatic radius: SGD is worse. MSAM with a tuned radius is not shown "
                    "to be better than SGD. Keep the settings of SGD at hand. Repeat this comparison when the data or "
                    "the model change.",
                english.answers[5].second);
  CHECK(contains(japanese.answers[5].second, "この課題にはMSAM（半径自動調整）を採用してください。"));
  for (size_t question = 0; question < 4; ++question)  // of MSAM the page says what it says without
    if (question != costs) CHECK(english.answers[question].second == answer(same, question));

  Pilot lossy = with_further(better(), "sam+auto", {360, 362, 361, 361});
  lossy.rule = {.by_loss = true, .margin = 5};
  const Pilot worse = with_further(same, "msam+auto", {340, 342, 341, 341}),
              both = with_further(better(), "msam+auto", {372, 374, 372, 372});
  CHECK(contains(answer(worse, 4), "SGD is better."));
  CHECK(contains(answer(worse, 5), "Stay with SGD"));
  CHECK(contains(answer(both, 5), "Adopt MSAM for this task."));
  CHECK(contains(answer(both, 5), "MSAM, automatic radius: better than SGD, too"));
  CHECK(contains(answer(lossy, 4), "Its test loss is 0.0"));
  Pilot none = with_further(pilot_of({360}, {372}), "msam+auto", {372});
  none.comparison.runs[3].results[0].divergence = "loss nan";
  CHECK(contains(answer(none, 4), "Nothing else can be said"));
  for (const Pilot& one : {pilot, worse, both, lossy, none})
    for (const size_t question : {4, 5}) {
      CAPTURE(answer(one, question, "ja"));
      CHECK(numbers(answer(one, question, "ja")) == numbers(answer(one, question)));
    }
}

TEST_CASE("time becomes money, by hand") {
  Pilot pilot = better();
  pilot.prices = {.per_hour = 100, .per_month = 40};
  const Money money = money_of(pilot, pilot.prices);
  CHECK_CLOSE(money.sgd_run, 1, {.rtol = 1e-12});                            // 36 seconds are a hundredth of an hour
  CHECK_CLOSE(money.more_a_run.mean, (9 + 18) / 2.0 / 36, {.rtol = 1e-12});  // 45 and 54 seconds
  CHECK_CLOSE(money.more_a_month.mean, 15, {.rtol = 1e-12});
  CHECK_CLOSE(money.more_a_month.half_width, student_t_975(3) * 40 * std::sqrt(27.0) / 2 / 36, {.rtol = 1e-9});
  CHECK_CLOSE(money.tuning, 20, {.rtol = 1e-12});
  // A gain of 3 [2, 4] points: 35 in the first month, 15 in each later one.
  const Interval gain{3, 1, 4};
  const Money::BreakEven first = money.break_even(gain, true), later = money.break_even(gain, false);
  const double half = money.more_a_month.half_width;
  CHECK_CLOSE((std::vector<double>{first.middle, first.low, first.high}),
              (std::vector<double>{35.0 / 3, (35 - half) / 4, (35 + half) / 2}), {.rtol = 1e-12});
  CHECK_CLOSE(later.middle, 5, {.rtol = 1e-12});
  CHECK(std::isinf(money.break_even({3, 4, 4}, true).high));  // the gain may be 0
  CHECK(std::isnan(money.break_even({-1, 4, 4}, true).middle));
  Money cheap = money;
  cheap.more_a_month.mean = -50;
  CHECK(cheap.break_even(gain, true).middle == 0);  // what costs less pays at once
}

TEST_CASE("the report has a section on money where prices are known, and the half page says from when on it pays") {
  Pilot pilot = better();
  const auto has_money = [&] {
    for (const PilotSection& section : pilot_sections(pilot))
      if (section.heading == "Money") return section.table.size() == 7;
    return false;
  };
  CHECK_FALSE(has_money());
  CHECK_FALSE(contains(answer(pilot, costs), "month"));
  pilot.prices = {.per_hour = 100, .per_month = 40};
  CHECK(has_money());
  CHECK_MESSAGE(contains(answer(pilot, costs),
                         "At 100 an hour and 40 runs a month that is 15.00 more a month, and 20.00 "
                         "once for tuning. In the first month the switch pays if a point of "
                         "accuracy is worth more than 11.6"),
                answer(pilot, costs));
  CHECK(contains(answer(pilot, costs, "ja"), "正解率1ポイントの価値が11.6"));
  Pilot quantities = pilot, loss = pilot, worse = pilot_of({372, 374, 372, 373}, {360, 362, 361, 360});
  quantities.rule.quantities = true;
  CHECK_MESSAGE(contains(answer(quantities, costs), "a point of R2 is worth more than 11.6"),
                answer(quantities, costs));
  CHECK(contains(answer(quantities, costs, "ja"), "R2の1ポイントの価値が11.6"));
  loss.rule.by_loss = true;
  CHECK_MESSAGE(contains(answer(loss, costs), "a percent of the loss is worth more than"), answer(loss, costs));
  CHECK(contains(answer(loss, costs, "ja"), "損失1%の価値が"));
  worse.prices = pilot.prices;  // nothing is gained that could pay
  CHECK(contains(answer(worse, costs), "that is 15.00 more a month"));
  CHECK_FALSE(contains(answer(worse, costs), "pays"));
  CHECK_FALSE(contains(answer(worse, costs, "ja"), "価値が"));
}

TEST_CASE("what was not measured has no price, and what costs less is said to") {
  Pilot pilot = better();
  pilot.prices = {.per_hour = 100, .per_month = 40};
  for (RunResult& run : pilot.comparison.runs[2].results) run.curve.back().seconds = 18;
  CHECK_MESSAGE(contains(answer(pilot, costs), "that is 20.00 less a month"), answer(pilot, costs));
  CHECK_MESSAGE(contains(answer(pilot, costs, "ja"), "減る費用は20.00"), answer(pilot, costs, "ja"));
  pilot.comparison.runs[2].results[0].curve.back().seconds = 90;
  CHECK_MESSAGE(contains(answer(pilot, costs), "What that costs is not known either."), answer(pilot, costs));
  for (const char* language : {"en", "ja"}) CHECK_FALSE(contains(answer(pilot, costs, language), "100"));
  Pilot diverged = pilot;
  for (RunResult& run : diverged.comparison.runs[2].results) run.divergence = "loss nan";
  CHECK_MESSAGE(contains(answer(diverged, costs), "The time was not measured."), answer(diverged, costs));
  CHECK(contains(answer(diverged, costs), "What that costs is not known either."));
  for (const char* language : {"en", "ja"}) CHECK_FALSE(contains(answer(diverged, costs, language), "nan"));
  for (const PilotSection& section : pilot_sections(diverged)) {
    if (section.heading != "Money") continue;
    CHECK_FALSE(contains(section.remark, "nan"));
    for (const auto& row : section.table)
      for (const std::string& cell : row) CHECK_FALSE(contains(cell, "nan"));
  }
  CHECK(contains(recommendation(better()), "SAM, at a median of 2.00 times"));
  pilot.comparison.runs[1].results[0].curve.back().seconds = 900;
  CHECK_MESSAGE(contains(recommendation(pilot), "SAM, whose time could not be measured"), recommendation(pilot));
}

TEST_CASE("small amounts show two digits") {
  CHECK(amount_text(12.5) == "12.50");
  CHECK(amount_text(0.00312) == "0.0031");
  CHECK(amount_text(-0.00002) == "-0.000020");
  CHECK(amount_text(0) == "0.00");
}
