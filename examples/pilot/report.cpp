#include "examples/pilot/report.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "examples/kit/cost.h"
#include "examples/kit/json.h"
#include "examples/kit/program.h"

namespace minima::examples {

namespace {

const OfRun test_loss = at_end(&Measurement::test_loss), test_accuracy = at_end(&Measurement::test_accuracy);

/// The runs of the same seed of an optimizer and of SGD, where both finished.
std::vector<std::pair<const RunResult*, const RunResult*>> pairs_with_sgd(const Pilot& pilot,
                                                                          const std::string& optimizer) {
  std::vector<std::pair<const RunResult*, const RunResult*>> pairs;
  for (const RunResult& run : pilot.of(optimizer).results)
    for (const RunResult& sgd : pilot.of("sgd").results)
      if (run.seed == sgd.seed && !run.diverged() && !sgd.diverged()) pairs.emplace_back(&run, &sgd);
  return pairs;
}

double deviation(const std::vector<double>& samples) {
  if (samples.size() < 2) return NAN;
  const double mean = interval_95(samples).mean;
  double squares = 0;
  for (const double x : samples) squares += (x - mean) * (x - mean);
  return std::sqrt(squares / static_cast<double>(samples.size() - 1));
}

/// Two digits: what is only to be judged by its size.
std::string size_text(double value) {
  return std::isfinite(value) ? number_text(std::strtod(short_text(value).c_str(), nullptr)) : "-";
}

/// Ratios in rising order, those that do not exist left out.
std::vector<double> sorted(std::vector<double> ratios) {
  ratios.erase(std::remove_if(ratios.begin(), ratios.end(), [](double r) { return !std::isfinite(r); }), ratios.end());
  std::sort(ratios.begin(), ratios.end());
  return ratios;
}

/// "1.02x (0.98 to 1.10)": median and range.
std::string ratio_text(const std::vector<double>& ratios) {
  const std::vector<double> rising = sorted(ratios);
  if (rising.empty()) return "-";
  return fixed(median(rising), 2) + "x (" + fixed(rising.front(), 2) + " to " + fixed(rising.back(), 2) + ")";
}

/// Seconds per epoch relative to SGD's, seed by seed.
std::vector<double> epoch_ratios(const Pilot& pilot, const std::string& optimizer) {
  return cost_ratios(pilot.of(optimizer), pilot.of("sgd"));
}

/// "0.05", or "0.02 to 0.08": a hyperparameter as the studies chose it.
std::string chosen_text(const Pilot& pilot, const std::string& optimizer, const std::string& name) {
  std::vector<double> values;
  for (const Study& study : pilot.studies) values.push_back(named(study.runs, optimizer).setting.value(name));
  if (values.empty() || !Setting{.optimizer = optimizer}.has(name)) return "-";
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return *low == *high ? number_text(*low) : number_text(*low) + " to " + number_text(*high);
}

/// In the heads of tables.
std::string short_name(const Pilot& pilot) { return pilot.rule.quantities ? "R2" : "acc"; }

PilotSection generalisation(const Pilot& pilot) {
  const std::string acc = short_name(pilot);
  Table table{{"optimizer", "lr", "momentum", "rho", "test " + acc + " %", "median", "test loss", "train loss",
               "minus sgd: " + acc + ", points", "better in", "minus sgd: loss", "runs"}};
  const Comparison& c = pilot.comparison;
  const Runs& sgd = pilot.of("sgd");
  for (const Runs& runs : c.runs) {
    const bool reference = &runs == &sgd;
    const auto minus_sgd = [&](Judged judged) {
      return difference_of(replicates_of(runs, sgd, judged, c.test_per_train, study_of));
    };
    std::string count = text(runs.results.size());
    if (runs.diverged() > 0) count += text(", ", runs.diverged(), " diverged");
    if (const int64_t low = collapsed(runs, c.runs, c.guessing); low > 0) count += text(", ", low, " collapsed");
    const Difference accuracy = minus_sgd(Judged::accuracy);
    const std::string name = runs.name();
    table.push_back({name, chosen_text(pilot, name, "lr"), chosen_text(pilot, name, "momentum"),
                     chosen_text(pilot, name, "rho"), interval_text(runs.mean(test_accuracy), 100),
                     short_text(100 * median(runs.values(test_accuracy)), 4), interval_text(runs.mean(test_loss)),
                     interval_text(runs.mean(at_end(&Measurement::train_loss))),
                     reference ? "-" : difference_text(accuracy.interval, 100),
                     reference ? "-" : fixed(100 * accuracy.improved, 0) + "%",
                     reference ? "-" : difference_text(minus_sgd(Judged::loss).interval), count});
  }
  const Difference d = pilot_verdict(pilot).difference;
  const std::string unit = pilot.rule.by_loss ? " percent" : " points";
  const std::string luck =
      c.test_per_train > 0
          ? text(
                "Each study split the data anew: the intervals of the differences hold the luck of the split, of "
                "tuning and of the seeds (corrected resampled t-test).")
          : text(
                "All studies share the test part. The intervals of the differences hold the luck of tuning and of the "
                "seeds, ",
                size_text(d.replicates), unit, " to either side, and that of the ", c.test_samples, " test rows, ",
                size_text(d.rows), unit, ".");
  const std::string point =
      c.quantities
          ? std::string(" A point is a percent of the variance of the label that is explained (R2).")
          : text(" One test row is ", short_text(100.0 / static_cast<double>(c.test_samples)), " points of accuracy.");
  return {
      "Generalisation",
      text("Means over the runs of all studies, at the end of training, on held-out test rows. Differences are "
           "paired: same split, same initial weights, same batch order. \"Better in\" is the share of the studies."),
      table, luck + point + " Collapsed runs ended far below the others."};
}

PilotSection costs(const Pilot& pilot) {
  Table table{{"optimizer", "gradients per step", "seconds per run", "time per epoch", "peak MiB",
               "time to equal " + short_name(pilot), "time to equal loss"}};
  const auto mebibytes = [](const RunResult& run) { return double(run.last().peak_memory_bytes) / (1 << 20); };
  bool busy = false;
  for (const Runs& runs : pilot.comparison.runs) {
    const std::string name = runs.name();
    std::vector<double> to_accuracy, to_loss;
    for (const auto& [run, sgd] : pairs_with_sgd(pilot, name)) {
      to_accuracy.push_back(time_to_equal(*run, *sgd, false));
      to_loss.push_back(time_to_equal(*run, *sgd, true));
    }
    const bool reference = name == "sgd";
    const std::vector<double> per_epoch = epoch_ratios(pilot, name);
    busy |= too_far_apart(per_epoch);
    table.push_back({name, size_text(static_cast<double>(optim::gradients_per_step(name))),
                     interval_text(runs.mean(at_end(&Measurement::seconds))), reference ? "1" : ratio_text(per_epoch),
                     interval_text(runs.mean(mebibytes)), reference ? "1" : ratio_text(to_accuracy),
                     reference ? "1" : ratio_text(to_loss)});
  }
  return {"Time and memory paid", "", table,
          costs_text(pilot.comparison.runs) +
              " Relative to sgd of the same seed: median (and range over seeds). Time to equal " +
              judged_name(pilot.rule.quantities) +
              " or loss is the time until a run first reaches, on the test part, what the worse of the two ends with." +
              std::string(busy ? " The ranges are wide because the machine did other work as well." : "")};
}

PilotSection sharpness(const Pilot& pilot) {
  Table table{{"optimizer", "lambda max", "residual, at most", "runs"}};
  for (const Runs& runs : pilot.comparison.runs) {
    std::vector<double> values;
    double residual = 0;
    for (const RunResult& run : runs.results) {
      if (!std::isfinite(run.lambda_max)) continue;
      values.push_back(run.lambda_max), residual = std::max(residual, run.lambda_residual);
    }
    if (!values.empty())
      table.push_back({runs.name(), interval_text(interval_95(values)), size_text(residual), text(values.size())});
  }
  if (table.size() == 1)
    return {"Sharpness", "Not measured: the largest Hessian eigenvalue would take too much of this budget.", {}, ""};
  return {"Sharpness",
          text("The largest eigenvalue of the Hessian of the training loss on ", pilot.comparison.curvature_samples,
               " samples, at the end; the residual |H u - lambda u| / lambda says how far to trust it."),
          table,
          "A flatter minimum is not by itself a better one: the same function can be written with sharper or flatter "
          "weights. Read it beside the test loss."};
}

PilotSection stability(const Pilot& pilot) {
  Table table{{"optimizer", "test loss: sd over the last third of epochs", "test loss: sd over seeds",
               "test " + short_name(pilot) + ": sd over seeds, points"}};
  for (const Runs& runs : pilot.comparison.runs) {
    std::vector<double> wobbles = runs.values(wobble);
    wobbles.erase(std::remove_if(wobbles.begin(), wobbles.end(), [](double w) { return !std::isfinite(w); }),
                  wobbles.end());
    const auto percent = [](const RunResult& run) { return 100 * run.last().test_accuracy; };
    table.push_back({runs.name(), wobbles.empty() ? "-" : interval_text(interval_95(wobbles)),
                     size_text(deviation(runs.values(test_loss))), size_text(deviation(runs.values(percent)))});
  }
  return {"Stability of the curves", "", table,
          "The first column is the mean over seeds of the standard deviation within a run, trend included; the others "
          "say how much the end of training depends on the seed."};
}

/// Means over each run's probes after its first epoch.
struct MomentumSummary {
  Interval cosine, slope, negative_percent;
};
MomentumSummary momentum_of(const Pilot& pilot, const std::string& optimizer) {
  std::vector<double> cosines, slopes, negatives;
  for (const RunResult& run : pilot.of(optimizer).results) {
    if (run.diverged() || run.seen.count("epoch") == 0) continue;
    const std::vector<double>&epoch = run.seen.at("epoch"), &cosine = run.seen.at("cosine"),
          &slope = run.seen.at("slope");
    double cosine_sum = 0, slope_sum = 0, negative = 0, count = 0;
    for (size_t i = 0; i < epoch.size(); ++i)
      if (epoch[i] > 1) cosine_sum += cosine[i], slope_sum += slope[i], negative += cosine[i] < 0, ++count;
    if (count == 0) continue;
    cosines.push_back(cosine_sum / count), slopes.push_back(slope_sum / count);
    negatives.push_back(100 * negative / count);
  }
  return {interval_95(cosines), interval_95(slopes), interval_95(negatives)};
}

PilotSection momentum(const Pilot& pilot) {
  Table table{{"optimizer", "cos(v, g)", "slope along v", "steps with <v, g> < 0, %"}};
  for (const std::string name : {"sgd", "msam"}) {
    const MomentumSummary m = momentum_of(pilot, name);
    table.push_back({name, interval_text(m.cosine), interval_text(m.slope), interval_text(m.negative_percent)});
  }
  const Interval cosine = momentum_of(pilot, "sgd").cosine, slope = momentum_of(pilot, "msam").slope;
  std::string reading = cosine.count < 2 ? "Too few runs to say."
                        : cosine.separated()
                            ? "Under SGD the cosine differs from 0: the momentum says something about the next batch."
                            : text(
                                  "Under SGD no sign is seen that the momentum says anything about the next batch: "
                                  "in the mean |cos| is below ",
                                  size_text(std::abs(cosine.mean) + cosine.half_width),
                                  " (95%). A perturbation along a direction that says nothing does nothing.");
  if (slope.separated() && slope.mean < 0)
    reading +=
        " At MSAM's perturbed point the slope is below 0: further along -v the loss of the batch rises. The "
        "perturbation reaches past the batch's lowest point in that direction, as it is meant to.";
  if (slope.separated() && slope.mean > 0)
    reading +=
        " At MSAM's perturbed point the slope is above 0: further along -v the loss of the batch still falls. The "
        "perturbation acts as Nesterov's look-ahead does, rather than as SAM's ascent.";
  const double random = 1 / std::sqrt(static_cast<double>(std::max<int64_t>(1, pilot.comparison.parameters())));
  return {"Does the momentum carry information?",
          "At every few steps after the first epoch: g is the gradient of a batch that v does not contain yet (at the "
          "weights for sgd, at the perturbed point for msam), and slope along v is <v, g> / |v|.",
          table,
          text(reading, " For a single step a random direction has a cosine of about 0 +- ", size_text(random), ".")};
}

/// What is to be said where SGD does otherwise on the test part than on the validation split by more than luck (three
/// standard deviations of the difference between two samples of these sizes).
std::string difference_of_parts(const Pilot& pilot) {
  if (pilot.rule.quantities) return "";  // R2 is no share of rows
  const double test = pilot.of("sgd").mean(test_accuracy).mean;
  std::vector<double> validations;
  for (const Study& study : pilot.studies) validations.push_back(validation_accuracy(study.tuning.chosen("sgd")).mean);
  if (validations.empty()) return "";
  const double validation = interval_95(validations).mean, p = (test + validation) / 2;
  const double rows = 1 / (validation_fraction * static_cast<double>(pilot.comparison.train_samples)) +
                      1 / static_cast<double>(pilot.comparison.test_samples);
  if (!(std::abs(test - validation) > 3 * std::sqrt(p * (1 - p) * rows))) return "";
  return text("Here the two parts differ already: sgd has an accuracy of ", fixed(100 * validation, 1),
              "% on the validation split and of ", fixed(100 * test, 1),
              "% on the test part, more apart than luck allows. Settings that were chosen on the first need not be "
              "the best on the second.");
}

PilotSection warnings(const Pilot& pilot) {
  return {"Two warnings",
          text("Distribution shift: the test part is drawn from the same data as the training part. Where the data in "
               "use differ from it, above all where groups that are rare here become common there, an advantage can "
               "vanish or turn round. High batch variance: with tiny batches (here ",
               pilot.comparison.batch,
               ") the gradients' noise already does what the perturbation is for, and an advantage can vanish. "
               "`./minima pilot --warnings` shows both on synthetic data."),
          {},
          difference_of_parts(pilot)};
}

PilotSection tuning(const Pilot& pilot) {
  const std::string acc = "validation " + short_name(pilot) + " %";
  Table chosen{{"study", "chosen", "lr", "momentum", "rho", acc, "validation loss", "trials", "runs", ""}};
  Table all{{"study", "optimizer", "lr", "momentum", "rho", "seeds", acc, "validation loss", ""}};
  std::string fewer;
  for (const std::string& name : pilot.further())
    fewer += text(" (", name, ": ", pilot.plan.grid.trials(name), ", as no radius is tried)");
  int64_t number = 0, edges = 0;
  for (const Study& study : pilot.studies) {
    ++number;
    for (const std::string& name : pilot.comparison.optimizers()) {
      const Runs& best = study.tuning.chosen(name);
      int64_t trials = 0, runs = 0;
      for (const Runs& trial : study.tuning.trials) {
        const Setting& s = trial.setting;
        if (s.optimizer != name) continue;
        ++trials, runs += std::ssize(trial.results);
        all.push_back({text(number), name, s.value_text("lr"), s.value_text("momentum"), s.value_text("rho"),
                       text(trial.results.size()),
                       trial.diverged() > 0 ? "diverged" : interval_text(validation_accuracy(trial), 100),
                       trial.diverged() > 0 ? "" : interval_text(validation_loss(trial)),
                       &trial == &best ? "chosen" : ""});
      }
      const bool at_edge = study.tuning.at_edge(best);
      edges += at_edge;
      const Setting& s = best.setting;
      chosen.push_back({text(number), name, s.value_text("lr"), s.value_text("momentum"), s.value_text("rho"),
                        interval_text(validation_accuracy(best), 100), interval_text(validation_loss(best)),
                        text(trials), text(runs), at_edge ? "at the edge of what was tried" : ""});
    }
  }
  return {
      "Tuning",
      text("In each study, for each optimizer: ", pilot.plan.grid.trials(), " trials", fewer,
           " with one seed, the better half with a second one, and so on; then settings beyond the edges at "
           "which "
           "the best lay. Each seed trains on 80% of the training part, drawn anew, and is judged on the rest, by the "
           "mean ",
           pilot.rule.tuned_by() == JudgedBy::loss
               ? "loss."
               : "accuracy; of trials that the accuracy does not tell apart, that with the lowest loss is "
                 "chosen.",
           " The test part took no part."),
      chosen,
      edges == 0 ? ""
                 : text("In ", edges,
                        " cases the chosen setting lies at the edge of what was tried, after the grid was "
                        "extended: better settings may lie beyond."),
      all};
}

}  // namespace

std::vector<std::string> Pilot::further() const {
  std::vector<std::string> names = comparison.optimizers();
  const std::vector<std::string>& known = further_pilot_optimizers();
  std::erase_if(names,
                [&](const std::string& name) { return std::find(known.begin(), known.end(), name) == known.end(); });
  return names;
}

std::string further_title(const std::string& optimizer) {
  return text(optimizer.starts_with("msam") ? "MSAM" : "SAM", ", automatic radius");
}

std::vector<Runs> runs_of(const std::vector<Study>& studies) {
  std::vector<Runs> all;
  for (const Study& study : studies)
    for (size_t k = 0; k < study.runs.size(); ++k) {
      if (all.size() <= k) all.push_back({study.runs[k].setting});
      all[k].results.insert(all[k].results.end(), study.runs[k].results.begin(), study.runs[k].results.end());
    }
  return all;
}

namespace {

/// In how many studies a run is one of those that `chosen` counts.
int studies_with(const Runs& runs, const std::function<int64_t(const Runs&)>& chosen) {
  std::map<uint64_t, Runs> by_study;
  for (const RunResult& run : runs.results) by_study[study_of(run.seed)].results.push_back(run);
  int count = 0;
  for (const auto& [study, of_study] : by_study) count += chosen(of_study) > 0;
  return count;
}

}  // namespace

PilotEvidence evidence_of(const Pilot& pilot, const std::string& optimizer) {
  const Comparison& c = pilot.comparison;
  const Runs &sgd = pilot.of("sgd"), &runs = pilot.of(optimizer);
  const auto diverged = [](const Runs& r) { return r.diverged(); };
  const auto low = [&](const Runs& r) { return collapsed(r, c.runs, c.guessing); };
  PilotEvidence evidence{.replicates = replicates_of(runs, sgd, pilot.rule.by_loss ? Judged::loss : Judged::accuracy,
                                                     c.test_per_train, study_of),
                         .test_rows = c.test_samples,
                         .studies = studies_with(sgd, [](const Runs&) { return 1; }),
                         .sgd_diverged = studies_with(sgd, diverged),
                         .msam_diverged = studies_with(runs, diverged),
                         .sgd_collapsed = studies_with(sgd, low),
                         .msam_collapsed = studies_with(runs, low),
                         .name = optimizer == "msam" ? "MSAM" : optimizer};
  // MSAM's advantage: points of accuracy, or percent of SGD's loss less of it
  const double scale = pilot.rule.by_loss ? -100 / sgd.mean(test_loss).mean : 100;
  for (double& d : evidence.replicates.differences) d *= scale;
  for (auto& rows : evidence.replicates.by_row)
    for (double& row : rows) row *= scale;
  return evidence;
}

PilotVerdict pilot_verdict(const Pilot& pilot, const std::string& optimizer) {
  std::vector<std::string> names = pilot.further();
  names.insert(names.begin(), "msam");
  std::vector<PilotEvidence> evidence;
  for (const std::string& name : names) evidence.push_back(evidence_of(pilot, name));
  const auto at = std::find(names.begin(), names.end(), optimizer) - names.begin();
  return judge_each(evidence, pilot.rule).at(static_cast<size_t>(at));
}

double time_to_equal(const RunResult& run, const RunResult& reference, bool by_loss) {
  if (run.diverged() || reference.diverged()) return NAN;
  const double loss = std::max(run.last().test_loss, reference.last().test_loss);
  const double accuracy = std::min(run.last().test_accuracy, reference.last().test_accuracy);
  const auto seconds = [&](const RunResult& r) {
    for (const Measurement& m : r.curve)
      if (by_loss ? m.test_loss <= loss : m.test_accuracy >= accuracy) return m.seconds;
    return r.last().seconds;
  };
  return seconds(run) / seconds(reference);
}

double wobble(const RunResult& run) {
  std::vector<double> losses;
  for (size_t i = run.curve.size() - run.curve.size() / 3; i < run.curve.size(); ++i)
    losses.push_back(run.curve[i].test_loss);
  return losses.size() < 3 ? NAN : deviation(losses);
}

std::string recommendation(const Pilot& pilot) {
  const PilotVerdict verdict = pilot_verdict(pilot);
  std::string advice = advice_text(verdict.advice);
  advice[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(advice[0])));
  std::string result = advice + ". " + verdict.reason;
  const std::vector<double> msam = epoch_ratios(pilot, "msam"), sam = epoch_ratios(pilot, "sam");
  if (too_far_apart(msam))
    result += text(" What an epoch of MSAM costs beside one of SGD could not be measured on a machine this busy (",
                   fixed(msam.front(), 2), " to ", fixed(msam.back(), 2), " times).");
  else if (!msam.empty())
    result += text(" An epoch of MSAM took ", fixed(median(msam), 2), " times as long as one of SGD.");
  if (!sam.empty()) {
    const Interval d = difference_of(evidence_of(pilot, "sam").replicates).interval;
    result += text(" SAM, ",
                   too_far_apart(sam) ? "whose time could not be measured"
                                      : text("at a median of ", fixed(median(sam), 2), " times"),
                   ": ", difference_text(d), pilot.rule.by_loss ? " percent" : " points", ".");
  }
  for (const std::string& name : pilot.further()) {
    const PilotVerdict v = pilot_verdict(pilot, name);
    result += text(" ", further_title(name), " (", name, "): ", advice_text(v.advice, "it"), ". ", v.reason);
    const std::vector<double> ratios = epoch_ratios(pilot, name);
    if (!ratios.empty() && !too_far_apart(ratios))
      result += text(" An epoch of it took ", fixed(median(ratios), 2), " times as long as one of SGD.");
  }
  if (pilot.stopped) result += " The pilot was stopped early; this is what was finished by then.";
  return result;
}

