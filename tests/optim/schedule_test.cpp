#include "optim/schedule.h"

#include "tests/check.h"

using namespace minima;
using namespace minima::test;
using optim::Schedule;

namespace {

std::vector<double> values(const Schedule& schedule, int64_t steps = 120) {
  std::vector<double> all;
  for (int64_t step = 0; step < steps; ++step) all.push_back(schedule(step));
  return all;
}

}  // namespace

TEST_CASE("a cosine goes down once: half a period from the initial value to the final one, where it stays") {
  const Schedule rho = optim::cosine(0.5, 100, 0.1);
  CHECK(rho(0) == 0.5);
  CHECK_CLOSE(std::vector{rho(50)}, std::vector{0.3}, {.rtol = 1e-15});
  for (int64_t step = 0; step < 100; ++step) CHECK(rho(step + 1) < rho(step));
  CHECK(rho(100) == 0.1);
  CHECK(rho(250) == 0.1);
}

TEST_CASE("a warm-up from zero takes its first step with zero and reaches the target on time") {
  const Schedule lr = optim::linear_warmup(0.1, 4, 0);
  CHECK(lr(0) == 0);
  CHECK(lr(1) == 0.025);
  CHECK(lr(4) == 0.1);
  CHECK(lr(1000) == 0.1);
}

TEST_CASE("each joined schedule counts from its own beginning") {
  const Schedule joined = optim::join({1, [](int64_t step) { return 10.0 + static_cast<double>(step); }, 7}, {3, 5});
  CHECK(values(joined, 7) == std::vector<double>{1, 1, 1, 10, 11, 7, 7});
}

TEST_CASE("a schedule knows whether it is a constant") {
  CHECK(Schedule(0.1).is_constant());
  CHECK_FALSE(optim::cosine(0.1, 10).is_constant());
  Schedule copy = optim::cosine(0.1, 10);
  Schedule again(copy);
  CHECK(again(0) == 0.1);
}

TEST_CASE("an impossible schedule is refused with what was given") {
  CHECK_ERROR(Schedule(std::function<double(int64_t)>()), "[Schedule] got an empty function");
  CHECK_ERROR(optim::step_decay(0.1, 0), "[step_decay] got every = 0, expected at least 1");
  CHECK_ERROR(optim::cosine(0.1, -5), "[cosine] got steps = -5");
  CHECK_ERROR(optim::linear_warmup(0.1, 10, 1.5), "start_factor = 1.5, expected a number in [0, 1]");
  CHECK_ERROR(optim::join({0.1, 0.2}, {}), "2 schedules and 0 milestones");
  CHECK_ERROR(optim::join({0.1, 0.2, 0.3}, {5, 5}), "milestone 5 after 5");
  CHECK_ERROR(optim::join({0.1, 0.2}, {0}), "milestone 0 after 0");
}
