#include "examples/kit/statistics.h"

#include "tests/check.h"

using namespace minima;
using namespace minima::examples;

TEST_CASE("the 97.5% points of Student's t are those of scipy, also between whole degrees of freedom") {
  const std::vector<double> expected{12.706204736174694, 6.016663104427929, 3.3921483831737507,
                                     2.7764451051977934, 2.154306952430865, 1.9623390808264083};
  std::vector<double> got;
  for (const double degrees : {1.0, 1.5, 2.7, 4.0, 13.37, 1000.0}) got.push_back(student_t_975(degrees));
  CHECK_CLOSE(got, expected, {.rtol = 1e-11});
  CHECK_ERROR(student_t_975(0), "0 degrees of freedom");
}

TEST_CASE("two-sided p-values of Student's t are those of scipy, also between whole degrees of freedom") {
  const std::vector<double> expected{1,
                                     0.68056711066994,
                                     0.08421108257925183,
                                     0.08421108257925183,
                                     0.012214421128087875,
                                     7.82417130425598e-15,
                                     0.9992928933955901,
                                     4.621068727635128e-07};
  const std::vector<double> got{student_t_p(0, 3),   student_t_p(0.5, 1.5), student_t_p(2, 7.25), student_t_p(-2, 7.25),
                                student_t_p(5, 3.3), student_t_p(12, 40),   student_t_p(1e-3, 2), student_t_p(60, 4)};
  CHECK_CLOSE(got, expected, {.rtol = 1e-9});
}

TEST_CASE("Holm's adjustment, by hand: the smallest p counts as often as there are comparisons, and order stays") {
  CHECK_CLOSE(holm({0.01, 0.04, 0.03, 0.005}), (std::vector<double>{0.03, 0.06, 0.06, 0.02}), {.rtol = 1e-12});
  CHECK_CLOSE(holm({0.6, 0.5}), (std::vector<double>{1, 1}), {.rtol = 1e-12});
  const std::vector<double> with_none = holm({NAN, 0.02, 0.04});  // nothing was compared in the first
  CHECK(std::isnan(with_none[0]));
  CHECK_CLOSE(with_none[1], 0.04, {.rtol = 1e-12});
  CHECK_CLOSE(with_none[2], 0.04, {.rtol = 1e-12});
}

TEST_CASE("the interval of a probability is the exact one of scipy") {
  const auto check = [](int64_t count, int64_t trials, double low, double high) {
    CHECK_CLOSE(binomial_95(count, trials).low, low, {.rtol = 1e-9, .atol = 1e-12});
    CHECK_CLOSE(binomial_95(count, trials).high, high, {.rtol = 1e-9, .atol = 1e-12});
  };
  check(0, 40, 0, 0.08809730287880335);
  check(2, 40, 0.006113646599346682, 0.16919686395941763);
  check(9, 200, 0.020780422227004356, 0.08370268807585404);
  check(200, 200, 0.9817246596448512, 1);
}

TEST_CASE("the median is the middle, or the mean of the two in the middle") {
  CHECK(median({5, 1, 9}) == 5);
  CHECK(median({5, 1, 9, 7}) == 6);
  CHECK(std::isnan(median({})));
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
