#include "examples/kit/statistics.h"

#include "tests/check.h"

using namespace minima;
using namespace minima::examples;

TEST_CASE("the 97.5% points of Student's t are those of the tables") {
  const std::vector<double> expected{12.70620473617471, 4.302652729911275,  3.182446305284263, 2.776445105197799,
                                     2.262157162740992, 2.0422724563012373, 1.9623390808264078};
  std::vector<double> got;
  for (int degrees : {1, 2, 3, 4, 9, 30, 1000}) got.push_back(student_t_975(degrees));
  CHECK_CLOSE(got, expected, {.rtol = 1e-12});
}

TEST_CASE("a mean over seeds carries the Student interval of its standard error") {
  const Interval interval = interval_95({1, 2, 3, 4, 5});
  CHECK_CLOSE((std::vector<double>{interval.mean, interval.half_width}),
              (std::vector<double>{3, 2.776445105197799 * std::sqrt(2.5 / 5)}), {.rtol = 1e-12});
}

TEST_CASE("one sample has a mean but no interval, and separates nothing") {
  const Interval interval = interval_95({2});
  CHECK(interval.mean == 2);
  CHECK(std::isnan(interval.half_width));
  CHECK_FALSE(interval.separated());
  CHECK(std::isnan(interval_95({}).mean));
}

TEST_CASE("pairing by seed sees a small steady difference under a large common spread") {
  const std::vector<double> a{10.1, 20.1, 30.1, 40.2}, b{10, 20, 30, 40};
  CHECK(paired_difference(a, b).separated());
  CHECK_CLOSE(std::vector<double>{paired_difference(a, b).mean}, std::vector<double>{0.125}, {.rtol = 1e-9});
  CHECK_FALSE(paired_difference({1, 2, 3, 3.9}, {1.1, 1.9, 3.1, 3.8}).separated());
  CHECK_ERROR(paired_difference({1, 2}, {1}), "2 and 1 samples");
}

TEST_CASE("an interval that ends at zero does not leave zero out") {
  CHECK_FALSE((Interval{1, 1, 5}).separated());
  CHECK((Interval{1, 0.99, 5}).separated());
  CHECK((Interval{-1, 0.99, 5}).separated());
  CHECK_FALSE(interval_95({0.25, 0.25}).separated());  // no spread seen is not no spread
}
