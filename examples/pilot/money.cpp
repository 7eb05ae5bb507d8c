#include "examples/pilot/money.h"

#include <algorithm>
#include <cmath>

#include "examples/pilot/report.h"

namespace minima::examples {

namespace {

constexpr double seconds_an_hour = 3600;

Interval scaled(const Interval& interval, double scale) {
  return {interval.mean * scale, interval.half_width * scale, interval.count};
}

/// Seconds of all trials of an optimizer in a study, the mean over the studies.
double tuning_seconds(const Pilot& pilot, const std::string& optimizer) {
  double seconds = 0;
  for (const Study& study : pilot.studies)
    for (const Runs& trial : study.tuning.trials)
      for (const RunResult& run : trial.results)
        if (trial.setting.optimizer == optimizer) seconds += run.last().seconds;
  return seconds / static_cast<double>(std::max<size_t>(1, pilot.studies.size()));
}

double peak_mib(const Runs& runs) {
  return runs.mean([](const RunResult& run) { return static_cast<double>(run.last().peak_memory_bytes); }).mean /
         (1 << 20);
}

/// "0.12 [0.10, 0.14]"
std::string bounded_text(const Interval& amount) {
  if (!std::isfinite(amount.half_width) || amount.half_width == 0) return amount_text(amount.mean);
  return amount_text(amount.mean) + " [" + amount_text(amount.low()) + ", " + amount_text(amount.high()) + "]";
}

std::string worth_text(const Money::BreakEven& even) {
  if (std::isnan(even.middle)) return "none: no gain was measured";
  return amount_text(even.middle) + " [" + amount_text(even.low) + ", " +
         (std::isfinite(even.high) ? amount_text(even.high) : "no upper end: the gain may be 0") + "]";
}

}  // namespace

std::string amount_text(double amount) {
  if (!std::isfinite(amount)) return "not measured";
  if (amount == 0) return "0.00";
  return fixed(amount, std::clamp(1 - static_cast<int>(std::floor(std::log10(std::abs(amount)))), 2, 8));
}

Money money_of(const Pilot& pilot, const Prices& prices, const std::string& optimizer) {
  const double a_second = prices.per_hour / seconds_an_hour;
  const OfRun seconds = at_end(&Measurement::seconds);
  const Runs &sgd = pilot.of("sgd"), &other = pilot.of(optimizer);
  Money money;
  money.sgd_run = a_second * sgd.mean(seconds).mean;
  money.more_a_run = scaled(other.minus(sgd, seconds), a_second);
  money.more_a_month = scaled(money.more_a_run, prices.per_month);
  money.tuning = a_second * tuning_seconds(pilot, optimizer);
  money.memory_mib = peak_mib(other) - peak_mib(sgd);
  return money;
}

Money::BreakEven Money::break_even(const Interval& gain, bool with_tuning) const {
  if (!(gain.mean > 0)) return {NAN, NAN, NAN};
  const double once = with_tuning ? tuning : 0;
  const auto worth = [&](double cost, double points) {
    return std::max(0.0, cost + once) / std::max(0.0, points);  // what costs less pays whatever the gain is worth
  };
  const double middle = worth(more_a_month.mean, gain.mean);
  const double half_width = std::isfinite(more_a_month.half_width) ? more_a_month.half_width : 0;
  return {middle, worth(more_a_month.mean - half_width, gain.high()),
          gain.low() > 0 ? worth(more_a_month.mean + half_width, gain.low()) : INFINITY};
}

PilotSection money_section(const Pilot& pilot) {
  const Prices& prices = pilot.prices;
  const std::string unit =
      pilot.rule.by_loss ? "percent of SGD's loss" : "point of " + judged_name(pilot.rule.quantities);
  Table table{{"", "amount"}, {"a run of SGD", amount_text(money_of(pilot, prices).sgd_run)}};
  std::string spent_on, memory;
  const auto add = [&](const std::string& optimizer, const std::string& name) {
    const Money money = money_of(pilot, prices, optimizer);
    const Interval gain = pilot_verdict(pilot, optimizer).difference.interval;
    table.insert(
        table.end(),
        {{"a run of " + name + " costs more by", bounded_text(money.more_a_run)},
         {text("in a month of ", number_text(prices.per_month), " runs"), bounded_text(money.more_a_month)},
         {"tuning " + name + ", once", amount_text(money.tuning)},
         {"a " + unit + " must be worth in the first month, tuning included", worth_text(money.break_even(gain, true))},
         {"in each later month", worth_text(money.break_even(gain, false))}});
    spent_on += (spent_on.empty() ? "" : " or ") + name;
    if (std::isfinite(money.memory_mib))
      memory += text(" ", name, "'s peak memory differs from SGD's by ", fixed(money.memory_mib, 2), " MiB.");
  };
  add("msam", "MSAM");
  for (const std::string& name : pilot.further()) add(name, name);
  return {
      "Money",
      text("An hour of the machine costs ", number_text(prices.per_hour),
           ", in the currency of --hourly-cost. A run "
           "is one of the pilot's final runs; tuning is what one study spent on ",
           spent_on, ". Longer runs cost as many times more."),
      table,
      text("In brackets: 95% intervals; those of the last two lines hold wherever cost and gain both are in theirs.",
           memory)};
}

}  // namespace minima::examples
