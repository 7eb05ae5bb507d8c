// The solutions of docs/walkthrough/solutions.md, chapters 5 to 9: each number is computed here.
#include "core/ops.h"
#include "core/random.h"
#include "examples/kit/statistics.h"
#include "examples/walkthrough/walk.h"
#include "tests/check.h"

using namespace minima;
using namespace minima::examples;

namespace {

double valley_loss(double x, double y) { return (x * y - 1) * (x * y - 1) / 2; }

double largest_eigenvalue_at(double x, double y) {
  const Variable w1 = weight(x), w2 = weight(y);
  return optim::largest_eigenvalue([&] { return valley().loss(w1, w2); }, {w1, w2}).value;
}

std::vector<PathPoint> on_a_bowl(const MakeOptimizer& make, double curvature, int64_t steps) {
  return descend(from(bowl(curvature, 0), 1, 0), make, steps);
}

bool diverges(const MakeOptimizer& make) { return !(std::abs(on_a_bowl(make, 1, 2000).back().x) < 1); }

}  // namespace

TEST_CASE("exercise 5.1: the Hessian of the valley at (2, 1/2) is ((0.25, 1), (1, 4)) with eigenvalues 4.25 and 0") {
  const Variable w1 = weight(2), w2 = weight(0.5);
  const auto loss = [&] { return valley().loss(w1, w2); };
  const auto column = [&](double x, double y) {
    return optim::hessian_vector_product(loss, {w1, w2}, Tensor::from(std::vector<double>{x, y})).to_vector<double>();
  };
  CHECK_CLOSE(column(1, 0), (std::vector{0.25, 1.0}), {.rtol = 1e-14});
  CHECK_CLOSE(column(0, 1), (std::vector{1.0, 4.0}), {.rtol = 1e-14});
  CHECK_CLOSE(column(0.5, 2), (std::vector{4.25 * 0.5, 4.25 * 2}), {.rtol = 1e-14});      // across the valley
  CHECK_CLOSE(column(2, -0.5), (std::vector{0.0, 0.0}), {.rtol = 1e-14, .atol = 1e-14});  // along it
}

TEST_CASE("exercise 5.2: the minimum (2, 1/2) is held up to lr 0.471, with momentum 0.9 up to 0.894") {
  const Surface beside = from(valley(), 2, 0.5 + 1e-6);
  const auto stays = [&](double lr, double momentum) {
    return std::abs(descend(beside, method("sgd", lr, momentum), 3000).back().x - 2) < 1e-3;
  };
  CHECK(stays(0.468, 0));
  CHECK(!stays(0.473, 0));
  CHECK(stays(0.892, 0.9));
  CHECK(!stays(0.896, 0.9));
}

TEST_CASE("exercise 5.3: rescaled by a the minimum (1, 1) has the largest eigenvalue a^2 + 1 / a^2") {
  for (const double a : {0.25, 0.5, 1.0, 2.0, 4.0}) {
    CHECK_CLOSE(largest_eigenvalue_at(a, 1 / a), a * a + 1 / (a * a), {.rtol = 1e-6});
    CHECK(a * a + 1 / (a * a) >= 2);
  }
}

TEST_CASE("exercise 5.4: 0.05 from (2, 1/2) the loss is 0.00531 by the formula, 0.00537 and 0.00525 exactly") {
  CHECK_CLOSE(0.05 * 0.05 * 4.25 / 2, 0.00531, {.rtol = 1e-3});
  const Variable w1 = weight(2), w2 = weight(0.5);
  const auto got = optim::sharpness([&] { return valley().loss(w1, w2); }, {w1, w2},
                                    Tensor::from(std::vector<double>{0.5, 2}), 0.05);
  CHECK_CLOSE(got.ahead, 0.00537, {.rtol = 1e-3});
  CHECK_CLOSE(got.behind, 0.00525, {.rtol = 1e-3});
}

TEST_CASE("exercise 6.1: for rho 0.2 SAM goes by (0.033, 0.197), and the loss rises from 0.125 to 0.621") {
  const auto points = descend(valley(), method("sam", 0.02, 0, 0.2), 1);
  const PathPoint& start = points[0];
  CHECK_CLOSE((std::vector{start.gradient_x - 3, start.gradient_y - 0.5}), (std::vector{0.033, 0.197}), {.rtol = 5e-3});
  CHECK_CLOSE(start.loss, 0.125, {.rtol = 1e-14});
  CHECK_CLOSE(valley_loss(start.gradient_x, start.gradient_y), 0.621, {.rtol = 1e-3});
}

