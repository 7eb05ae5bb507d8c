// What a pilot measured as money: the machine's time that MSAM costs more, its tuning, and from which worth of the gain
// on the switch pays. Not here: whether to switch (verdict.h).
#pragma once

#include <string>

#include "examples/kit/statistics.h"

namespace minima::examples {

struct Pilot;
struct PilotSection;

/// In any currency.
struct Prices {
  double per_hour = 0;   ///< of the machine; 0: not known
  double per_month = 0;  ///< training runs a month, as long as those of the pilot
  bool known() const { return per_hour > 0; }
};

/// What MSAM, or what stands in its place, costs beside SGD.
struct Money {
  double sgd_run = 0;       ///< an SGD run
  Interval more_a_run{};    ///< a run of MSAM minus one of SGD of the same seed
  Interval more_a_month{};  ///< the same for all runs of a month
  double tuning = 0;        ///< tuning MSAM once, as a study did on average
  double memory_mib = 0;    ///< peak memory of MSAM minus that of SGD

  /// What a unit of gain (a point of accuracy, a percent of loss) must be worth in a month so that the switch pays from
  /// the second month on, or, `with_tuning`, in the first one. The interval holds wherever both the extra cost and the
  /// gain are in theirs; high is infinite where the gain's interval reaches 0, and all is NaN where no gain was
  /// measured.
  struct BreakEven {
    double middle = 0, low = 0, high = 0;
  };
  BreakEven break_even(const Interval& gain, bool with_tuning) const;
};
Money money_of(const Pilot& pilot, const Prices& prices, const std::string& optimizer = "msam");

/// An amount with two decimals, or with so many that two digits are seen: "12.50", "0.0031".
std::string amount_text(double amount);

/// The table and the break-even in words.
PilotSection money_section(const Pilot& pilot);

}  // namespace minima::examples
