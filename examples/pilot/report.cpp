#include "examples/pilot/report.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <tuple>

#include "examples/kit/json.h"
#include "examples/kit/program.h"

namespace minima::examples {

namespace {

constexpr double busy_range = 2;  // the highest ratio of times to the lowest, beyond which something else took part

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

PilotSection generalisation(const Pilot& pilot) {
  Table table{{"optimizer", "lr", "momentum", "rho", "test acc %", "test loss", "train loss", "minus sgd: acc, points",
               "minus sgd: loss", "runs"}};
  const Runs& sgd = pilot.of("sgd");
  for (const Runs& runs : pilot.comparison.runs) {
    const Setting& s = runs.setting;
    const bool reference = &runs == &sgd;
    const std::string count = text(runs.results.size());
    table.push_back({runs.name(), s.value_text("lr"), s.value_text("momentum"), s.value_text("rho"),
                     interval_text(runs.mean(test_accuracy), 100), interval_text(runs.mean(test_loss)),
                     interval_text(runs.mean(at_end(&Measurement::train_loss))),
                     reference ? "-" : difference_text(runs.minus(sgd, test_accuracy), 100),
                     reference ? "-" : difference_text(runs.minus(sgd, test_loss)),
                     runs.diverged() > 0 ? text(count, ", ", runs.diverged(), " diverged") : count});
  }
  const PilotVerdict verdict = judge(evidence_of(pilot), pilot.rule);
  return {"Generalisation",
          text("Means over the seeds and 95% intervals, at the end of training, on the held-out test part. Differences "
               "are paired by seed: same initial weights, same batch order."),
          table,
          text("These intervals cover seeds alone. Another draw of ", pilot.comparison.test_samples,
               " test rows would move the difference between SGD and MSAM by up to about ", size_text(verdict.rows),
               pilot.rule.by_loss ? " percent" : " points", " more (95%); the recommendation counts both.")};
}

PilotSection costs(const Pilot& pilot) {
  Table table{{"optimizer", "gradients per step", "seconds per run", "time per epoch", "peak MiB", "time to equal acc",
               "time to equal loss"}};
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
    busy |= !per_epoch.empty() && per_epoch.back() > busy_range * per_epoch.front();
    table.push_back({name, size_text(static_cast<double>(optim::gradients_per_step(name))),
                     interval_text(runs.mean(at_end(&Measurement::seconds))), reference ? "1" : ratio_text(per_epoch),
                     interval_text(runs.mean(mebibytes)), reference ? "1" : ratio_text(to_accuracy),
                     reference ? "1" : ratio_text(to_loss)});
  }
  return {"Time and memory paid", "", table,
          "Training alone, relative to sgd of the same seed: median (and range over seeds). Time to equal accuracy or "
          "loss is the time until a run first reaches, on the test part, what the worse of the two ends with." +
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
               "test acc: sd over seeds, points"}};
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
  const double test = pilot.of("sgd").mean(test_accuracy).mean;
  const Runs* chosen = pilot.comparison.tuning.best("sgd", pilot.rule.tuned_by());
  if (!chosen) return "";
  const double validation = validation_accuracy(*chosen).mean, p = (test + validation) / 2;
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

/// A mean over tuning seeds; with two, an interval would say less than the numbers.
std::string trial_mean(const Interval& i, double scale = 1) {
  return interval_text(i.count < 3 ? Interval{i.mean, NAN, 1} : i, scale);
}

PilotSection tuning(const Pilot& pilot) {
  const Tuning& tuning = pilot.comparison.tuning;
  Table chosen{{"chosen", "lr", "momentum", "rho", "validation loss", "validation acc %", ""}}, all = chosen;
  all[0][0] = "optimizer";
  std::vector<const Runs*> trials;
  for (const Runs& trial : tuning.trials) trials.push_back(&trial);
  const auto place = [](const Runs& trial) {
    return std::tuple(trial.setting.value("momentum"), trial.setting.value("lr"), trial.setting.value("rho"));
  };
  std::stable_sort(trials.begin(), trials.end(), [&](auto* a, auto* b) { return place(*a) < place(*b); });
  for (const std::string& name : pilot.comparison.optimizers())
    for (const Runs* trial : trials) {
      const Setting& s = trial->setting;
      if (s.optimizer != name) continue;
      const bool is_chosen = trial == tuning.best(name, tuning.judged_by);
      const std::string edge = is_chosen && tuning.at_edge(*trial) ? "at the edge of the grid" : "";
      std::vector<std::string> row{name,
                                   s.value_text("lr"),
                                   s.value_text("momentum"),
                                   s.value_text("rho"),
                                   trial->diverged() > 0 ? "diverged" : trial_mean(validation_loss(*trial)),
                                   trial_mean(validation_accuracy(*trial), 100),
                                   edge};
      if (is_chosen) chosen.push_back(row), row.back() = edge.empty() ? "chosen" : "chosen, " + edge;
      all.push_back(row);
    }
  const std::vector<std::string> edges = tuning.chosen_at_edge();
  const int64_t planned = pilot.plan.grid.trials() * pilot.plan.tuning_seeds;
  const int64_t done = tuning.trials_each() * tuning.seeds();
  return {
      "Tuning",
      text(tuning.trials_each(), " trials for each optimizer, over ", tuning.seeds(),
           tuning.seeds() == 1 ? " seed" : " seeds", " of their own, on 80% of the training part; chosen by the mean ",
           tuning.judged_by == JudgedBy::loss ? "loss on the other 20%."
                                              : "accuracy on the other 20%, of equals by the loss.",
           " The test part took no part.",
           done < planned ? text(" The machine was slower than it was when measured: ", planned - done, " of ", planned,
                                 " rounds were not done.")
                          : ""),
      chosen,
      edges.empty() ? ""
                    : "At the edge of what was tried: " + listed(edges) +
                          ". Better settings may lie beyond; more minutes widen the grid.",
      all};
}

}  // namespace