TEST_CASE("exercise 6.2: at curvature 4 and rho 0.1 SAM cycles at 0.0111 for lr 0.05 and at 0.00526 for lr 0.025") {
  CHECK_CLOSE(std::abs(on_a_bowl(method("sam", 0.05, 0, 0.1), 4, 1000).back().x), 0.02 / 1.8, {.rtol = 1e-12});
  CHECK_CLOSE(0.02 / 1.8, 0.0111, {.rtol = 2e-3});
  CHECK_CLOSE(std::abs(on_a_bowl(method("sam", 0.025, 0, 0.1), 4, 1000).back().x), 0.01 / 1.9, {.rtol = 1e-12});
  CHECK_CLOSE(0.01 / 1.9, 0.00526, {.rtol = 2e-3});
}

TEST_CASE("exercise 6.3: SAM takes 4.00 times as long with half of a small rho, 3.6 times with half of a larger one") {
  const auto steps_to_curvature_4 = [](double rho) {
    const auto points = descend(valley(), method("sam", 0.02, 0.9, rho), 12000);
    size_t i = 0;
    while (curvature_of(points.at(i)) > 4) ++i;
    return static_cast<double>(i);
  };
  CHECK_CLOSE(steps_to_curvature_4(0.0125) / steps_to_curvature_4(0.025), 10677.0 / 2671, {.rtol = 2e-3});
  CHECK_CLOSE(steps_to_curvature_4(0.05) / steps_to_curvature_4(0.1), 3.6, {.rtol = 2e-2});
}

TEST_CASE("exercise 7.1: in MSAM's second step e is (-0.0164, -0.0986) and the loss falls from 0.0831 to 0.0056") {
  const auto points = descend(valley(), method("msam", 0.02, 0.9, 0.1), 2);
  const PathPoint& second = points[1];
  CHECK_CLOSE((std::vector{second.gradient_x - second.x, second.gradient_y - second.y}),
              (std::vector{-0.0164, -0.0986}), {.rtol = 5e-3});
  CHECK_CLOSE(second.loss, 0.0831, {.rtol = 1e-3});
  CHECK_CLOSE(valley_loss(second.gradient_x, second.gradient_y), 0.0056, {.rtol = 1e-2});
}

TEST_CASE("exercise 7.2: MSAM swings at distance 0.0027027 for lr 0.1, curvature 1, momentum 0.9 and rho 0.1") {
  const auto points = on_a_bowl(method("msam", 0.1, 0.9, 0.1), 1, 4000);
  CHECK_CLOSE(0.1 * 0.1 / (2 + 2 * 0.9 - 0.1), 0.0027027, {.rtol = 1e-5});
  CHECK_CLOSE(std::abs(points[4000].x), 0.1 * 0.1 / 3.7, {.rtol = 1e-10});
  CHECK_CLOSE(points[4000].x, -points[3999].x, {.rtol = 1e-10});
}

TEST_CASE("exercise 7.3: with rho falling to 0 MSAM leaves its parking place and ends below 1e-8") {
  const Variable w = weight(1);
  optim::MSAM optimizer{optim::SGD{{w}, {.lr = 0.001, .momentum = 0.9}},
                        {.rho = [](int64_t step) { return step < 2000 ? 0.1 * (1 - step / 2000.0) : 0; }}};
  for (int i = 0; i < 4000; ++i) optimizer.step(closure_of([&] { return sum(square(w)) / 2; }));
  CHECK(std::abs(w.value().item()) < 1e-8);
  CHECK_CLOSE(on_a_bowl(method("msam", 0.001, 0.9, 0.1), 1, 4000).back().x, 0.1, {.rtol = 1e-6});  // without
}

TEST_CASE("exercise 7.4: MSAM's first step is SGD's, and with rho = 0 all of them are, bit for bit") {
  const auto sgd = descend(valley(), method("sgd", 0.02, 0.9), 20);
  const auto first = descend(valley(), method("msam", 0.02, 0.9, 0.1), 20);
  const auto all = descend(valley(), method("msam", 0.02, 0.9, 0), 20);
  CHECK((first[1].x == sgd[1].x && first[1].y == sgd[1].y));
  CHECK(first[2].x != sgd[2].x);
  for (size_t i = 0; i <= 20; ++i) CHECK((all[i].x == sgd[i].x && all[i].y == sgd[i].y));
}

