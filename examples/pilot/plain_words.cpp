#include "examples/pilot/plain_words.h"

#include <algorithm>
#include <cmath>

#include "examples/pilot/report.h"

namespace minima::examples {

namespace {

constexpr double seconds_a_minute = 60;

/// What the words are made of: MSAM, or what stands in its place, beside SGD.
struct Facts {
  const Pilot& pilot;
  PilotVerdict verdict;
  Interval gain;             ///< of MSAM, in the units of the rule
  double sgd, msam;          ///< test accuracy (of quantities R2) in percent, or test loss
  int64_t rows_gained;       ///< a difference in accuracy as test rows, without its sign
  std::vector<double> time;  ///< of an MSAM run beside SGD's, in rising order
  Money money;
  int64_t failed_sgd, failed_msam, runs;  ///< diverged or collapsed, of so many
  bool anew, by_loss, quantities;
  int trials;  ///< at first, in a study

  bool busy() const { return too_far_apart(time); }
  bool timed() const { return !time.empty() && !busy(); }
  bool same_memory() const { return std::abs(money.memory_mib) < 0.05; }
  bool measured() const { return gain.count > 0; }
  bool no_spread() const { return gain.half_width == 0; }  ///< all studies gave the same difference
  bool with_interval() const { return std::isfinite(gain.half_width) && !no_spread(); }
  /// Minutes for the studies that are asked for and those that there were.
  double minutes() const {
    const double each = (pilot.stopped ? pilot.seconds : pilot.budget) / seconds_a_minute /
                        static_cast<double>(std::max<size_t>(1, pilot.studies.size()));
    return std::ceil(each * static_cast<double>(std::ssize(pilot.studies) + verdict.more_studies));
  }
};

Facts facts_of(const Pilot& pilot, const std::string& optimizer = "msam") {
  const Comparison& c = pilot.comparison;
  const Runs &sgd = pilot.of("sgd"), &msam = pilot.of(optimizer);
  const bool by_loss = pilot.rule.by_loss;
  const OfRun quantity = at_end(by_loss ? &Measurement::test_loss : &Measurement::test_accuracy);
  const double scale = by_loss ? 1 : 100;
  const PilotVerdict verdict = pilot_verdict(pilot, optimizer);
  const Interval gain = verdict.difference.interval;
  const auto failed = [&](const Runs& runs) { return runs.diverged() + collapsed(runs, c.runs, c.guessing); };
  return {
      .pilot = pilot,
      .verdict = verdict,
      .gain = gain,
      .sgd = scale * sgd.mean(quantity).mean,
      .msam = scale * msam.mean(quantity).mean,
      .rows_gained = std::llround(std::abs(gain.count > 0 ? gain.mean : 0) / 100 * static_cast<double>(c.test_samples)),
      .time = cost_ratios(msam, sgd),
      .money = money_of(pilot, pilot.prices, optimizer),
      .failed_sgd = failed(sgd),
      .failed_msam = failed(msam),
      .runs = std::ssize(sgd.results),
      .anew = c.test_per_train > 0,
      .by_loss = by_loss,
      .quantities = pilot.rule.quantities,
      .trials = pilot.plan.grid.trials(optimizer)};
}

/// The further optimizers that are to be adopted.
std::vector<std::string> further_to_adopt(const Pilot& pilot) {
  std::vector<std::string> names = pilot.further();
  std::erase_if(names, [&](const std::string& name) { return pilot_verdict(pilot, name).advice != Advice::adopt; });
  return names;
}

std::string signed_number(double value, const Interval& like) {
  return signed_text({value, like.half_width, like.count});
}
std::string size_of(const Interval& gain) {
  return signed_text({std::abs(gain.mean), gain.half_width, gain.count}).substr(1);
}

// ---- English

namespace english {

std::string compared(const Facts& f) {
  const Comparison& c = f.pilot.comparison;
  return text(
      "Three ways to train the same model (", c.model, ") on ", c.data,
      " were compared: SGD, the usual one; MSAM, the new one; and SAM, which needs twice as many gradients. Each "
      "got equally many attempts to find good settings. Then each was tested on rows that it had not seen. All of "
      "this was done ",
      f.pilot.studies.size(), " times, ",
      f.anew ? text("each time with another division of the data into ", c.train_samples, " rows for training and ",
                    c.test_samples, " for the test.")
             : text("each time with the same ", c.test_samples, " test rows."));
}

std::string gained(const Facts& f) {
  if (!f.measured()) return "Nothing can be said: no study was finished with both.";
  const std::string size = size_of(f.gain);
  if (f.by_loss)
    return text("The test loss with MSAM is ", size, "% ", f.gain.mean >= 0 ? "lower" : "higher", " than with SGD (",
                short_text(f.msam, 3), " and ", short_text(f.sgd, 3), "). A lower loss is better.");
  if (f.quantities && std::min(f.sgd, f.msam) < 0)
    return text("R2 is ", fixed(f.sgd, 1), "% with SGD and ", fixed(f.msam, 1),
                "% with MSAM. Below 0, the answers are worse than if each were the mean. In the pairs that were "
                "compared MSAM is ",
                size, " points ", f.gain.mean >= 0 ? "higher." : "lower.");
  if (f.quantities)
    return text("SGD explains ", fixed(f.sgd, 1), "% of how the quantity varies (R2), and MSAM ", fixed(f.msam, 1),
                "%. In the pairs that were compared MSAM explains ", size, " points ",
                f.gain.mean >= 0 ? "more." : "less.");
  const std::string both =
      text("Of 100 test rows, SGD gets ", fixed(f.sgd, 1), " right and MSAM ", fixed(f.msam, 1), ".");
  if (f.rows_gained == 0)
    return both + text(" On average that is a difference of less than one of the ", f.pilot.comparison.test_samples,
                       " test rows.");
  return both + text(" In the pairs that were compared MSAM gets ", size,
                     " more" + std::string(f.gain.mean >= 0 ? "" : " wrong"), ": about ", f.rows_gained, " of the ",
                     f.pilot.comparison.test_samples, " test rows.");
}

std::string costs(const Facts& f) {
  std::string said = f.time.empty() ? "The time was not measured."
                     : f.busy()
                         ? text("How much longer MSAM takes could not be measured: the machine did other work (",
                                fixed(f.time.front(), 2), " to ", fixed(f.time.back(), 2), " times as long as SGD).")
                         : text("MSAM takes ", fixed(median(f.time), 2), " times as long as SGD.");
  if (std::isfinite(f.money.memory_mib))
    said += f.same_memory() ? " It needs as much memory."
                            : text(" It needs ", fixed(std::abs(f.money.memory_mib), 1), " MiB ",
                                   f.money.memory_mib < 0 ? "less" : "more", " memory.");
  if (!f.pilot.prices.known()) return said;
  if (!f.timed()) return said + " What that costs is not known either.";
  const double more = f.money.more_a_month.mean;
  said += text(" At ", number_text(f.pilot.prices.per_hour), " an hour and ", number_text(f.pilot.prices.per_month),
               " runs a month that is ", amount_text(std::abs(more)), more < 0 ? " less" : " more", " a month, and ",
               amount_text(f.money.tuning), " once for tuning.");
  const Money::BreakEven even = f.money.break_even(f.gain, true);
  if (std::isfinite(even.middle))
    said += text(" In the first month the switch pays if ",
                 f.by_loss ? "a percent of the loss" : "a point of " + judged_name(f.quantities),
                 " is worth more than ", amount_text(even.middle), " (",
                 std::isfinite(even.high)
                     ? text("between ", amount_text(even.low), " and ", amount_text(even.high))
                     : text("at least ", amount_text(even.low), "; no upper end, as the gain may be 0"),
                 ").");
  return said;
}

std::string sure(const Facts& f) {
  if (f.no_spread())
    return "Not at all: every study gave the same difference, so nothing tells how far it would vary on other rows.";
  if (!f.with_interval()) return "Not at all: there are too few studies to tell a difference from luck.";
  return text(
      "The true advantage of MSAM is between ", signed_number(f.gain.low(), f.gain), " and ",
      signed_number(f.gain.high(), f.gain), f.by_loss ? " percent" : " points",
      "; ranges of this kind are right in 19 of 20 cases. The range holds the luck of tuning, of random numbers, and "
      "of ",
      f.anew ? "the division of the data." : "the test rows.",
      f.gain.low() <= 0 && f.gain.high() >= 0 ? " It contains 0: MSAM may be no better than SGD, or worse." : "");
}

std::string next(const Facts& f) {
  const PilotVerdict& v = f.verdict;
  const std::string keep =
      "Keep the settings of SGD at hand. Repeat this comparison when the data or the model change.";
  std::vector<std::string> further;
  for (const std::string& name : further_to_adopt(f.pilot)) further.push_back(further_title(name));
  if (v.advice == Advice::adopt)
    return "Adopt MSAM for this task. " + keep +
           (further.empty() ? ""
                            : " " + joined(further, " and ") + ": better than SGD, too, with fewer settings to find.");
  if (!further.empty())
    return "For this task, adopt " + joined(further, " or ") +
           ": SGD is worse. MSAM with a tuned radius is not shown to be better than SGD. " + keep;
  if (v.advice == Advice::do_not_adopt)
    return v.better < 0 ? "Stay with SGD: it is better here."
                        : text("Stay with SGD: there is no difference that matters (", number_text(f.pilot.rule.margin),
                               f.by_loss ? " percent" : " points", " or more).");
  const std::string stay = "Stay with SGD for now: the question is open. ";
  if (v.more_studies > 0 && f.with_interval())
    return stay + text("About ", v.more_studies, " more repetitions would probably decide it: run the pilot for ",
                       number_text(f.minutes()), " minutes (--minutes ", number_text(f.minutes()), ").");
  if (v.rows_needed > 0)
    return stay + text("More time does not decide it; more data do: about ", v.rows_needed, " test rows are needed.");
  if (v.more_studies < 0)
    return stay + "The difference is too close to the smallest that matters: look for gains elsewhere.";
  return stay + "Give the pilot more minutes.";
}

/// All about a further optimizer.
std::string further(const Facts& f, const Facts& msam) {
  std::string said =
      text("It was compared in the same studies. Its radius is found while training, so there is less to tune: it got ",
           f.trials, " attempts at first in each study, and the others ", msam.trials, ". ");
  if (!f.measured()) return said + "Nothing else can be said: no study was finished with both.";
  said += f.by_loss ? text("Its test loss is ", short_text(f.msam, 3), ", and that of SGD ", short_text(f.sgd, 3), ".")
          : f.quantities
              ? text("Its R2 is ", fixed(f.msam, 1), "%, and that of SGD ", fixed(f.sgd, 1), "%.")
              : text("Of 100 test rows it gets ", fixed(f.msam, 1), " right, and SGD ", fixed(f.sgd, 1), ".");
  said += text(" In the pairs that were compared its advantage over SGD is ", signed_number(f.gain.mean, f.gain),
               f.by_loss ? " percent" : " points");
  if (f.with_interval())
    said += text(", between ", signed_number(f.gain.low(), f.gain), " and ", signed_number(f.gain.high(), f.gain));
  said += f.timed() ? text(". It takes ", fixed(median(f.time), 2), " times as long as SGD.")
                    : ". How long it takes could not be measured.";
  if (f.pilot.prices.known() && f.timed())
    said +=
        text(" Tuning it costs ", amount_text(f.money.tuning), " once (MSAM: ", amount_text(msam.money.tuning), ").");
  said += f.verdict.advice == Advice::adopt       ? " It is better than SGD."
          : f.verdict.advice == Advice::undecided ? " Whether it is better than SGD is an open question."
          : f.verdict.better < 0                  ? " SGD is better."
                                                  : " There is no difference that matters.";
  if (f.failed_msam > 0) said += text(" Runs of it that failed: ", f.failed_msam, " of ", f.runs, ".");
  return said + " More methods give luck more chances, so each verdict asks for clearer evidence.";
}

std::string wrong(const Facts& f) {
  return text(
      "The test rows come from the same data as the training rows. If the data in use differ from them (distribution "
      "shift), above all if groups that are rare here are common there, the advantage can vanish or turn round. With "
      "very small batches (here ",
      f.pilot.comparison.batch,
      " rows) the noise of the gradients does the same work as MSAM, and the advantage can vanish. Settings do not "
      "carry "
      "over to another model or to other data.",
      f.failed_sgd + f.failed_msam == 0
          ? ""
          : text(" Runs that failed (diverged, or ended far below the others): ", f.failed_sgd, " of SGD and ",
                 f.failed_msam, " of MSAM, of ", f.runs, " each."));
}

}  // namespace english

// ---- Japanese

namespace japanese {

std::string title(const std::string& optimizer) {
  return text(optimizer.starts_with("msam") ? "MSAM" : "SAM", "（半径自動調整）");
}

std::string compared(const Facts& f) {
  const Comparison& c = f.pilot.comparison;
  return text("同じモデル（", c.model, "）を ", c.data,
              " で学習させる三つの方法を比べました。従来のSGD、新しいMSAM、そして勾配の計算が二倍必要なSAMです。設定を"
              "探す回数は三つとも同じです。"
              "そのあと、学習に使っていない行でテストしました。この手順全体を",
              f.pilot.studies.size(), "回繰り返しました。",
              f.anew ? text("データは毎回あらためて、学習用", c.train_samples, "行とテスト用", c.test_samples,
                            "行に分けました。")
                     : text("テスト用の", c.test_samples, "行は毎回同じです。"));
}

std::string gained(const Facts& f) {
  if (!f.measured()) return "何も言えません。両方の学習が最後まで終わった回がありませんでした。";
  const std::string size = size_of(f.gain);
  if (f.by_loss)
    return text("MSAMのテスト損失は、SGDより", size, "%", f.gain.mean >= 0 ? "低く" : "高く", "なりました（MSAM ",
                short_text(f.msam, 3), "、SGD ", short_text(f.sgd, 3), "）。損失は低いほどよい値です。");
  if (f.quantities && std::min(f.sgd, f.msam) < 0)
    return text("決定係数R2は、SGDが", fixed(f.sgd, 1), "%、MSAMが", fixed(f.msam, 1),
                "%です。0未満は、常に平均値を答えるより悪いことを意味します。同じ条件どうしで比べると、MSAMはSGDより",
                size, "ポイント", f.gain.mean >= 0 ? "高く" : "低く", "なりました。");
  if (f.quantities)
    return text("予測する量のばらつき（分散）のうち、SGDは", fixed(f.sgd, 1), "%、MSAMは", fixed(f.msam, 1),
                "%を説明しました（決定係数R2）。同じ条件どうしで比べると、MSAMはSGDより", size, "ポイント",
                f.gain.mean >= 0 ? "高く" : "低く", "なりました。");
  const std::string both =
      text("テスト100行のうち、SGDは", fixed(f.sgd, 1), "行、MSAMは", fixed(f.msam, 1), "行で正解しました。");
  if (f.rows_gained == 0)
    return both + text("平均すると、テスト", f.pilot.comparison.test_samples, "行のうち1行にもならない差です。");
  return both + text("同じ条件どうしで比べると、MSAMの正解率はSGDより", size, "ポイント",
                     f.gain.mean >= 0 ? "高く" : "低く", "、テスト", f.pilot.comparison.test_samples, "行のうち約",
                     f.rows_gained, "行の差です。");
}

std::string costs(const Facts& f) {
  std::string said = f.time.empty() ? "時間は測れませんでした。"
                     : f.busy() ? text("計算機がほかの仕事もしていたため、MSAMの時間は正確に測れませんでした（SGDの",
                                       fixed(f.time.front(), 2), "倍から", fixed(f.time.back(), 2), "倍）。")
                                : text("MSAMの学習時間はSGDの", fixed(median(f.time), 2), "倍です。");
  if (std::isfinite(f.money.memory_mib))
    said += f.same_memory() ? "必要なメモリは同じです。"
                            : text("メモリは", fixed(std::abs(f.money.memory_mib), 1), " MiB ",
                                   f.money.memory_mib < 0 ? "少なくて済みます。" : "多く必要です。");
  if (!f.pilot.prices.known()) return said;
  if (!f.timed()) return said + "そのため、費用もわかりません。";
  const double more = f.money.more_a_month.mean;
  said += text("1時間あたり", number_text(f.pilot.prices.per_hour), "、月", number_text(f.pilot.prices.per_month),
               "回の学習とすると、毎月", more < 0 ? "減る費用は" : "の追加費用は", amount_text(std::abs(more)),
               "、最初の一度だけかかる設定探しの費用は", amount_text(f.money.tuning), "です。");
  const Money::BreakEven even = f.money.break_even(f.gain, true);
  if (std::isfinite(even.middle))
    said += text("最初の月に元が取れるのは、",
                 f.by_loss      ? "損失1%"
                 : f.quantities ? "R2の1ポイント"
                                : "正解率1ポイント",
                 "の価値が", amount_text(even.middle), "を超えるときです（",
                 std::isfinite(even.high)
                     ? text(amount_text(even.low), "から", amount_text(even.high), "の間）。")
                     : text("少なくとも", amount_text(even.low), "。効果が0かもしれないので、上限はありません）。"));
  return said;
}

std::string sure(const Facts& f) {
  if (f.no_spread())
    return "確かではありません。どの回でも同じ差だったので、ほかの行でどのくらい変わるかわかりません。";
  if (!f.with_interval()) return "確かではありません。繰り返しが少なすぎて、差と偶然を区別できません。";
  return text(
      "MSAMの本当の優位は、", signed_number(f.gain.low(), f.gain), "から", signed_number(f.gain.high(), f.gain),
      f.by_loss ? "パーセント" : "ポイント",
      "の間にあります。このように求めた範囲は、20回のうち19回は正しいものです。範囲には、設定探しの運、乱数の運、",
      f.anew ? "データの分け方の運" : "テスト行の選ばれ方の運", "が含まれています。",
      f.gain.low() <= 0 && f.gain.high() >= 0
          ? "この範囲は0を含みます。MSAMがSGDと変わらない、または劣る可能性もあります。"
          : "");
}

std::string next(const Facts& f) {
  const PilotVerdict& v = f.verdict;
  const std::string keep = "SGDの設定は残しておき、データやモデルが変わったら、もう一度比べてください。";
  std::vector<std::string> further;
  for (const std::string& name : further_to_adopt(f.pilot)) further.push_back(title(name));
  if (v.advice == Advice::adopt)
    return "この課題にはMSAMを採用してください。" + keep +
           (further.empty() ? "" : joined(further, "と") + "もSGDより優れていて、探す設定は少なくて済みます。");
  if (!further.empty())
    return "この課題には" + joined(further, "または") +
           "を採用してください。SGDより優れています。半径を調整したMSAMがSGDより優れているとは示されていません。" +
           keep;
  if (v.advice == Advice::do_not_adopt)
    return v.better < 0 ? "SGDのままにしてください。ここではSGDのほうが優れています。"
                        : text("SGDのままにしてください。意味のある差（", number_text(f.pilot.rule.margin),
                               f.by_loss ? "パーセント" : "ポイント", "以上）はありません。");
  const std::string stay = "当面はSGDのままにしてください。結論はまだ出ていません。";
  if (v.more_studies > 0 && f.with_interval())
    return stay + text("あと約", v.more_studies, "回繰り返せば、おそらく結論が出ます。", number_text(f.minutes()),
                       "分かけて実行してください（--minutes ", number_text(f.minutes()), "）。");
  if (v.rows_needed > 0)
    return stay +
           text("時間をかけても結論は出ません。必要なのはデータで、テスト用に約", v.rows_needed, "行が要ります。");
  if (v.more_studies < 0) return stay + "差は、意味のある最小の差に近すぎます。ほかの改善を探すほうがよいでしょう。";
  return stay + "もっと長い時間をかけて実行してください。";
}

std::string further(const Facts& f, const Facts& msam) {
  std::string said = text(
      "同じ手順の中で一緒に比べた方法です。半径は学習中に自動で決まるので、探す設定が少なくて済みます。毎回、最初に試し"
      "た設定は",
      f.trials, "通り、ほかの方法は", msam.trials, "通りです。");
  if (!f.measured()) return said + "ほかには何も言えません。両方の学習が最後まで終わった回がありませんでした。";
  said += f.by_loss ? text("テスト損失は", short_text(f.msam, 3), "、SGDは", short_text(f.sgd, 3), "です。")
          : f.quantities
              ? text("決定係数R2は", fixed(f.msam, 1), "%、SGDは", fixed(f.sgd, 1), "%です。")
              : text("テスト100行のうち、", fixed(f.msam, 1), "行、SGDは", fixed(f.sgd, 1), "行で正解しました。");
  said += text("同じ条件どうしで比べると、SGDに対する優位は", signed_number(f.gain.mean, f.gain),
               f.by_loss ? "パーセント" : "ポイント");
  if (f.with_interval())
    said += text("（", signed_number(f.gain.low(), f.gain), "から", signed_number(f.gain.high(), f.gain), "の間）");
  said += f.timed() ? text("です。学習時間はSGDの", fixed(median(f.time), 2), "倍です。")
                    : "です。時間は正確に測れませんでした。";
  if (f.pilot.prices.known() && f.timed())
    said += text("最初の一度だけかかる設定探しの費用は", amount_text(f.money.tuning), "（MSAMは",
                 amount_text(msam.money.tuning), "）です。");
  said += f.verdict.advice == Advice::adopt       ? "SGDより優れています。"
          : f.verdict.advice == Advice::undecided ? "SGDより優れているかどうか、結論はまだ出ていません。"
          : f.verdict.better < 0                  ? "SGDのほうが優れています。"
                                                  : "意味のある差はありません。";
  if (f.failed_msam > 0) said += text("失敗した学習は、", f.runs, "回のうち", f.failed_msam, "回でした。");
  return said + "方法が増えると偶然よく見えることも増えるので、どの判定にも、より確かな証拠を求めています。";
}

std::string wrong(const Facts& f) {
  return text(
      "テストの行は、学習の行と同じデータから取ったものです。実際に使うデータがこれと違う場合（分布のずれ）、とくに、こ"
      "こでは少ないグループが実際には多い場合は、優位が消えたり逆転したりすることがあります。"
      "バッチがとても小さい場合（ここでは",
      f.pilot.comparison.batch,
      "行）は、勾配の雑音がMSAMと同じ働きをするため、優位が消えることがあります。ここで見つけた設定は、別のモデルや別の"
      "データには使えません。",
      f.failed_sgd + f.failed_msam == 0
          ? ""
          : text("失敗した学習（発散した、またはほかよりはるかに悪い）は、", f.runs, "回ずつのうち、SGDが",
                 f.failed_sgd, "回、MSAMが", f.failed_msam, "回でした。"));
}

}  // namespace japanese

}  // namespace

void check_language(const std::string& language) {
  if (language != "en" && language != "ja") fail("--language", language, "en or ja");
}

PlainWords plain_words(const Pilot& pilot, const std::string& language) {
  check_language(language);
  const Facts f = facts_of(pilot);
  const bool ja = language == "ja";
  PlainWords words = ja ? PlainWords{language,
                                     "MSAMに切り替えるべきか",
                                     {{"何を比べたか", japanese::compared(f)},
                                      {"何が得られたか", japanese::gained(f)},
                                      {"費用はいくらか", japanese::costs(f)},
                                      {"どのくらい確かか", japanese::sure(f)},
                                      {"次に何をすべきか", japanese::next(f)},
                                      {"何に注意すべきか", japanese::wrong(f)}}}
                        : PlainWords{language,
                                     "In plain words",
                                     {{"What was compared", english::compared(f)},
                                      {"What was gained", english::gained(f)},
                                      {"What it costs", english::costs(f)},
                                      {"How sure that is", english::sure(f)},
                                      {"What to do next", english::next(f)},
                                      {"What would go wrong", english::wrong(f)}}};
  auto before_advice = words.answers.end() - 2;
  for (const std::string& name : pilot.further()) {
    const Facts of_it = facts_of(pilot, name);
    before_advice =
        1 + words.answers.insert(before_advice, {ja ? japanese::title(name) : further_title(name),
                                                 ja ? japanese::further(of_it, f) : english::further(of_it, f)});
  }
  return words;
}

}  // namespace minima::examples
