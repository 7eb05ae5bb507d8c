#include "examples/labs/tables.h"

#include <cmath>
#include <numbers>

#include "core/random.h"

namespace minima::examples {

namespace {

constexpr int64_t columns = 10;

datasets::Dataset drawn(int64_t rows, Generator random) {
  const auto x = random.uniform({rows * columns}, 0, 1, DType::float64).to_vector<double>();
  const auto noise = random.normal({rows}, 0, 1, DType::float64).to_vector<double>();
  std::vector<float> values;
  std::vector<int32_t> labels;
  for (int64_t i = 0; i < rows; ++i) {
    const double* row = &x[static_cast<size_t>(i * columns)];
    const double y = 10 * std::sin(std::numbers::pi * row[0] * row[1]) + 20 * (row[2] - 0.5) * (row[2] - 0.5) +
                     10 * row[3] + 5 * row[4] + noise[static_cast<size_t>(i)];
    labels.push_back(y > 14.4 ? 1 : 0);
    for (int64_t j = 0; j < columns; ++j)
      values.push_back(static_cast<float>((row[j] - 0.5) * std::sqrt(12.0)));  // the deviation is 1 / sqrt(12)
  }
  return datasets::Dataset::from_values(std::move(values), {columns}, std::move(labels), {"below", "above"});
}

}  // namespace

datasets::Split friedman(int64_t train, int64_t test, uint64_t seed) {
  return {drawn(train, Generator{seed, 0}), drawn(test, Generator{seed, uint64_t{1} << 40})};
}

}  // namespace minima::examples