TEST_CASE("exercise 8.1: lr * momentum * |v| is 0.02737, the length of e in the table") {
  CHECK_CLOSE(0.02 * 0.9 * std::hypot(0.25, 1.5), 0.02737, {.rtol = 1e-3});
  CHECK_CLOSE(std::hypot(0.0045, 0.027), 0.02737, {.rtol = 1e-3});
}

TEST_CASE("exercise 8.2: looking ahead by c * v leaves a momentum of momentum - curvature * c") {
  const double lr = 0.1, mu = 0.9, h = 2, c = 0.3;
  const Variable w = weight(1);
  optim::MSAM optimizer{optim::SGD{{w}, {.lr = lr, .momentum = mu}}};
  optimizer.group(0)["rho"] = [&](int64_t) { return c * core::norm(optimizer.momentum()).item(); };
  double expected = 1, velocity = 0;
  for (int i = 0; i < 50; ++i) {
    optimizer.step(closure_of([&] { return sum(square(w)) * (h / 2); }));
    velocity = (mu - h * c) * velocity + h * expected;
    expected -= lr * velocity;
    CHECK_CLOSE(w.value().item(), expected, {.rtol = 1e-10, .atol = 1e-14});
  }
}

TEST_CASE("exercise 8.3: at lr * curvature = 3 MSAM stays on the bowl, swinging at 3.75 rho, and Nesterov leaves it") {
  CHECK(!diverges(method("msam", 3, 0.9, 0.1)));
  CHECK_CLOSE(std::abs(on_a_bowl(method("msam", 3, 0.9, 0.1), 1, 2000).back().x), 0.375, {.rtol = 1e-10});
  CHECK(diverges(method("nesterov", 3, 0.9)));
}

TEST_CASE("exercise 9.1: the means overlap, 90.0 +- 0.98 and 90.4 +- 0.86, the paired difference is 0.40 +- 0.12") {
  const std::vector<double> sgd{90.0, 91.0, 89.0, 90.5, 89.5}, x{90.4, 91.3, 89.5, 90.8, 90.0};
  const Interval a = interval_95(sgd), b = interval_95(x), difference = paired_difference(x, sgd);
  CHECK_CLOSE((std::vector{a.mean, a.half_width, b.mean, b.half_width}), (std::vector{90.0, 0.98, 90.4, 0.865}),
              {.rtol = 5e-3});
  CHECK_CLOSE((std::vector{difference.mean, difference.half_width}), (std::vector{0.40, 0.124}), {.rtol = 5e-3});
  CHECK(a.high() > b.low());
  CHECK(difference.separated());
}

TEST_CASE("exercise 9.2: an accuracy of 91% has a standard deviation of 1.51 points on 360 images, 0.29 on 10000") {
  CHECK_CLOSE(100 * std::sqrt(0.91 * 0.09 / 360), 1.51, {.rtol = 5e-3});
  CHECK_CLOSE(100 * std::sqrt(0.91 * 0.09 / 10000), 0.286, {.rtol = 5e-3});
}

TEST_CASE("exercise 9.3: the best of fifteen equal settings looks 0.87 points too good") {
  Generator generator{1};
  const int64_t times = 100000;
  const auto errors = generator.normal({times * 15}, 0, 0.5, DType::float64).to_vector<double>();
  double sum = 0;
  for (int64_t i = 0; i < times; ++i) {
    double best = errors[15 * i];
    for (int64_t k = 1; k < 15; ++k) best = std::max(best, errors[15 * i + k]);
    sum += best;
  }
  CHECK_CLOSE(sum / times, 0.87, {.rtol = 0.01});
}

TEST_CASE("exercise 9.4: a difference of 0.3 with standard deviation 0.5 needs 14 seeds") {
  const auto half_width = [](int seeds) { return student_t_975(seeds - 1) * 0.5 / std::sqrt(seeds); };
  CHECK(half_width(13) > 0.3);
  CHECK(half_width(14) < 0.3);
}
