#include "examples/kit/comparison.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "examples/kit/command_line.h"

namespace minima::examples {

namespace {

std::string rho_text(const RunSettings& settings) {
  return optim::is_wrapper(settings.optimizer) ? number_text(settings.rho) : "-";
}

}  // namespace

std::string Comparison::intended_reference() const {
  if (!compared_with.empty()) return compared_with;
  const bool has_sgd = std::find(optimizers.begin(), optimizers.end(), "sgd") != optimizers.end();
  return has_sgd ? "sgd" : optimizers.front();
}

std::string Comparison::reference() const {
  auto diverged_runs = [&](const std::string& name) {
    int count = 0;
    for (const RunResult& run : runs) count += run.settings.optimizer == name && run.diverged();
    return count;
  };
  const std::string intended = intended_reference();
  if (diverged_runs(intended) == 0 || !compared_with.empty()) return intended;
  for (const std::string& name : optimizers)
    if (diverged_runs(name) == 0) return name;
  return intended;
}

std::vector<const RunResult*> Comparison::runs_of(const std::string& optimizer) const {
  std::vector<const RunResult*> found;
  for (const RunResult& run : runs)
    if (run.settings.optimizer == optimizer) found.push_back(&run);
  std::sort(found.begin(), found.end(), [](auto* a, auto* b) { return a->settings.seed < b->settings.seed; });
  return found;
}

int64_t Comparison::seeds() const {
  std::set<uint64_t> seen;
  for (const RunResult& run : runs) seen.insert(run.settings.seed);
  return static_cast<int64_t>(seen.size());
}

namespace {

/// Seconds relative to the reference's of the same seed, in rising order.
std::vector<double> cost_ratios(const Comparison& comparison, const std::string& optimizer) {
  std::vector<double> ratios;
  for (const RunResult* run : comparison.runs_of(optimizer))
    for (const RunResult* other : comparison.runs_of(comparison.reference()))
      if (run->settings.seed == other->settings.seed && !run->diverged() && !other->diverged())
        ratios.push_back(run->last().seconds / other->last().seconds);
  std::sort(ratios.begin(), ratios.end());
  return ratios;
}

/// A difference that is the same to the bit for all seeds: nothing to judge it by.
bool no_spread(const Interval& d) { return d.count > 1 && d.half_width == 0 && d.mean != 0; }

/// "2.01x (1.95 to 2.10)"
std::string cost_text(const Method& m) {
  if (!std::isfinite(m.cost)) return "-";
  const std::string middle = fixed(m.cost, 2) + "x", low = fixed(m.lowest_cost, 2), high = fixed(m.highest_cost, 2);
  return low == high ? middle : middle + " (" + low + " to " + high + ")";
}

}  // namespace

Method method(const Comparison& comparison, const std::string& optimizer) {
  Method result;
  std::vector<double> accuracy, test_loss, train_loss, lambda, evaluations, seconds, memory;
  for (const RunResult* run : comparison.runs_of(optimizer)) {
    result.settings = run->settings;
    ++result.runs;
    if (run->diverged()) {
      ++result.diverged;
      continue;
    }
    const Measurement& m = run->last();
    accuracy.push_back(m.test_accuracy), test_loss.push_back(m.test_loss), train_loss.push_back(m.train_loss);
    if (std::isfinite(run->lambda_max)) lambda.push_back(run->lambda_max);
    evaluations.push_back(static_cast<double>(m.gradient_evaluations));
    seconds.push_back(m.seconds);
    memory.push_back(static_cast<double>(m.peak_memory_bytes));
  }
  result.test_accuracy = interval_95(accuracy), result.test_loss = interval_95(test_loss);
  result.train_loss = interval_95(train_loss), result.lambda_max = interval_95(lambda);
  result.gradient_evaluations = interval_95(evaluations), result.seconds = interval_95(seconds);
  result.peak_memory_bytes = interval_95(memory);
  const std::vector<double> ratios = cost_ratios(comparison, optimizer);
  if (ratios.empty()) return result;
  const size_t middle = ratios.size() / 2;
  result.cost = ratios.size() % 2 == 1 ? ratios[middle] : (ratios[middle - 1] + ratios[middle]) / 2;
  result.lowest_cost = ratios.front(), result.highest_cost = ratios.back();
  return result;
}

Difference difference(const Comparison& comparison, const std::string& optimizer) {
  std::vector<double> accuracy, reference_accuracy, loss, reference_loss;
  for (const RunResult* run : comparison.runs_of(optimizer))
    for (const RunResult* other : comparison.runs_of(comparison.reference()))
      if (run->settings.seed == other->settings.seed && !run->diverged() && !other->diverged()) {
        accuracy.push_back(run->last().test_accuracy), reference_accuracy.push_back(other->last().test_accuracy);
        loss.push_back(run->last().test_loss), reference_loss.push_back(other->last().test_loss);
      }
  return {paired_difference(accuracy, reference_accuracy), paired_difference(loss, reference_loss)};
}

Table result_table(const Comparison& comparison) {
  Table table{{"optimizer", "lr", "rho", "test acc %", "test loss", "train loss", "lambda max", "gradients", "seconds",
               "peak MiB", "cost"}};
  for (const std::string& name : comparison.optimizers) {
    const Method m = method(comparison, name);
    const std::string label = m.settings.base == name ? name : name + "(" + m.settings.base + ")";
    if (m.diverged == m.runs) {
      table.push_back({label, number_text(m.settings.lr), rho_text(m.settings), "diverged"});
      continue;
    }
    const double mebibyte = 1 << 20;
    table.push_back({label, number_text(m.settings.lr), rho_text(m.settings), interval_text(m.test_accuracy, 100),
                     interval_text(m.test_loss), interval_text(m.train_loss), interval_text(m.lambda_max),
                     interval_text(m.gradient_evaluations), interval_text(m.seconds),
                     interval_text(m.peak_memory_bytes, 1 / mebibyte), cost_text(m)});
    if (m.diverged > 0) table.back().push_back(text(m.diverged, " of ", m.runs, " runs diverged"));
  }
  return table;
}

Table difference_table(const Comparison& comparison) {
  const std::string reference = comparison.reference();
  Table table{{"minus " + reference, "test acc, points", "test loss", "accuracy", "loss"}};
  for (const std::string& name : comparison.optimizers) {
    if (name == reference) continue;
    const Difference d = difference(comparison, name);
    auto judged = [](const Interval& i) {
      return i.count == 0 ? "not comparable" : i.separated() ? "separated" : no_spread(i) ? "-" : "not separated";
    };
    table.push_back({name, difference_text(d.test_accuracy, 100), difference_text(d.test_loss), judged(d.test_accuracy),
                     judged(d.test_loss)});
  }
  return table;
}

Table trial_table(const std::vector<Trial>& trials) {
  Table table{{"optimizer", "lr", "rho", "validation loss", "validation acc %", ""}};
  for (const Trial& trial : trials) {
    const RunSettings& s = trial.settings;
    const std::string loss = trial.diverged ? "diverged" : interval_text(trial.loss);
    table.push_back({s.optimizer, number_text(s.lr), rho_text(s), loss, interval_text(trial.accuracy, 100),
                     trial.chosen          ? (trial.at_edge ? "chosen, at the edge of the grid" : "chosen")
                     : trial.most_accurate ? "most accurate"
                     : trial.lowest_loss   ? "lowest loss"
                                           : ""});
  }
  return table;
}

namespace {

/// "sam (+0.42) above sgd; nesterov and adam not separated from it"
std::string separation(const Comparison& comparison, Interval Difference::* quantity, double scale) {
  std::vector<std::string> above, below, rest, unjudged, diverged;
  for (const std::string& name : comparison.optimizers) {
    if (name == comparison.reference()) continue;
    const Interval d = difference(comparison, name).*quantity;
    if (d.count < comparison.seeds())
      diverged.push_back(name);
    else if (no_spread(d))
      unjudged.push_back(name + " (" + signed_text(d, scale) + ")");
    else if (!d.separated())
      rest.push_back(name);
    else
      (d.mean > 0 ? above : below).push_back(name + " (" + signed_text(d, scale) + ")");
  }
  std::vector<std::string> parts;
  const std::string reference = comparison.reference();
  if (!above.empty()) parts.push_back(listed(above) + " above " + reference);
  if (!below.empty()) parts.push_back(listed(below) + " below " + reference);
  if (!rest.empty()) parts.push_back(listed(rest) + " not separated from " + reference);
  if (!unjudged.empty()) parts.push_back(listed(unjudged) + " not judged, as the difference is the same in all seeds");
  if (!diverged.empty()) parts.push_back(listed(diverged) + " not comparable, as runs diverged");
  std::string result;
  for (const std::string& part : parts) result.append(result.empty() ? "" : "; ").append(part);
  return result;
}

/// "; training time relative to sgd: sam 2.01x (1.95 to 2.10)". A range wider than the distance from 1 says nothing,
/// unless it is narrow.
std::string cost_clause(const Comparison& comparison) {
  std::vector<std::string> costs, noisy;
  for (const std::string& name : comparison.optimizers) {
    const Method m = method(comparison, name);
    if (name == comparison.reference() || !std::isfinite(m.cost)) continue;
    const double spread = m.highest_cost - m.lowest_cost;
    if (spread > 0.1 && spread > std::abs(m.cost - 1))
      noisy.push_back(name);
    else
      costs.push_back(name + " " + cost_text(m));
  }
  std::string result;
  for (const std::string& part : costs) result.append(result.empty() ? "" : ", ").append(part);
  if (!noisy.empty())
    result.append(result.empty() ? "" : "; ").append(listed(noisy) + " not measurable on this busy machine");
  return result.empty() ? "" : "; training time relative to " + comparison.reference() + ": " + result;
}

}  // namespace

std::vector<std::string> at_edge(const Comparison& comparison) {
  std::vector<std::string> names;
  for (const Trial& trial : comparison.trials)
    if (trial.chosen && trial.at_edge) names.push_back(trial.settings.optimizer);
  return names;
}

std::string verdict(const Comparison& comparison) {
  const std::string reference = comparison.reference(), intended = comparison.intended_reference();
  if (comparison.optimizers.size() < 2) return "One optimizer alone was run. There is nothing to compare it with.";
  const auto all_diverged =
      std::all_of(comparison.runs.begin(), comparison.runs.end(), [](const RunResult& run) { return run.diverged(); });
  if (all_diverged) return "Every run diverged. Try a smaller --lr.";
  if (comparison.seeds() < 2)
    return "Not separated: one seed cannot tell a difference between optimizers from luck. Use --seeds 5 or more.";
  const auto edges = at_edge(comparison);
  return text(reference == intended ? "" : intended + " diverged, so that the reference is " + reference + ": ",
              reference == intended ? "Test" : "test", " accuracy in points, paired over ", comparison.seeds(),
              " seeds: ", separation(comparison, &Difference::test_accuracy, 100),
              ". Test loss: ", separation(comparison, &Difference::test_loss, 1), cost_clause(comparison),
              edges.empty() ? "" : "; at the edge of what tuning tried: " + listed(edges) + ": widen", ".");
}

}  // namespace minima::examples
