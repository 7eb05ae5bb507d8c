#include "examples/compare/comparison.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "core/utf8.h"
#include "examples/kit/json.h"
#include "examples/kit/program.h"

namespace minima::examples {

namespace {

const OfRun accuracy = at_end(&Measurement::test_accuracy), loss = at_end(&Measurement::test_loss);

/// "p < 0.001", "p = 0.03"
std::string p_text(double p) { return p < 0.001 ? "p < 0.001" : "p = " + fixed(p, p < 0.1 ? 3 : 2); }

/// Seconds of a run until its test accuracy is first what `target` is; NaN where it never is.
double seconds_to(const RunResult& run, double target) {
  for (const Measurement& m : run.curve)
    if (m.test_accuracy >= target) return m.seconds;
  return NAN;
}

/// "0.52x (9 of 10)": seconds until a run has the accuracy that the reference's of the same seed ends with, relative to
/// the reference's whole training, the median over the seeds that get there, and how many do.
std::string time_to_target_text(const Runs& runs, const Runs& reference) {
  std::vector<double> ratios;
  size_t pairs = 0;
  for (const RunResult& run : runs.results)
    for (const RunResult& other : reference.results) {
      if (run.seed != other.seed || run.diverged() || other.diverged()) continue;
      ++pairs;
      const double ratio = seconds_to(run, other.last().test_accuracy) / other.last().seconds;
      if (std::isfinite(ratio)) ratios.push_back(ratio);
    }
  if (pairs == 0) return "-";
  return ratios.empty() ? text("never (0 of ", pairs, ")")
                        : text(fixed(median(ratios), 2), "x (", ratios.size(), " of ", pairs, ")");
}

/// "2.01x (1.95 to 2.10)": median and range.
std::string cost_text(const std::vector<double>& ratios) {
  if (ratios.empty()) return "-";
  const std::string middle = fixed(median(ratios), 2) + "x", low = fixed(ratios.front(), 2),
                    high = fixed(ratios.back(), 2);
  return low == high ? middle : middle + " (" + low + " to " + high + ")";
}

/// In the heads of tables.
std::string short_name(const Comparison& comparison) { return comparison.quantities ? "R2" : "acc"; }

/// In percent. One seed alone cannot rank optimizers, and gets a decimal fewer than a table of means would show.
std::string accuracy_text(const Interval& accuracy) {
  return accuracy.count == 1 ? fixed(100 * accuracy.mean, 1) : interval_text(accuracy, 100);
}

}  // namespace

std::vector<std::string> Comparison::optimizers() const {
  std::vector<std::string> names;
  for (const Runs& r : runs) names.push_back(r.name());
  return names;
}

std::string Comparison::intended_reference() const {
  if (!compared_with.empty()) return compared_with;
  return has_name(runs, "sgd") ? "sgd" : runs.front().name();
}

const Runs& Comparison::reference() const {
  const Runs& intended = of(intended_reference());
  if (intended.diverged() == 0 || !compared_with.empty()) return intended;
  for (const Runs& r : runs)
    if (r.diverged() == 0) return r;
  return intended;
}

std::vector<std::string> Comparison::divergences() const {
  std::vector<std::string> all;
  for (int64_t seed = 0; seed < seeds(); ++seed)
    for (const Runs& r : runs)
      if (const RunResult& run = r.results[static_cast<size_t>(seed)]; run.diverged()) all.push_back(run.divergence);
  return all;
}

double test_per_train(const Problem& problem) {
  return static_cast<double>(problem.test.size()) / static_cast<double>(problem.train.size());
}

Comparison comparison_of(const Problem& problem, int64_t curvature_samples) {
  return {.data = core::as_utf8(problem.data),
          .model = problem.model,
          .machine = machine_description(),
          .batch = problem.batch,
          .threads = num_threads(),
          .train_samples = problem.train.size(),
          .test_samples = problem.test.size(),
          .curvature_samples = curvature_samples,
          .test_groups = std::ssize(std::set(problem.test.groups().begin(), problem.test.groups().end())),
          .runs = {},
          .tuning = {},
          .compared_with = "",
          .guessing = largest_share(problem.test),
          .quantities = problem.train.has_targets()};
}

std::vector<double> cost_ratios(const Runs& runs, const Runs& reference) {
  std::vector<double> ratios;
  for (const RunResult& run : runs.results)
    for (const RunResult& other : reference.results)
      if (run.seed == other.seed && !run.diverged() && !other.diverged())
        ratios.push_back(run.last().seconds / other.last().seconds);
  ratios.erase(std::remove_if(ratios.begin(), ratios.end(), [](double r) { return !std::isfinite(r); }), ratios.end());
  std::sort(ratios.begin(), ratios.end());
  return ratios;
}

Difference difference_to_reference(const Comparison& comparison, const Runs& runs, Judged judged) {
  const Runs& reference = comparison.reference();
  const auto raw = [&](const Runs& r) {
    return difference_of(replicates_of(r, reference, judged, comparison.test_per_train));
  };
  Difference result;
  std::vector<double> p;
  size_t at = 0;
  for (const Runs& other : comparison.runs) {
    if (&other == &reference) continue;
    const Difference d = raw(other);
    if (&other == &runs) result = d, at = p.size();
    p.push_back(d.interval.count < comparison.seeds() ? NAN : d.p);  // the runs that are left are no fair sample
  }
  if (at < p.size()) result.p = holm(p)[at];
  return result;
}

Table result_table(const Comparison& comparison) {
  const std::string acc = short_name(comparison);
  Table table{{"optimizer", "lr", "rho", "test " + acc + " %", "test loss", "train loss", "lambda max", "gradients",
               "seconds", "peak MiB", "cost", "to " + comparison.reference().name() + "'s " + acc}};
  for (const Runs& runs : comparison.runs) {
    const Setting& s = runs.setting;
    const std::string label = s.wraps() ? s.name() + "(" + s.base + ")" : s.name();
    if (runs.diverged() == std::ssize(runs.results)) {
      table.push_back({label, s.value_text("lr"), s.value_text("rho"), "diverged"});
      continue;
    }
    std::vector<double> lambdas = runs.values([](const RunResult& run) { return run.lambda_max; });
    lambdas.erase(std::remove_if(lambdas.begin(), lambdas.end(), [](double l) { return !std::isfinite(l); }),
                  lambdas.end());
    const auto mebibytes = [](const RunResult& r) { return double(r.last().peak_memory_bytes) / (1 << 20); };
    table.push_back({label, s.value_text("lr"), s.value_text("rho"), accuracy_text(runs.mean(accuracy)),
                     interval_text(runs.mean(loss)), interval_text(runs.mean(at_end(&Measurement::train_loss))),
                     interval_text(interval_95(lambdas)), interval_text(runs.mean(gradients_at_end)),
                     interval_text(runs.mean(at_end(&Measurement::seconds))), interval_text(runs.mean(mebibytes)),
                     cost_text(cost_ratios(runs, comparison.reference())),
                     time_to_target_text(runs, comparison.reference())});
    if (runs.diverged() > 0)
      table.back().push_back(text(runs.diverged(), " of ", runs.results.size(), " runs diverged"));
    if (const int64_t low = collapsed(runs, comparison.runs, comparison.guessing); low > 0)
      table.back().push_back(text(low, " of ", runs.results.size(), " runs collapsed"));
  }
  return table;
}

Table difference_table(const Comparison& comparison) {
  const Runs& reference = comparison.reference();
  const std::string acc = short_name(comparison);
  Table table{{"minus " + reference.name(), "test " + acc + ", points", "better in", "test loss", acc + " separated",
               "loss separated"}};
  const auto judged = [&](const Difference& d) -> std::string {
    if (d.interval.count < comparison.seeds()) return "not comparable";
    if (d.interval.count == 1 || std::isnan(d.p)) return d.no_spread() ? "-" : "no";
    return (d.separated() ? "yes, " : "no, ") + p_text(d.p);
  };
  for (const Runs& runs : comparison.runs) {
    if (&runs == &reference) continue;
    const Difference accuracy = difference_to_reference(comparison, runs, Judged::accuracy),
                     loss = difference_to_reference(comparison, runs, Judged::loss);
    table.push_back({runs.name(), difference_text(accuracy.interval, 100),
                     accuracy.interval.count == 0 ? "-" : fixed(100 * accuracy.improved, 0) + "%",
                     difference_text(loss.interval), judged(accuracy), judged(loss)});
  }
  return table;
}

namespace {

/// "sam (+0.42) above sgd; nesterov and adam not separated from it"
std::string separated(const Comparison& comparison, Judged judged, double scale) {
  std::vector<std::string> above, below, rest, unjudged, diverged;
  const std::string reference = comparison.reference().name();
  for (const Runs& runs : comparison.runs) {
    const std::string name = runs.name();
    if (name == reference) continue;
    const Difference d = difference_to_reference(comparison, runs, judged);
    if (d.interval.count < comparison.seeds())
      diverged.push_back(name);
    else if (d.no_spread())
      unjudged.push_back(name + " (" + signed_text(d.interval, scale) + ")");
    else if (!d.separated())
      rest.push_back(name);
    else
      (d.interval.mean > 0 ? above : below).push_back(name + " (" + signed_text(d.interval, scale) + ")");
  }
  std::vector<std::string> parts;
  if (!above.empty()) parts.push_back(listed(above) + " above " + reference);
  if (!below.empty()) parts.push_back(listed(below) + " below " + reference);
  if (!rest.empty()) parts.push_back(listed(rest) + " not separated from " + reference);
  if (!unjudged.empty()) parts.push_back(listed(unjudged) + " not judged, as the difference is the same in all seeds");
  if (!diverged.empty()) parts.push_back(listed(diverged) + " not comparable, as runs diverged");
  return joined(parts, "; ");
}

/// Settings whose mean and median differences in accuracy point to different sides.
std::string disagreeing_medians(const Comparison& comparison) {
  std::vector<std::string> parts;
  for (const Runs& runs : comparison.runs) {
    if (&runs == &comparison.reference()) continue;
    const Difference d = difference_to_reference(comparison, runs, Judged::accuracy);
    if (d.interval.mean * d.median < 0)
      parts.push_back(text(runs.name(), " (mean ", signed_text(d.interval, 100), ", median ",
                           signed_text(Interval{d.median, NAN, 1}, 100), ")"));
  }
  return parts.empty() ? ""
                       : " Mean and median differ in sign for " + listed(parts) +
                             ": a few seeds make the mean; look at each seed in metrics.csv.";
}

/// "; training time relative to sgd: sam 2.01x (1.95 to 2.10)". A range wider than the distance from 1 says nothing,
/// unless it is narrow; nor does one over a factor of two.
std::string cost_clause(const Comparison& comparison) {
  const Runs& reference = comparison.reference();
  std::vector<std::string> costs, noisy;
  for (const Runs& runs : comparison.runs) {
    const std::vector<double> ratios = cost_ratios(runs, reference);
    if (&runs == &reference || ratios.empty()) continue;
    const double spread = ratios.back() - ratios.front();
    if (too_far_apart(ratios) || (spread > 0.1 && spread > std::abs(median(ratios) - 1)))
      noisy.push_back(runs.name());
    else
      costs.push_back(runs.name() + " " + cost_text(ratios));
  }
  std::string result = joined(costs);
  if (!noisy.empty())
    result.append(result.empty() ? "" : "; ").append(listed(noisy) + " not measurable on this busy machine");
  return result.empty() ? "" : "; training time relative to " + reference.name() + ": " + result;
}

}  // namespace

std::string verdict(const Comparison& comparison) {
  if (comparison.runs.size() < 2) return "One optimizer alone was run. There is nothing to compare it with.";
  const bool all_diverged = std::all_of(comparison.runs.begin(), comparison.runs.end(),
                                        [](const Runs& runs) { return runs.diverged() == std::ssize(runs.results); });
  if (all_diverged) return "Every run diverged. Try a smaller --lr.";
  if (comparison.seeds() < 2)
    return "Not separated: one seed cannot tell a difference between optimizers from luck. Use --seeds 5 or more.";
  const std::string reference = comparison.reference().name(), intended = comparison.intended_reference();
  const auto edges = comparison.tuning.chosen_at_edge();
  return text(reference == intended ? "" : intended + " diverged, so that the reference is " + reference + ": ",
              reference == intended ? "Test" : "test", " ", judged_name(comparison.quantities),
              " in points, paired over ", comparison.seeds(), " seeds: ", separated(comparison, Judged::accuracy, 100),
              ". Test loss: ", separated(comparison, Judged::loss, 1), cost_clause(comparison),
              edges.empty() ? "" : "; at the edge of what tuning tried: " + listed(edges) + ": widen", ".");
}

namespace {
/// Whose luck else the intervals hold, where all seeds share a test part.
std::string tested_text(const Comparison& c) {
  if (c.test_groups == 0) return text(" and of the ", c.test_samples, " test rows");
  if (c.test_groups == 1) return ", but not of the test part: all its rows are of one group";
  return text(" and of the ", c.test_groups, " groups of test rows");
}
}  // namespace

std::string uncertainty_text(const Comparison& c) {
  if (c.runs.size() < 2 || c.seeds() < 2) return "";
  const bool drawn = c.test_per_train > 0;
  double rows = 0, replicates = 0, seen = 0;
  for (const Runs& runs : c.runs) {
    if (&runs == &c.reference()) continue;
    const Difference d = difference_to_reference(c, runs, Judged::accuracy);
    if (std::isfinite(detectable(d))) seen = std::max(seen, detectable(d));
    if (d.rows > rows) rows = d.rows, replicates = d.replicates;
  }
  const std::string holds =
      drawn ? text(
                  "Each seed splits the data anew. The intervals hold the luck of the split and of the seed (corrected "
                  "resampled t-test). ")
            : text("All seeds share ",
                   c.one_split         ? "one split, --split-seed, and what was tuned on its training part"
                   : c.test_groups > 0 ? "one test part"
                                       : "the published test part",
                   ". The intervals hold the luck of the seed", tested_text(c),
                   c.one_split ? ", and not that of this split nor of tuning, as those of pilot do. " : ". ");
  const std::string change =
      drawn               ? std::string("More rows would narrow the intervals; more seeds do so only a little.")
      : rows > replicates ? text("The test ", c.test_groups > 0 ? "groups" : "rows",
                                 " are the larger part of it: more seeds would not narrow them by much.")
                          : std::string("More seeds would narrow them.");
  const std::string power =
      seen > 0 ? text(" A true difference of ", short_text(100 * seen), " points would be separated from ",
                      c.reference().name(), " by itself in four of five such comparisons.")
               : "";
  const std::string point =
      c.quantities ? std::string("A point is a percent of the variance of the label that is explained (R2).")
                   : text("One test row is ", short_text(100.0 / static_cast<double>(c.test_samples)), " points.");
  return text(holds, point, power, " The p-values are adjusted for ", c.runs.size() - 1,
              c.runs.size() == 2 ? " comparison" : " comparisons", " (Holm); separated means below 5%. ", change,
              disagreeing_medians(c));
}

std::string tuning_text(const Tuning& tuning) {
  const auto edges = tuning.chosen_at_edge();
  return text(tuning.trials_each(), " trials for each optimizer, on ", number_text(100 * (1 - validation_fraction)),
              "% of the training data with ", tuning.seeds(), tuning.seeds() == 1 ? " seed" : " seeds",
              " of their own; chosen by the mean ", tuning.judged_by == JudgedBy::loss ? "loss" : "accuracy",
              " on the other ", number_text(100 * validation_fraction), "%. The test data took no part.",
              edges.empty() ? "" : " At the edge of what was tried: " + listed(edges) + "; widen by --lr and --rho.");
}

std::string summary_json(const Comparison& c) {
  nlohmann::ordered_json json = json_of({{"schema", schema_version},
                                         {"data", c.data},
                                         {"model", c.model},
                                         {"parameters", c.parameters()},
                                         {"batch", c.batch},
                                         {"threads", c.threads},
                                         {"machine", c.machine}});
  json["options"] = c.options;
  json["runs"] = nlohmann::ordered_json::array();
  for (size_t seed = 0; seed < static_cast<size_t>(c.seeds()); ++seed)
    for (const Runs& runs : c.runs) {
      const RunResult& run = runs.results[seed];
      Setting s = runs.setting;
      if (!run.hyperparameters.empty()) s.hyperparameters = run.hyperparameters;
      const Measurement &m = run.last(), reached = run.diverged() ? Measurement{} : m;
      Row row{{"optimizer", s.optimizer},
              {"base", s.rule()},
              {"seed", static_cast<int64_t>(run.seed)},
              {"split_seed", static_cast<int64_t>(run.split_seed)}};
      for (const std::string& name : hyperparameter_options()) row.push_back({name, s.value(name)});
      row.insert(row.end(), {{"epochs", m.epoch},
                             {"steps", m.step},
                             {"gradient_evaluations", m.gradient_evaluations},
                             {"seconds", m.seconds},
                             {"peak_memory_bytes", m.peak_memory_bytes},
                             {"train_loss", reached.train_loss},
                             {"train_accuracy", reached.train_accuracy},
                             {"test_loss", reached.test_loss},
                             {"test_accuracy", reached.test_accuracy},
                             {"lambda_max", run.lambda_max},
                             {"lambda_residual", run.lambda_residual}});
      json["runs"].push_back(json_of(row));
    }
  return json_text(json, /*indent=*/2) + "\n";
}

}  // namespace minima::examples
