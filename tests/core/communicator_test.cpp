// The group of a process that is alone, which needs no MPI. Groups of several: tests/distributed.
#include "core/communicator.h"

#include "tests/check.h"

using namespace minima;

TEST_CASE("in a group of one a sum is what it was, is counted, and counts as a change of the tensor") {
  GroupOfOne group;
  CHECK(group.rank() == 0);
  CHECK(group.size() == 1);
  Tensor x = Tensor::from(std::vector<float>{1, -2, 3});
  const Tensor before = x.clone();
  const int64_t version = x.version();
  group.all_reduce_sum(x);
  CHECK_SAME_BITS(x, before);
  CHECK(x.version() > version);
  CHECK(group.count().all_reduces == 1);
  CHECK(group.count().bytes == 12);
  group.broadcast(x), group.barrier();
  CHECK_SAME_BITS(x, before);
  CHECK(group.count().all_reduces == 1);
  CHECK(group.gather("a") == std::vector<std::string>{"a"});
}

TEST_CASE("a group of one refuses what a larger one refuses") {
  GroupOfOne group;
  Tensor labels = Tensor::zeros({2}, DType::int64), nothing;
  CHECK_ERROR(group.all_reduce_sum(labels), "[all_reduce_sum] got a tensor of int64, expected float32 or float64.");
  CHECK_ERROR(group.all_reduce_sum(nothing), "[all_reduce_sum] got an undefined tensor");
  CHECK_ERROR(group.broadcast(nothing), "[broadcast] got an undefined tensor");
}

TEST_CASE("ranks that agree are accepted, and the first that differs from rank 0 is named") {
  struct Three : GroupOfOne {
    std::vector<std::string> gather(const std::string& text) override { return {text, text, "0.2"}; }
  } group;
  require_agreement(group, "--lr", "0.2");
  CHECK_ERROR(require_agreement(group, "--lr", "0.1"),
              "[distributed] got rank 2 with --lr 0.2, expected 0.1, as rank 0 has. Start every rank with the same");
}