std::vector<PilotSection> pilot_sections(const Pilot& pilot) {
  std::vector<PilotSection> sections{generalisation(pilot), costs(pilot)};
  if (pilot.prices.known()) sections.push_back(money_section(pilot));
  for (const auto& section : {sharpness, stability, momentum, warnings, tuning}) sections.push_back(section(pilot));
  return sections;
}

std::string pilot_json(const Pilot& pilot) {
  const Money money = money_of(pilot, pilot.prices);
  const PilotVerdict v = pilot_verdict(pilot);
  const Interval cosine = momentum_of(pilot, "sgd").cosine, slope = momentum_of(pilot, "sgd").slope;
  const Money::BreakEven even = money.break_even(v.difference.interval, /*with_tuning=*/true);
  Row row{{"schema", schema_version},
          {"advice", advice_text(v.advice)},
          {"measure", pilot.rule.unit()},
          {"margin", pilot.rule.margin},
          {"msam_advantage", v.difference.interval.mean},
          {"low", v.difference.interval.low()},
          {"high", v.difference.interval.high()},
          {"p", v.p},
          {"better_in", v.difference.improved},
          {"studies", static_cast<int64_t>(v.difference.interval.count)},
          {"studies_half_width", v.difference.replicates},
          {"test_rows_half_width", v.difference.rows},
          {"more_studies", static_cast<int64_t>(v.more_studies)},
          {"test_rows_needed", v.rows_needed},
          {"hourly_cost", pilot.prices.per_hour},
          {"runs_per_month", pilot.prices.per_month},
          {"msam_costs_more_a_month", money.more_a_month.mean},
          {"msam_costs_more_a_month_half_width", money.more_a_month.half_width},
          {"tuning_cost", money.tuning},
          {"break_even_per_unit", even.middle},
          {"break_even_low", even.low},
          {"break_even_high", even.high},
          {"cosine_v_g", cosine.mean},
          {"cosine_v_g_half_width", cosine.half_width},
          {"slope_along_v", slope.mean},
          {"slope_along_v_half_width", slope.half_width},
          {"trials_per_optimizer", static_cast<int64_t>(pilot.plan.grid.trials())},
          {"seeds_per_study", pilot.plan.seeds},
          {"epochs", pilot.plan.epochs},
          {"budget_seconds", pilot.budget},
          {"seconds", pilot.seconds},
          {"reason", v.reason}};
  for (const std::string& name : pilot.further()) {
    const PilotVerdict further = pilot_verdict(pilot, name);
    const Interval& gain = further.difference.interval;
    row.insert(row.end(), {{name + "_advice", advice_text(further.advice, name)},
                           {name + "_advantage", gain.mean},
                           {name + "_low", gain.low()},
                           {name + "_high", gain.high()},
                           {name + "_p", further.p},
                           {name + "_trials", static_cast<int64_t>(pilot.plan.grid.trials(name))},
                           {name + "_tuning_cost", money_of(pilot, pilot.prices, name).tuning},
                           {name + "_reason", further.reason}});
  }
  return json_text(json_of(row)) + "\n";
}

}  // namespace minima::examples
