// Loader: order, and what happens when a pass is cut short.
#include "datasets/loader.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "core/parallel.h"
#include "core/random.h"
#include "core/storage.h"
#include "datasets/sources.h"
#include "tests/check.h"

using namespace minima;
using namespace minima::datasets;

namespace {

Dataset rows(int64_t n) {
  std::vector<float> values(static_cast<size_t>(n));
  std::iota(values.begin(), values.end(), 0.0f);
  return Dataset::from_values(values, {1}, std::vector<int32_t>(values.size(), 0), {"only"});
}

std::vector<std::vector<double>> batches_of(const Loader& loader, int64_t epoch) {
  std::vector<std::vector<double>> out;
  for (auto [x, y] : loader.epoch(epoch)) {
    REQUIRE(x.size(0) == y.size(0));
    out.push_back(x.to_vector<double>());
  }
  return out;
}

}  // namespace

TEST_CASE("an epoch visits every sample once, in full batches but for the last") {
  const Loader loader{rows(23), {.batch_size = 5, .seed = 1}};
  CHECK(loader.steps_per_epoch() == 5);
  const auto batches = batches_of(loader, 0);
  REQUIRE(batches.size() == 5);
  std::set<double> seen;
  for (const auto& batch : batches) seen.insert(batch.begin(), batch.end());
  CHECK(seen.size() == 23);
  CHECK(batches[3].size() == 5);
  CHECK(batches[4].size() == 3);
}

TEST_CASE("a loader that was moved from goes on, and an epoch that was moved from says that it cannot") {
  Loader from{rows(23), {.batch_size = 5}};
  const Loader to = std::move(from);
  CHECK(batches_of(from, 1) == batches_of(to, 1));
  Epoch first = to.epoch(0);
  const Epoch second = std::move(first);
  CHECK_ERROR(first.begin(), "[Epoch] got an epoch that was moved from");
}

TEST_CASE("drop_last leaves out the batch that is not full") {
  const Loader loader{rows(23), {.batch_size = 5, .drop_last = true}};
  CHECK(loader.steps_per_epoch() == 4);
  CHECK(batches_of(loader, 0).size() == 4);
  CHECK(Loader{rows(20), {.batch_size = 5}}.steps_per_epoch() == 4);
}

TEST_CASE("the order is a function of seed and epoch: the same twice, different for another of either") {
  const Loader a{rows(100), {.batch_size = 10, .seed = 1}}, b{rows(100), {.batch_size = 10, .seed = 1}};
  const Loader other{rows(100), {.batch_size = 10, .seed = 2}};
  CHECK(batches_of(a, 3) == batches_of(b, 3));
  CHECK(batches_of(a, 3) == batches_of(a, 3));  // whatever was visited before
  CHECK(batches_of(a, 3) != batches_of(a, 4));
  CHECK(batches_of(a, 3) != batches_of(other, 3));
  const auto order = a.order(3);
  CHECK(batches_of(a, 3)[0] == std::vector<double>(order.begin(), order.begin() + 10));
}

TEST_CASE("without shuffling, every epoch goes from the first sample to the last") {
  const Loader loader{rows(5), {.batch_size = 2, .shuffle = false}};
  CHECK(batches_of(loader, 7) == std::vector<std::vector<double>>{{0, 1}, {2, 3}, {4}});
}

TEST_CASE("the number of threads changes nothing in what comes out, augmentations included") {
  const Loader loader{digits().train.random_flip(1).random_shift(1, 2), {.batch_size = 1000}};
  const int threads = num_threads();
  for (const int64_t epoch : {0, 5}) {
    const auto several = batches_of(loader, epoch);
    set_num_threads(1);
    CHECK(batches_of(loader, epoch) == several);
    set_num_threads(threads);
  }
}

TEST_CASE("augmentation differs from epoch to epoch") {
  const Loader loader{digits().train.random_shift(1, 2), {.batch_size = 1437, .shuffle = false}};
  CHECK(batches_of(loader, 0) != batches_of(loader, 1));
}

TEST_CASE("one batch is alive at a time") {
  const Loader loader{digits().train, {.batch_size = 100}};
  const int64_t before = memory_statistics().live_tensors;
  for (const Batch& batch : loader.epoch(0)) {
    REQUIRE(batch.x.defined());
    CHECK(memory_statistics().live_tensors == before + 2);  // x and y
  }
}

TEST_CASE("a pass that is left early, or never begun, ends cleanly and leaks no tensor") {
  const int64_t before = memory_statistics().live_tensors;
  const Loader loader{digits().train, {.batch_size = 10}};
  for (int round = 0; round < 200; ++round) {
    auto unused = loader.epoch(round);
    int steps = 0;
    for (auto [x, y] : loader.epoch(round)) {
      if (steps++ == round % 5) break;
    }
    try {
      for (auto [x, y] : loader.epoch(round)) throw Error("training failed");
    } catch (const Error&) {}
  }
  CHECK(memory_statistics().live_tensors == before);
}

