// The solutions of docs/walkthrough/solutions.md, chapters 1 to 4: each number is computed here.
#include "core/ops.h"
#include "examples/walkthrough/walk.h"
#include "tests/check.h"

using namespace minima;
using namespace minima::examples;

namespace {

/// Steps until the distance from the minimum stays below this share of the first.
int64_t steps_to(double share, const std::vector<PathPoint>& points) {
  size_t last = points.size();
  while (last > 0 && distance_of(points[last - 1]) <= share * distance_of(points[0])) --last;
  REQUIRE(last < points.size());
  return static_cast<int64_t>(last);
}

/// Whether the second half of the path comes closer to the minimum than the first.
bool converges(const Surface& surface, const MakeOptimizer& make) {
  const auto points = descend(surface, make, 4000);
  return points.size() == 4001 && distance_of(points[4000]) < 1e-3 * distance_of(points[0]);
}

/// The weight after each step when the gradients are given.
std::vector<double> driven(const MakeOptimizer& make, const std::vector<double>& gradients) {
  const Variable w = weight(0);
  const auto optimizer = make({w});
  std::vector<double> weights;
  for (const double gradient : gradients) {
    optimizer->step(closure_of([&] { return sum(gradient * w); }));
    weights.push_back(w.value().item());
  }
  return weights;
}

const Surface narrow = bowl(1, 100);
const Surface one_weight = from(bowl(1, 0), 1, 0);

}  // namespace

TEST_CASE("exercise 1.1: from (2, 0.8) gradient descent at lr 0.1 goes to (1.8, 0) and (1.62, 0)") {
  const auto points = descend(bowl(1, 10), method("sgd", 0.1), 2);
  CHECK_CLOSE((std::vector{points[1].x, points[1].y, points[2].x, points[2].y}), (std::vector{1.8, 0.0, 1.62, 0.0}),
              {.rtol = 1e-14, .atol = 1e-14});
}

TEST_CASE("exercise 1.2: at curvatures 1 and 100 the limit is 0.02, and the best rate needs 691 steps to a millionth") {
  CHECK(converges(narrow, method("sgd", 0.0199)));
  CHECK_CLOSE(std::abs(descend(narrow, method("sgd", 0.02), 4000)[4000].y), std::abs(narrow.start_y), {.rtol = 1e-9});
  CHECK(!converges(narrow, method("sgd", 0.0201)));
  const double best = 2.0 / 101;
  CHECK(steps_to(1e-6, descend(narrow, method("sgd", best), 1000)) == 691);
  CHECK(steps_to(1e-6, descend(narrow, method("sgd", best - 0.001), 2000)) > 691);
  CHECK(steps_to(1e-6, descend(narrow, method("sgd", best + 0.0001), 4000)) > 691);
}

TEST_CASE("exercise 1.3: a step from 4 to 3 at lr 0.01 means curvature 25, and lr 0.04 would have arrived") {
  const Surface line = from(bowl(25, 0), 4, 0);
  CHECK_CLOSE(descend(line, method("sgd", 0.01), 1)[1].x, 3.0, {.rtol = 1e-14});
  CHECK_CLOSE(descend(line, method("sgd", 0.04), 1)[1].x, 0.0, {.atol = 1e-14});
}

TEST_CASE("exercise 2.1: with a gradient of 1 and momentum 0.9 the velocity is 2.71 after three steps, 10 in the end") {
  const auto weights = driven(method("sgd", 1, 0.9), std::vector<double>(400, 1));
  CHECK_CLOSE(weights[1] - weights[2], 2.71, {.rtol = 1e-14});
  CHECK_CLOSE(weights[398] - weights[399], 10.0, {.rtol = 1e-10});
}

TEST_CASE("exercise 2.2: at condition number 100 the best momentum needs 90 steps instead of 691") {
  const double lr = 4.0 / 121, momentum = 81.0 / 121;
  CHECK(steps_to(1e-6, descend(narrow, method("sgd", lr, momentum), 1000)) == 90);
  const auto points = descend(narrow, method("sgd", lr, momentum), 1000);
  // The distance falls like t * (9/11)^t.
  CHECK_CLOSE(distance_of(points[400]) / distance_of(points[399]), 9.0 / 11 * 400 / 399, {.rtol = 1e-3});
}

TEST_CASE("exercise 2.3: what a mean as velocity does at lr 0.5, our sum does at lr 0.05") {
  const std::vector<double> gradients{1, -0.5, 2, 0.3, 0.3, -1};
  const auto sums = driven(method("sgd", 0.05, 0.9), gradients);
  double w = 0, velocity = 0;
  std::vector<double> means;
  for (const double gradient : gradients) {
    velocity = 0.9 * velocity + 0.1 * gradient;
    means.push_back(w -= 0.5 * velocity);
  }
  CHECK_CLOSE(sums, means, {.rtol = 1e-13});
}

