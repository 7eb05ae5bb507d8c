// The arms of lab 13: what lr and rho are in each step, as the optimizer has them.
#include "examples/labs/warmup_arms.h"

#include "tests/check.h"

using namespace minima;
using namespace minima::examples;

namespace {

constexpr int64_t steps = 40, warmup = 4;

struct Values {
  std::vector<double> lr, rho;
};

Values values_of(const Arm& arm) {
  const Variable w(Tensor::from<double>({1, 2}), requires_grad);
  const Setting setting = setting_of(arm, 0.5, 0.25, steps);
  const auto optimizer = optimizer_of(setting, {w}, setting.value("lr"), 1);
  schedule(arm, setting, *optimizer);
  Values values;
  for (int64_t step = 0; step < steps; ++step) {
    values.lr.push_back(optimizer->group(0)["lr"](step));
    if (arm.wraps()) values.rho.push_back(optimizer->group(0)["rho"](step));
  }
  return values;
}

}  // namespace

TEST_CASE("lr rises to its height in a tenth of the steps, or is there at once, and then falls alike") {
  CHECK(warmup_of(steps) == warmup);
  CHECK(warmup_of(3) == 1);
  const Values rising = values_of(arm("AdamW")), level = values_of(arm("AdamW, lr does not rise"));
  for (int64_t step = 0; step < warmup; ++step) {
    CAPTURE(step);
    CHECK_CLOSE(rising.lr[step], 0.125 + 0.375 * double(step) / warmup, {.rtol = 1e-12});
    CHECK(level.lr[step] == 0.5);
  }
  for (int64_t step = warmup; step < steps; ++step) CHECK(rising.lr[step] == level.lr[step]);
  CHECK(rising.lr[warmup] == 0.5);
  CHECK(rising.lr[steps - 1] < 0.002);
}

TEST_CASE("rho counts from the first step on, or is 0 until the warm-up is over") {
  for (const Arm& arm : arms()) {
    if (!arm.wraps()) continue;
    CAPTURE(arm.words);
    const Values values = values_of(arm);
    for (int64_t step = 0; step < steps; ++step)
      CHECK(values.rho[step] == (step < warmup && !arm.rho_from_the_start ? 0 : 0.25));
  }
}

TEST_CASE("until the warm-up is over an arm whose rho waits is AdamW, bit for bit") {
  const auto [train, test] = datasets::digits();
  const Problem problem{.data = "digits", .model = "vit:4,8,1,2", .train = train.take(120), .test = test, .batch = 6};
  std::vector<std::vector<Tensor>> weights;
  for (const char* words : {"AdamW", "MSAM after the warm-up", "SAM after the warm-up", "MSAM from the start"}) {
    Run run(problem, setting_of(arm(words), 0.01, 0.5, steps), 3);
    for (int64_t step = 0; step < warmup; ++step) run.step();
    weights.emplace_back();
    for (const Variable& w : run.model().parameters()) weights.back().push_back(w.value().clone());
  }
  double largest = 0;
  for (size_t i = 0; i < weights[0].size(); ++i) {
    CHECK_SAME_BITS(weights[0][i], weights[1][i]);
    CHECK_SAME_BITS(weights[0][i], weights[2][i]);
    const std::vector<double> a = weights[0][i].to_vector<double>(), b = weights[3][i].to_vector<double>();
    for (size_t k = 0; k < a.size(); ++k) largest = std::max(largest, std::abs(a[k] - b[k]));
  }
  CHECK(largest > 1e-4);  // rho that does not wait changes the path
}
