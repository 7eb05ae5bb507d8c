#include "examples/kit/range_test.h"

#include <algorithm>
#include <cmath>

#include "examples/kit/evaluation.h"
#include "examples/kit/metrics.h"
#include "examples/kit/program.h"

namespace minima::examples {

namespace {
constexpr double memory = 0.9;  // of the smoothed loss
}

double RangeTest::lowest_loss() const { return *std::min_element(smoothed.begin(), smoothed.end()); }

double RangeTest::lr_of_lowest_loss() const {
  return lrs[static_cast<size_t>(std::min_element(smoothed.begin(), smoothed.end()) - smoothed.begin())];
}

RangeTest range_test(nn::Module& model, optim::Optimizer& optimizer, const datasets::Loader& batches,
                     const RangeTestOptions& options) {
  const auto& [lowest, highest, steps] = options;
  if (!(lowest > 0 && lowest < highest && std::isfinite(highest)))
    fail("range_test", text("learning rates from ", number_text(lowest), " to ", number_text(highest)),
         "numbers above 0, the first below the second");
  if (steps < 10) fail("range_test", text(steps, " steps"), "at least 10");
  for (int group = 0; group < optimizer.groups(); ++group)
    optimizer.group(group)["lr"] = [=](int64_t step) {
      return lowest * std::pow(highest / lowest, static_cast<double>(step) / static_cast<double>(steps - 1));
    };
  RangeTest test;
  double sum = 0, weight = 0;
  model.train();
  for (int64_t epoch = 0;; ++epoch)
    for (const auto& [x, y] : batches.epoch(epoch)) {
      if (interrupted()) fail("range_test", "an interrupt", "to go on to the end", "Nothing was saved.");
      const double loss = optimizer
                              .step([&, &x = x, &y = y] {
                                Variable loss = loss_of(model(x), y);
                                loss.backward();
                                return loss;
                              })
                              .item();
      sum = memory * sum + loss, weight = memory * weight + 1;
      if (test.lrs.empty() && !std::isfinite(loss))
        fail("range_test", "a loss of " + number_text(loss), "a finite one at the lowest learning rate");
      if (!std::isfinite(sum) || (!test.lrs.empty() && sum / weight > 2 * test.smoothed.front())) return test;
      test.lrs.push_back(optimizer.last_step().lr);
      test.losses.push_back(loss), test.smoothed.push_back(sum / weight);
      if (static_cast<int64_t>(test.lrs.size()) == steps) return test;
    }
}

}  // namespace minima::examples
