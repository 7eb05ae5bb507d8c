// What a group of processes does as one.
#include "core/communicator.h"

#include "core/ops.h"
#include "tests/distributed/ranks.h"

using namespace minima;
using namespace minima::test;

namespace {

Tensor numbers_of(int rank, int64_t count, DType dtype) {
  return Generator{17, static_cast<uint64_t>(rank) << 32}.normal({count}, 0, 1, dtype);
}

}  // namespace

TEST_CASE("a sum over the ranks adds them in their order, so that every rank gets the same bits, twice") {
  for (const DType dtype : {DType::float32, DType::float64})
    for (const int64_t count : {0, 1, 3, 2048, 2049, 100003}) {
      CAPTURE(count);
      Tensor expected = numbers_of(0, count, dtype);
      for (int rank = 1; rank < group().size(); ++rank) core::add_scaled(expected, 1, numbers_of(rank, count, dtype));
      for (int again = 0; again < 2; ++again) {
        Tensor sum = numbers_of(group().rank(), count, dtype);
        group().all_reduce_sum(sum);
        CHECK_SAME_BITS(sum, expected);
      }
    }
}

TEST_CASE("a group counts its sums and their bytes") {
  const Communicator::Count before = group().count();
  Tensor three = Tensor::zeros({3}, DType::float64), four = Tensor::zeros({4});
  group().all_reduce_sum(three), group().all_reduce_sum(four);
  CHECK(group().count().all_reduces == before.all_reduces + 2);
  CHECK(group().count().bytes == before.bytes + 3 * 8 + 4 * 4);
}

TEST_CASE("a broadcast gives every rank the tensor of rank 0") {
  Tensor labels = Tensor::full({70001}, group().rank(), DType::int64);
  group().broadcast(labels);
  CHECK_SAME_BITS(labels, Tensor::zeros({70001}, DType::int64));
}

TEST_CASE("texts of all ranks are gathered in their order, empty ones too") {
  const std::vector<std::string> all = group().gather(std::string(static_cast<size_t>(2 * group().rank()), 'x'));
  REQUIRE(all.size() == static_cast<size_t>(group().size()));
  for (size_t rank = 0; rank < all.size(); ++rank) CHECK(all[rank] == std::string(2 * rank, 'x'));
}

TEST_CASE("a rank that disagrees is named on every rank, with what it has and what rank 0 has") {
  require_agreement(group(), "--lr", "0.1");
  const bool last = group().rank() == group().size() - 1;
  CHECK_ERROR(require_agreement(group(), "--lr", last ? "0.2" : "0.1"),
              text("[distributed] got rank ", group().size() - 1,
                   " with --lr 0.2, expected 0.1, as rank 0 has. Start every rank with the same"));
}

TEST_CASE("a sum of whole numbers, and of nothing, is refused") {
  Tensor labels = Tensor::zeros({2}, DType::int64), nothing;
  CHECK_ERROR(group().all_reduce_sum(labels), "[all_reduce_sum] got a tensor of int64, expected float32 or float64.");
  CHECK_ERROR(group().all_reduce_sum(nothing), "[all_reduce_sum] got an undefined tensor");
}
