// Training in a group of processes, with the tensors that they sum on the GPU. The other process is played by the test,
// which adds its part on the host. Several real ones: tests/distributed; NCCL's group: tests/emulation/nccl_test.cpp.
#include <functional>

#include "core/communicator.h"
#include "tests/cuda/on_device.h"
#include "tests/cuda/training.h"

using namespace minima;
using namespace minima::test;

namespace {

/// Rank 0 of two; `other` gives what rank 1 adds to a tensor of rank 0, which it sees on the CPU.
class Two : public Communicator {
 public:
  using Part = std::function<Tensor(const Tensor& mine)>;
  explicit Two(Part other) : other_(std::move(other)) {}

  int rank() const override { return 0; }
  int size() const override { return 2; }
  int size_here() const override { return 2; }
  int rank_here() const override { return 0; }
  bool works_on(Device) const override { return true; }
  std::vector<std::string> gather(const std::string& text) override { return {text, text}; }
  void barrier() override {}

 protected:
  void sum(Tensor& tensor) override {
    const Tensor mine = tensor.to(Device::cpu);
    tensor.copy_from(core::binary(core::BinaryOp::add, mine, other_(mine)));
  }
  void copy_from_root(Tensor&) override {}

 private:
  Part other_;
};

Tensor the_same(const Tensor& mine) { return mine; }

}  // namespace

TEST_CASE("a group that exchanges host memory alone refuses a tensor on the GPU, and says what would take it") {
  struct Hosts : Two {
    Hosts() : Two(the_same) {}
    bool works_on(Device device) const override { return Communicator::works_on(device); }
  } group;
  Tensor x = Tensor::zeros({3}, DType::float32, Device::cuda);
  CHECK_ERROR(group.all_reduce_sum(x), "[all_reduce_sum] got a tensor on cuda, expected one on the CPU. These");
  CHECK_ERROR(group.broadcast(x), "GPUs need a group with NCCL (core/nccl/group.h).");
}

// A half of the loss, and as much from the other rank: both are exact.
TEST_CASE("two ranks with the same half of the loss train to the bits of one process, on the GPU, with any optimizer") {
  for (const std::string& optimizer : optimizer_names)
    for (const char* model : {"mlp", "cnn"}) {
      CAPTURE(optimizer);
      CAPTURE(model);
      Two group(the_same);
      Training alone(model, optimizer, DType::float64, Device::cuda);
      Training together(model, optimizer, DType::float64, Device::cuda);
      together.optimizer().distribute(group);
      for (int i = 0; i < 12; ++i) {
        const Tensor loss = together.step(i % 3, 0.5);
        CHECK(loss.device() == Device::cuda);
        CHECK_SAME_BITS(loss, alone.step(i % 3));
      }
      CHECK_SAME_BITS(together.optimizer().kept().flat.weights(), alone.optimizer().kept().flat.weights());
      CHECK(group.count().all_reduces == together.optimizer().gradient_evaluations());
    }
}

TEST_CASE("a rank on the GPU without samples makes the step of the rank that has them all") {
  std::vector<Tensor> messages;
  Two has_all([&](const Tensor& mine) {
    messages.push_back(mine.clone());
    return Tensor::zeros(mine.shape(), mine.dtype());
  });
  Two has_none([&](const Tensor&) { return messages.back(); });
  Training full("mlp", "sgd", DType::float32, Device::cuda), empty("mlp", "sgd", DType::float32, Device::cuda);
  full.optimizer().distribute(has_all), empty.optimizer().distribute(has_none);
  for (int i = 0; i < 3; ++i) {
    const Tensor loss = full.step(i);
    CHECK_SAME_BITS(empty.optimizer().step([] { return Variable(); }).value(), loss);
  }
  CHECK_SAME_BITS(empty.optimizer().kept().flat.weights(), full.optimizer().kept().flat.weights());
}

TEST_CASE("batch norm over two ranks with the same images is on the GPU what it is on the CPU") {
  const auto results = [](Device device) {
    Two group(the_same);
    manual_seed(3);
    nn::Sequential model{nn::Conv2d{1, 3, 3}, nn::BatchNorm2d{3}, nn::Flatten{}, nn::Linear{108, 4}};
    model.to(DType::float64), model.to(device);
    nn::synchronise_batch_norm(model, group);
    const Tensor labels = Tensor::from<int64_t>({0, 1, 2, 3, 0});
    nn::cross_entropy(model(numbers({5, 8, 8, 1}, DType::float64).to(device)), labels.to(device)).backward();
    std::vector<Tensor> all;
    for (const Variable& parameter : model.parameters()) all.push_back(parameter.grad());
    return all;
  };
  const std::vector<Tensor> host = results(Device::cpu), gpu = results(Device::cuda);
  for (size_t i = 0; i < host.size(); ++i) CHECK_CLOSE(gpu[i], host[i], {1e-9, 1e-12});
}