TEST_CASE("exercise 2.4: when lr drops to 0 our weight stops, one with lr inside its velocity goes on by 4.5") {
  std::vector<double> gradients(200, 0);
  gradients[0] = 5;
  const auto weights = driven(method("sgd", [](int64_t step) { return step == 0 ? 0.1 : 1e-300; }, 0.9), gradients);
  CHECK_CLOSE(weights.back(), weights.front(), {.rtol = 1e-14});
  double inside = 0.1 * 5, further = 0;  // its velocity
  for (int i = 0; i < 400; ++i) further += inside = 0.9 * inside;
  CHECK_CLOSE(further, 4.5, {.rtol = 1e-12});
}

TEST_CASE("exercise 3.1: two steps of Nesterov go to 0.9 and 0.729, with look-ahead points 0.81 and 0.5751") {
  const auto points = descend(one_weight, method("nesterov", 0.1, 0.9), 2);  // it stores the look-ahead points
  CHECK_CLOSE(points[1].x, 0.81, {.rtol = 1e-14});
  CHECK_CLOSE(points[2].x, 0.5751, {.rtol = 1e-14});
  const double velocity = 0.9 * 1 + points[1].x;
  CHECK_CLOSE(velocity, 1.71, {.rtol = 1e-14});
  CHECK_CLOSE(points[2].x + 0.1 * 0.9 * velocity, 0.729, {.rtol = 1e-14});
}

TEST_CASE("exercise 3.2: at curvature 25 and momentum 0.9 heavy ball is stable up to 0.152 and Nesterov up to 0.0543") {
  const Surface surface = bowl(1, 25);
  CHECK(converges(surface, method("sgd", 0.1515, 0.9)));
  CHECK(!converges(surface, method("sgd", 0.1525, 0.9)));
  CHECK(converges(surface, method("nesterov", 0.0541, 0.9)));
  CHECK(!converges(surface, method("nesterov", 0.0545, 0.9)));
}

TEST_CASE("exercise 3.3: at lr = 1 / curvature Nesterov's weight is in the minimum after one step from any velocity") {
  const double h = 4, lr = 1 / h, mu = 0.9;
  for (const double v : {0.0, 1.0, -3.0}) {
    const double w = 2, ahead = w - lr * mu * v, velocity = mu * v + h * ahead;
    CHECK_CLOSE(w - lr * velocity, 0.0, {.atol = 1e-14});
  }
  const auto points = descend(from(bowl(h, 0), 2, 0), method("nesterov", lr, mu), 3);
  CHECK_CLOSE(points[1].x + lr * mu * (h * 2), 0.0, {.atol = 1e-14});  // back from the look-ahead point
}

TEST_CASE("exercise 4.1: without bias correction Adam's first step would be 3.16 lr") {
  const double g = 7, m = (1 - 0.9) * g, s = (1 - 0.999) * g * g;
  CHECK_CLOSE(m / std::sqrt(s), 3.1623, {.rtol = 1e-4});
  CHECK_CLOSE(driven(method("adam", 0.01, 0.9), {g})[0], -0.01, {.rtol = 1e-8});  // with it
}

TEST_CASE("chapter 4: after a long time without gradients Adam moves by 3.16 lr, with growing gradients by 7.27 lr") {
  const auto last_step = [](const std::vector<double>& gradients) {
    std::vector<double> all(20000, 0);
    all.insert(all.end(), gradients.begin(), gradients.end());
    const auto weights = driven(method("adam", 0.01, 0.9), all);
    return std::abs(weights.back() - weights[weights.size() - 2]) / 0.01;
  };
  CHECK_CLOSE(last_step({1}), 3.1623, {.rtol = 1e-4});
  std::vector<double> growing(60, 1);
  for (size_t i = 1; i < growing.size(); ++i) growing[i] = growing[i - 1] * 0.999 / 0.9;
  CHECK_CLOSE(last_step(growing), 7.27, {.rtol = 1e-3});
}

TEST_CASE("exercise 4.2: Adam's step approaches lr for a constant gradient and lr / 19 for an alternating one") {
  const auto same = driven(method("adam", 0.01, 0.9), std::vector<double>(20000, 3));
  CHECK_CLOSE(same[19998] - same[19999], 0.01, {.rtol = 1e-6});
  std::vector<double> alternating(20000);
  for (size_t i = 0; i < alternating.size(); ++i) alternating[i] = i % 2 == 0 ? -3 : 3;
  const auto swings = driven(method("adam", 0.01, 0.9), alternating);
  CHECK_CLOSE(swings[19998] - swings[19999], 0.01 / 19, {.rtol = 1e-6});
}

TEST_CASE("exercise 4.3: AdamW halves an ignored weight in 69315 steps at lr 0.001 and weight decay 0.01") {
  const Variable w = weight(1);
  optim::AdamW optimizer{{w}, {.lr = 0.001, .weight_decay = 0.01}};
  const auto ignoring = closure_of([&] { return sum(0 * w); });
  for (int i = 0; i < 69314; ++i) optimizer.step(ignoring);
  CHECK(w.value().item() > 0.5);
  optimizer.step(ignoring);
  CHECK(w.value().item() <= 0.5);
}