PilotEvidence evidence_of(const Pilot& pilot, const std::string& optimizer) {
  PilotEvidence evidence;
  evidence.runs = static_cast<int>(pilot.of("sgd").results.size());
  evidence.sgd_diverged = static_cast<int>(pilot.of("sgd").diverged());
  evidence.msam_diverged = static_cast<int>(pilot.of(optimizer).diverged());
  const auto pairs = pairs_with_sgd(pilot, optimizer);
  if (pairs.empty()) return evidence;
  double sgd_loss = 0;
  for (const auto& [run, sgd] : pairs) sgd_loss += sgd->last().test_loss / static_cast<double>(pairs.size());
  const double scale = pilot.rule.by_loss ? 100 / sgd_loss : 100;
  for (const auto& [run, sgd] : pairs) {
    const Measurement &a = run->last(), &b = sgd->last();
    evidence.by_seed.push_back(scale *
                               (pilot.rule.by_loss ? b.test_loss - a.test_loss : a.test_accuracy - b.test_accuracy));
    const char* of_row = pilot.rule.by_loss ? "row_loss" : "row_correct";
    const std::vector<double>&ours = run->seen.at(of_row), &sgds = sgd->seen.at(of_row);
    std::vector<double>& rows = evidence.by_row.emplace_back();
    for (size_t i = 0; i < ours.size(); ++i)
      rows.push_back(scale * (pilot.rule.by_loss ? sgds[i] - ours[i] : ours[i] - sgds[i]));
  }
  return evidence;
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
  const PilotVerdict verdict = judge(evidence_of(pilot), pilot.rule);
  std::string advice = advice_text(verdict.advice);
  advice[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(advice[0])));
  std::string result = advice + ". " + verdict.reason;
  const std::vector<double> msam = epoch_ratios(pilot, "msam"), sam = epoch_ratios(pilot, "sam");
  if (!msam.empty() && msam.back() > busy_range * msam.front())
    result += text(" What an epoch of MSAM costs beside one of SGD could not be measured on a machine this busy (",
                   fixed(msam.front(), 2), " to ", fixed(msam.back(), 2), " times).");
  else if (!msam.empty())
    result += text(" An epoch of MSAM took ", fixed(median(msam), 2), " times as long as one of SGD.");
  if (!sam.empty()) {
    const Interval d = interval_95(evidence_of(pilot, "sam").by_seed);
    result += text(" SAM, at a median of ", fixed(median(sam), 2), " times: ", difference_text(d),
                   pilot.rule.by_loss ? " percent" : " points", " over seeds alone.");
  }
  if (pilot.stopped) result += " The pilot was stopped early; this is what was finished by then.";
  return result;
}

std::vector<PilotSection> pilot_sections(const Pilot& pilot) {
  return {generalisation(pilot), costs(pilot),    sharpness(pilot), stability(pilot),
          momentum(pilot),       warnings(pilot), tuning(pilot)};
}

std::string pilot_json(const Pilot& pilot) {
  const PilotVerdict v = judge(evidence_of(pilot), pilot.rule);
  const Interval cosine = momentum_of(pilot, "sgd").cosine, slope = momentum_of(pilot, "sgd").slope;
  return json_text(json_of(
             {{"schema", schema_version},
              {"advice", advice_text(v.advice)},
              {"measure", std::string(pilot.rule.by_loss ? "percent of SGD's test loss" : "points of accuracy")},
              {"margin", pilot.rule.margin},
              {"msam_advantage", v.seeds.mean},
              {"low", v.low()},
              {"high", v.high()},
              {"seeds", static_cast<int64_t>(v.seeds.count)},
              {"seeds_half_width", v.seeds.half_width},
              {"test_rows_half_width", v.rows},
              {"more_seeds", static_cast<int64_t>(v.more_seeds)},
              {"test_rows_needed", static_cast<int64_t>(v.rows_needed)},
              {"cosine_v_g", cosine.mean},
              {"cosine_v_g_half_width", cosine.half_width},
              {"slope_along_v", slope.mean},
              {"slope_along_v_half_width", slope.half_width},
              {"trials_per_optimizer", pilot.comparison.tuning.trials_each()},
              {"tuning_seeds", pilot.comparison.tuning.seeds()},
              {"epochs", pilot.plan.epochs},
              {"budget_seconds", pilot.budget},
              {"seconds", pilot.seconds},
              {"reason", v.reason}})) +
         "\n";
}

}  // namespace minima::examples
