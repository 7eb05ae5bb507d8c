// The learning-rate range test: how its rates rise, where it ends, what it suggests.
#include "examples/kit/range_test.h"

#include <cmath>

#include "tests/check.h"

using namespace minima;
using namespace minima::examples;

namespace {
RangeTest on_digits(const RangeTestOptions& options) {
  manual_seed(1);
  nn::Sequential model = nn::mlp({64, 32, 10});
  optim::SGD optimizer{model.parameters(), {.momentum = 0.9}};
  return range_test(model, optimizer, {datasets::digits().train, {.batch_size = 64}}, options);
}
}  // namespace

TEST_CASE("the learning rate rises by one factor from the lowest to the highest, and the loss is smoothed") {
  const RangeTest test = on_digits({.lowest = 1e-5, .highest = 1e-3, .steps = 21});
  REQUIRE(test.lrs.size() == 21);
  for (size_t i = 0; i < 21; ++i)
    CHECK(std::abs(test.lrs[i] / (1e-5 * std::pow(10, 0.1 * static_cast<double>(i))) - 1) < 1e-12);
  CHECK(test.smoothed[0] == test.losses[0]);
  CHECK(std::abs(test.smoothed[2] - (0.81 * test.losses[0] + 0.9 * test.losses[1] + test.losses[2]) / 2.71) < 1e-12);
}

TEST_CASE("the test ends where the loss runs away, and what it suggests is a tenth of where the loss was lowest") {
  const RangeTest test = on_digits({.lowest = 1e-4, .highest = 1e4, .steps = 100});
  CHECK(test.lrs.size() < 100);
  CHECK(test.lowest_loss() < 0.5 * test.smoothed.front());
  CHECK(test.suggested() == test.lr_of_lowest_loss() / 10);
  CHECK(test.suggested() > 0.003);
  CHECK(test.suggested() < 0.3);
}

TEST_CASE("impossible ranges and a few steps are refused") {
  CHECK_ERROR(on_digits({.lowest = 0}), "[range_test] got learning rates from 0 to 10, expected numbers above 0");
  CHECK_ERROR(on_digits({.lowest = 1, .highest = 1}), "from 1 to 1");
  CHECK_ERROR(on_digits({.highest = INFINITY}), "from 1e-06 to inf");
  CHECK_ERROR(on_digits({.steps = 9}), "[range_test] got 9 steps, expected at least 10.");
}