TEST_CASE("an epoch outlives the loader that made it, and may be moved before it begins") {
  auto make = [] {
    const Loader loader{rows(10), {.batch_size = 4, .shuffle = false}};
    return loader.epoch(0);
  };
  Epoch first = make();
  Epoch epoch = std::move(first);
  double sum = 0;
  for (const auto& [x, y] : epoch)
    for (const double value : x.to_vector<double>()) sum += value;
  CHECK(sum == 45);
}

TEST_CASE("two epochs of one loader can be walked through at the same time") {
  const Loader loader{rows(40), {.batch_size = 4}};
  const auto zero = batches_of(loader, 0), one = batches_of(loader, 1);
  auto a = loader.epoch(0), b = loader.epoch(1);
  auto at_b = b.begin();
  size_t step = 0;
  for (const auto& [x, y] : a) {
    CHECK(x.to_vector<double>() == zero[step]);
    CHECK((*at_b).x.to_vector<double>() == one[step]);
    ++at_b;
    ++step;
  }
  CHECK(step == zero.size());
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they end the process instead
TEST_CASE("an error while a batch is prepared is thrown where the batch is asked for") {
  // One batch of 2^48 bytes: more than the address space, so the allocation fails whatever the system promises.
  const Dataset wide = Dataset::from_values(std::vector<float>(1 << 24), {1 << 24}, {0}, {"only"});
  const Dataset data = wide.subset(std::vector<int64_t>(1 << 22, 0));
  const Loader loader{data, {.batch_size = 1 << 22, .shuffle = false}};
  auto epoch = loader.epoch(0);
  CHECK_THROWS_AS(epoch.begin(), Error);
}
#endif

TEST_CASE("after the first batches, loading asks the system for no memory") {
  const int64_t batch_size = 64;
  const Loader loader{digits().train, {.batch_size = batch_size}};
  batches_of(loader, 0);
  const int64_t before = memory_statistics().system_allocations;
  for (int64_t epoch = 0; epoch < 6; ++epoch)
    for (auto [x, y] : loader.epoch(epoch)) REQUIRE(x.size(0) == y.size(0));
  CHECK(memory_statistics().system_allocations == before);
}

TEST_CASE("a batch size of zero or larger than the data is refused with both numbers") {
  CHECK_ERROR((Loader{rows(10), {.batch_size = 0}}), "batch_size 0, expected at least 1");
  CHECK_ERROR((Loader{rows(10), {.batch_size = 11}}), "batch_size 11, expected at most 10, the number of samples");
  CHECK_ERROR((Loader{Dataset(), {}}), "batch_size 64, expected at most 0");
  CHECK_ERROR((Loader{rows(10), {.batch_size = 10}}.epoch(-1)), "epoch -1");
}

TEST_CASE("the parts of all ranks together are the batches of one process, in its order, with shares that sum to 1") {
  const Loader whole{rows(23), {.batch_size = 5, .seed = 4}};
  for (const int ranks : {1, 2, 4, 7}) {
    CAPTURE(ranks);
    std::vector<Loader> parts;
    for (int rank = 0; rank < ranks; ++rank)
      parts.emplace_back(rows(23), LoaderOptions{.batch_size = 5, .seed = 4, .rank = rank, .ranks = ranks});
    for (int64_t epoch = 0; epoch < 2; ++epoch) {
      std::vector<std::vector<double>> joined(5);
      std::vector<double> share(5);
      for (const Loader& part : parts) {
        CHECK(part.steps_per_epoch() == 5);
        const auto batches = batches_of(part, epoch);
        REQUIRE(batches.size() == 5);
        for (size_t i = 0; i < 5; ++i) {
          joined[i].insert(joined[i].end(), batches[i].begin(), batches[i].end());
          const double size = i == 4 ? 3 : 5;
          CHECK(part.share(static_cast<int64_t>(i)) == static_cast<double>(batches[i].size()) / size);
          share[i] += part.share(static_cast<int64_t>(i));
        }
      }
      CHECK(joined == batches_of(whole, epoch));
      for (const double all : share) CHECK(std::abs(all - 1) < 1e-15);
    }
  }
}

TEST_CASE("a rank that is none of the ranks is refused, and the share of a batch that does not exist") {
  CHECK_ERROR((Loader{rows(8), {.batch_size = 4, .rank = 2, .ranks = 2}}),
              "[Loader] got rank 2 of 2, expected a rank of 0 to ranks - 1.");
  CHECK_ERROR((Loader{rows(8), {.batch_size = 4, .rank = -1}}), "[Loader] got rank -1 of 1");
  const Loader loader{rows(8), {.batch_size = 4}};
  CHECK_ERROR(loader.share(2), "[Loader::share] got step 2, expected 0 to 1.");
}
