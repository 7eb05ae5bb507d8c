#include "examples/labs/label_noise_report.h"

#include "tests/check.h"

using namespace minima::examples;

TEST_CASE("the best accuracy is that of the best epoch, not of the last") {
  RunResult run;
  for (const double accuracy : {0.7, 0.9, 0.8}) run.curve.push_back({.test_accuracy = accuracy});
  CHECK(best_test_accuracy(run) == 0.9);
  CHECK(last_accuracy(run) == 0.8);
}
