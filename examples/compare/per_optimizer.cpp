#include "examples/compare/per_optimizer.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/error.h"
#include "examples/kit/program.h"

namespace minima::examples {

namespace {
double parse_number(const std::string& option, const std::string& word, double minimum, bool exclusive) {
  const std::string expected = text("a number ", exclusive ? "above " : "of at least ", minimum, ", or NAME=NUMBER");
  char* end = nullptr;
  const double value = std::strtod(word.c_str(), &end);
  const bool number = !word.empty() && *end == '\0' && std::isfinite(value);
  if (!number || value < minimum || (exclusive && value == minimum)) fail(option, "\"" + word + "\"", expected);
  return value;
}
}  // namespace

PerOptimizer::PerOptimizer(const std::string& option, const std::vector<std::string>& words,
                           const std::vector<std::string>& optimizers, double minimum, bool exclusive) {
  for (const std::string& word : words) {
    const size_t equals = word.find('=');
    const std::string name = equals == std::string::npos ? "" : word.substr(0, equals);
    if (equals != std::string::npos && std::find(optimizers.begin(), optimizers.end(), name) == optimizers.end())
      fail(option, "a value for \"" + name + "\"", "a name among --optimizers: " + listed(optimizers));
    const double value =
        parse_number(option, equals == std::string::npos ? word : word.substr(equals + 1), minimum, exclusive);
    if (!values_.emplace(name, value).second)
      fail(option, name.empty() ? "two plain numbers" : "two values for " + name, "one",
           "Write NAME=NUMBER for each optimizer.");
  }
}

std::optional<double> PerOptimizer::value(const std::string& optimizer) const {
  for (const std::string& name : {optimizer, std::string()})
    if (const auto found = values_.find(name); found != values_.end()) return found->second;
  return std::nullopt;
}

}  // namespace minima::examples
