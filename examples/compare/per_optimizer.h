// A hyperparameter on the command line that may differ between optimizers: `--lr 0.1`, `--lr sgd=0.05,adam=0.001`, or
// both, `--rho 0.2,msam=0.5`, where the plain number is for those not named.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace minima::examples {

class PerOptimizer {
 public:
  /// `option` ("--lr") is for errors: text that is no number, NaN or infinity, a name that is not among `optimizers`, a
  /// value given twice, or one below `minimum` (or equal to it, if `exclusive`).
  PerOptimizer(const std::string& option, const std::vector<std::string>& words,
               const std::vector<std::string>& optimizers, double minimum, bool exclusive);

  /// The value for an optimizer, if one was given.
  std::optional<double> value(const std::string& optimizer) const;

 private:
  std::map<std::string, double> values_;  ///< "" holds the plain number
};

}  // namespace minima::examples
