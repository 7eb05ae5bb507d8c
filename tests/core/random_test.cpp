#include "core/random.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <thread>

#include "tests/core/naive.h"

using namespace minima;
using namespace minima::test;

namespace {

struct Moments {
  double mean = 0, variance = 0, skewness = 0, kurtosis = 0, smallest = INFINITY, largest = -INFINITY;
};

Moments moments(const Tensor& x) {
  const auto v = values(x);
  const double n = static_cast<double>(v.size());
  Moments m;
  for (const double e : v) m.mean += e / n, m.smallest = std::min(m.smallest, e), m.largest = std::max(m.largest, e);
  for (const double e : v) m.variance += (e - m.mean) * (e - m.mean) / n;
  for (const double e : v) {
    const double z = (e - m.mean) / std::sqrt(m.variance);
    m.skewness += z * z * z / n;
    m.kurtosis += z * z * z * z / n;
  }
  return m;
}

void check_words(const core::PhiloxBlock& block, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  CHECK(block.words[0] == a);
  CHECK(block.words[1] == b);
  CHECK(block.words[2] == c);
  CHECK(block.words[3] == d);
}

constexpr int64_t many = 1000000;

}  // namespace

TEST_CASE("philox gives the published words for the published keys and counters") {
  check_words(core::philox(0, 0), 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
  check_words(core::philox(UINT64_MAX, UINT64_MAX, UINT64_MAX), 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd);
  check_words(core::philox(0x299f31d0a4093822, 0x85a308d3243f6a88, 0x0370734413198a2e), 0xd16cfe09, 0x94fdcceb,
              0x5001e420, 0x24126ea1);
}

TEST_CASE("a stream is a function of seed and offset: a copy repeats it, another seed does not") {
  Generator a{5}, b = a, other{6};
  const Tensor first = a.normal({1000}), again = b.normal({1000});
  CHECK_SAME_BITS(first, again);
  CHECK(a.offset == b.offset);
  CHECK(a.offset == 250);
  CHECK_FALSE(bit_difference(first, other.normal({1000})).empty());
  CHECK_FALSE(bit_difference(first, a.normal({1000})).empty());
}

TEST_CASE("element i depends on its block alone: parts drawn one after the other make up the whole") {
  for (const DType dtype : floating_types) {
    const int64_t n = 99999;
    Generator whole{9}, parts{9};
    const Tensor all = whole.uniform({n}, -1, 1, dtype);
    const Tensor head = parts.uniform({4000}, -1, 1, dtype), tail = parts.uniform({n - 4000}, -1, 1, dtype);
    CHECK_SAME_BITS(core::concatenate({head, tail}, 0), all);
    CHECK(parts.offset == whole.offset);
  }
}

TEST_CASE("a draw that ends inside a block leaves what lies behind it alone") {
  for (const DType dtype : floating_types) {
    Tensor all = Tensor::full({11}, 7, dtype), part = all.slice(0, 5);
    core::backend(Device::cpu).random(core::Distribution::uniform, 1, 0, 0, 1, part);
    CHECK(values(all.slice(5, 11)) == std::vector<double>(6, 7.0));
    CHECK_SAME_BITS(part, Generator{1}.uniform({5}, 0, 1, dtype));
  }
}

TEST_CASE("uniform numbers have the moments of their interval and never reach its upper end") {
  for (const DType dtype : floating_types) {
    const Moments m = moments(Generator{1}.uniform({many}, -1, 3, dtype));
    CHECK_CLOSE((std::vector<double>{m.mean, m.variance, m.skewness, m.kurtosis}),
                (std::vector<double>{1, 16.0 / 12, 0, 1.8}), {0.005, 0.008});
    CHECK(m.smallest >= -1);
    CHECK(m.smallest < -0.9999);
    CHECK(m.largest < 3);
    CHECK(m.largest > 2.9999);
    const float next = std::nextafter(1.0f, 2.0f);
    CHECK(values(Generator{1}.uniform({100}, 1, next)) == std::vector<double>(100, 1.0));
    CHECK(values(Generator{1}.uniform({100}, 2, 2, dtype)) == std::vector<double>(100, 2.0));
  }
}

TEST_CASE("normal numbers have the moments and tails of a normal distribution") {
  for (const DType dtype : floating_types) {
    const Tensor x = Generator{2}.normal({many}, 2, 3, dtype);
    const Moments m = moments(x);
    CHECK_CLOSE((std::vector<double>{m.mean, m.variance, m.skewness, m.kurtosis}), (std::vector<double>{2, 9, 0, 3}),
                {0.008, 0.012});
    std::vector<double> beyond(4, 0.0);
    for (const double v : values(x))
      for (int sigma = 0; sigma < 4; ++sigma)
        beyond[static_cast<size_t>(sigma)] += (v - 2) / 3 > sigma ? 1.0 / many : 0;
    CHECK_CLOSE(beyond, (std::vector<double>{0.5, 0.158655, 0.022750, 0.001350}), {0.005, 2e-4});
    CHECK(core::all_finite(x));
  }
}

TEST_CASE("neighbouring numbers are uncorrelated, within and across blocks") {
  for (const DType dtype : floating_types) {
    const Tensor x = Generator{3}.normal({many}, 0, 1, dtype);
    for (const int64_t lag : {1, 2, 3, 4, 5})
      CHECK(std::fabs(core::dot(x.slice(0, many - lag), x.slice(lag, many)).item() / many) < 0.005);
  }
}

TEST_CASE("bernoulli gives 0 and 1 with the probability asked for") {
  for (const double p : {0.0, 0.1, 0.5, 1.0}) {
    const Tensor x = Generator{4}.bernoulli({many}, p);
    CHECK(std::fabs(core::sum(x).item() / many - p) < 0.0015);
    for (const double v : values(x.slice(0, 1000))) CHECK((v == 0 || v == 1));
  }
}

TEST_CASE("below is uniform, also where the bound does not divide 2^64") {
  for (const uint64_t bound : {1, 3, 10}) {
    Generator generator{8};
    std::map<uint64_t, int> counts;
    for (int i = 0; i < 30000; ++i) ++counts[generator.below(bound)];
    CHECK(counts.size() == bound);
    CHECK(counts.rbegin()->first == bound - 1);
    double chi_squared = 0;
    const double expected = 30000.0 / static_cast<double>(bound);
    for (const auto& [number, count] : counts) chi_squared += (count - expected) * (count - expected) / expected;
    CHECK(chi_squared < 30);
  }
  // With this bound, a remainder alone would fall into the lower half two times in three.
  Generator generator{8};
  const uint64_t bound = (uint64_t{1} << 63) + (uint64_t{1} << 62);
  int low = 0;
  for (int i = 0; i < 10000; ++i) low += generator.below(bound) < bound / 2;
  CHECK(std::abs(low - 5000) < 300);
}

TEST_CASE("a permutation holds every number once, and each order is as likely as any") {
  auto order = Generator{1}.permutation(1000);
  CHECK(order != Generator{2}.permutation(1000));
  CHECK(order == Generator{1}.permutation(1000));
  std::sort(order.begin(), order.end());
  for (int64_t i = 0; i < 1000; ++i) CHECK(order[static_cast<size_t>(i)] == i);
  std::map<std::vector<int64_t>, int> counts;
  Generator generator{3};
  for (int i = 0; i < 6000; ++i) ++counts[generator.permutation(3)];
  CHECK(counts.size() == 6);
  for (const auto& [p, count] : counts) CHECK(std::abs(count - 1000) < 150);
  CHECK(generator.permutation(0).empty());
}

TEST_CASE("manual_seed starts the calling thread's stream anew, and no other") {
  manual_seed(11);
  const Tensor first = default_generator().normal({10});
  std::thread([] { manual_seed(12); }).join();
  CHECK(default_generator().seed == 11);
  manual_seed(11);
  CHECK_SAME_BITS(default_generator().normal({10}), first);
}

TEST_CASE("distributions that do not exist are refused") {
  Generator generator;
  CHECK_ERROR(generator.uniform({2}, 3, 1), "low <= high");
  CHECK_ERROR(generator.normal({2}, 0, -1), "standard deviation -1");
  CHECK_ERROR(generator.bernoulli({2}, 1.5), "probability 1.5");
  CHECK_ERROR(generator.below(0), "at least 1");
  CHECK_ERROR(generator.permutation(-1), "[permutation]");
  CHECK_ERROR(generator.uniform({2}, 0, 1, DType::int64), "dtype int64");
  CHECK(generator.offset == 0);
}
