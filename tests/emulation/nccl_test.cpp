// The group of GPUs on the emulated device, with an NCCL that plays the other ranks (nccl.cpp).
#include "core/nccl/group.h"

#include "core/backend.h"
#include "tests/check.h"
#include "tests/cuda/on_device.h"
#include "tests/cuda/training.h"

using namespace minima;
using namespace minima::test;

namespace {

/// Several ranks without MPI. On the CPU every rank has the same, too.
struct Hosts : GroupOfOne {
  explicit Hosts(int ranks) : ranks(ranks) {}
  int size() const override { return ranks; }
  bool works_on(Device device) const override { return device == Device::cpu; }
  std::vector<std::string> gather(const std::string& text) override {
    return std::vector<std::string>(static_cast<size_t>(ranks), text);
  }
  void sum(Tensor& tensor) override { tensor.copy_from(core::unary(core::UnaryOp::affine, tensor, ranks, 0)); }
  int ranks;
};

std::unique_ptr<Communicator> gpus(int ranks) {
  std::unique_ptr<Communicator> group = std::make_unique<Hosts>(ranks);
  core::join_gpus(group);
  return group;
}

}  // namespace

TEST_CASE("a group of GPUs sums on both devices, after the kernels before it and before those after it") {
  const auto group = gpus(4);
  CHECK(group->size() == 4);
  for (const DType dtype : floating_types)
    for (const Device device : {Device::cpu, Device::cuda}) {
      const Tensor x = numbers({1000}, dtype).to(device);
      Tensor sum = core::unary(core::UnaryOp::affine, x, 2, 0);
      group->all_reduce_sum(sum);
      CHECK_SAME_BITS(core::unary(core::UnaryOp::affine, sum, 0.125, 0), x);
      group->broadcast(sum);
    }
  CHECK(group->count().all_reduces == 4);
  CHECK(group->gather("a").size() == 4);
  CHECK(core::nccl_description() == "NCCL 2.28.9");
}

TEST_CASE("a sum and a broadcast come after kernels that are held back for a graph") {
  const auto group = gpus(4);
  Tensor x = Tensor::zeros({10}, DType::float32, Device::cuda);
  const auto held = [&] {
    CHECK(x.at(0) != 3);  // which sends all work before it
    x.fill(3);
  };
  for (int i = 0; i < 3; ++i) {  // the third time as a graph
    x.fill(0), held();
    core::backend(Device::cuda).end_step();
  }
  x.fill(0), held();
  group->all_reduce_sum(x);
  CHECK(x.at(0) == 12);
  held();
  group->broadcast(x);
  CHECK(x.at(0) == 3);
}

TEST_CASE("a training in a group of GPUs has the bits of one process, while its steps become graphs") {
  for (const std::string optimizer : {"sgd", "sam", "msam"}) {
    CAPTURE(optimizer);
    const auto group = gpus(2);
    Training alone("cnn", optimizer, DType::float64, Device::cuda);
    Training together("cnn", optimizer, DType::float64, Device::cuda);
    together.optimizer().distribute(*group);
    for (int i = 0; i < 12; ++i) CHECK_SAME_BITS(together.step(i % 3, 0.5), alone.step(i % 3));
    CHECK_SAME_BITS(together.optimizer().kept().flat.weights(), alone.optimizer().kept().flat.weights());
  }
}

TEST_CASE("what NCCL refuses is an error with its words, and leaves the group as it was") {
  std::unique_ptr<Communicator> group = std::make_unique<Hosts>(13);
  CHECK_ERROR(
      core::join_gpus(group),
      "[distributed] got ncclCommInitRank: invalid usage (Duplicate GPU detected), expected success. Does each");
  CHECK(group->size() == 13);
  CHECK(!group->works_on(Device::cuda));
}

TEST_CASE("the ranks of a machine share its GPUs in their order") {
  CHECK(core::gpu_of_rank("", 3, 4) == "3");
  CHECK(core::gpu_of_rank("5", 1, 2) == "5");
  CHECK(core::gpu_of_rank("4,GPU-1a,7", 0, 3) == "4");
  CHECK(core::gpu_of_rank("4,GPU-1a,7", 1, 3) == "GPU-1a");
  CHECK(core::gpu_of_rank("4,GPU-1a,7", 2, 3) == "7");
  CHECK_ERROR(core::gpu_of_rank("4,5", 0, 3), "[distributed] got 3 ranks on this machine, and 2 GPUs in");
}
