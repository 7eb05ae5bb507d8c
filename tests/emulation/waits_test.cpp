// What only the emulated device can tell: how often the host waits, and what happens when the device is lost.
#include "core/communicator.h"
#include "core/ops.h"
#include "optim/average.h"
#include "optim/schedule.h"
#include "tests/check.h"
#include "tests/cuda/on_device.h"
#include "tests/cuda/training.h"
#include "tests/emulation/emulation.h"

using namespace minima;
using namespace minima::test;

TEST_CASE("a training step of any optimizer never waits for the device") {
  for (const std::string& optimizer : optimizer_names)
    for (const char* model : {"mlp", "cnn"}) {
      CAPTURE(optimizer);
      CAPTURE(model);
      Training training(model, optimizer, DType::float32, Device::cuda);
      for (int i = 0; i < 3; ++i) training.step(i);
      const int64_t waits = emulation::waits(), launches = emulation::launches();
      Tensor loss;
      for (int i = 0; i < 6; ++i) loss = training.step(i);
      CHECK(emulation::waits() == waits);
      CHECK(emulation::launches() > launches + 60);
      CHECK(std::isfinite(loss.item()));  // which waits
      CHECK(emulation::waits() == waits + 1);
    }
}

TEST_CASE("in a group of processes a step waits once for each gradient, and its update is a graph") {
  if (std::getenv("MINIMA_NO_CACHING")) return;
  for (const std::string& optimizer : optimizer_names) {
    if (optimizer == "looksam") continue;  // has steps of several kinds
    CAPTURE(optimizer);
    GroupOfOne group;
    Training training("cnn", optimizer, DType::float32, Device::cuda);
    training.optimizer().distribute(group);
    for (int i = 0; i < 6; ++i) training.step(0);
    const int64_t waits = emulation::waits(), graphs = emulation::graph_launches(), sums = group.count().all_reduces;
    for (int i = 0; i < 6; ++i) training.step(0);
    CHECK(emulation::waits() - waits == group.count().all_reduces - sums);
    CHECK(emulation::graph_launches() == graphs + 6);
  }
}

TEST_CASE("an average of the weights is kept without waiting, and has the CPU's values") {
  const auto averaged = [](Device device, bool count_waits) {
    Training training("mlp", "msam", DType::float64, device);
    optim::WeightAverage average(training.optimizer(), {.decay = 0.9});
    for (int i = 0; i < 3; ++i) training.step(i), average.update();
    const int64_t waits = emulation::waits();
    for (int i = 3; i < 9; ++i) training.step(i), average.update();
    if (count_waits) CHECK(emulation::waits() == waits);
    const Tensor before = training.optimizer().parameters()[0].value().clone();
    { const optim::AveragedWeights scope(average); }
    CHECK_SAME_BITS(training.optimizer().parameters()[0].value(), before);
    return average.average();
  };
  CHECK_CLOSE(averaged(Device::cuda, true), averaged(Device::cpu, false), {1e-9, 1e-11});
}

TEST_CASE("after a few steps a training step is one graph") {
  if (std::getenv("MINIMA_NO_CACHING")) return;  // every step has other memory then
  for (const std::string& optimizer : optimizer_names) {
    CAPTURE(optimizer);
    Training training("cnn", optimizer, DType::float32, Device::cuda);
    for (int i = 0; i < 24; ++i) training.step(0);  // LookSAM has steps of several kinds
    const int64_t before = emulation::graph_launches();
    for (int i = 0; i < 6; ++i) training.step(0);
    CHECK(emulation::graph_launches() == before + 6);
  }
}

TEST_CASE("a step stays one graph while learning rate and radius change from step to step") {
  if (std::getenv("MINIMA_NO_CACHING")) return;
  for (const std::string& optimizer : optimizer_names) {
    if (optimizer == "looksam") continue;  // has steps of several kinds
    CAPTURE(optimizer);
    Training training("mlp", optimizer, DType::float32, Device::cuda);
    optim::Hyperparameters& group = training.optimizer().group(0);
    group["lr"] = optim::cosine(0.05, 40);
    if (group.has("rho")) group["rho"] = optim::cosine(0.1, 60);
    for (int i = 0; i < 6; ++i) training.step(0);
    const int64_t before = emulation::graph_launches();
    for (int i = 0; i < 6; ++i) training.step(0);
    CHECK(emulation::graph_launches() == before + 6);
  }
}

TEST_CASE("a batch from the host crosses the bus beside the kernels before it, and nobody waits") {
  const Tensor host = numbers({300, 64}, DType::float32), few = numbers({30, 64}, DType::float32);
  Tensor busy = Tensor::full({300, 64}, 1, DType::float32, Device::cuda);
  host.to(Device::cuda);  // what is set up once is there
  const int64_t waits = emulation::waits();
  for (int i = 0; i < 4; ++i) {
    busy = core::unary(core::UnaryOp::affine, busy, 0.5, 1);
    const int64_t before = emulation::overlapping_copies();
    const Tensor there = host.to(Device::cuda);
    CHECK(emulation::overlapping_copies() == before + 1);
    few.to(Device::cuda);  // not worth a stream
    CHECK(emulation::overlapping_copies() == before + 1);
    busy = core::binary(core::BinaryOp::add, busy, there);
  }
  CHECK(emulation::waits() == waits);
  CHECK(core::all_finite(busy));
}

TEST_CASE("after the first steps a training step asks the device for no memory") {
  if (std::getenv("MINIMA_NO_CACHING")) return;
  Training training("cnn", "sam", DType::float32, Device::cuda);
  for (int i = 0; i < 3; ++i) training.step(i);
  const int64_t before = memory_statistics(Device::cuda).system_allocations;
  for (int i = 0; i < 6; ++i) training.step(i);
  CHECK(memory_statistics(Device::cuda).system_allocations == before);
}

TEST_CASE("when the GPU is full, memory that is kept for later use is given back first") {
  if (std::getenv("MINIMA_NO_CACHING")) return;
  release_cached_memory(Device::cuda);
  const int64_t mib = 1 << 20;
  core::sum(Tensor::zeros({3}, DType::float32, Device::cuda)).item();  // after which nothing is on its way
  emulation::set_capacity(emulation::bytes_in_use() + static_cast<size_t>(40 * mib));
  { const Tensor kept = Tensor::empty({24 * mib}, DType::uint8, Device::cuda); }
  const Tensor other = Tensor::zeros({32 * mib}, DType::uint8, Device::cuda);
  CHECK(core::all_finite(other.slice(0, 8).to(DType::float32)));
  CHECK_ERROR(Tensor::empty({16 * mib}, DType::uint8, Device::cuda), "Use a smaller batch or model");
  emulation::set_capacity(size_t{16} << 30);
}

TEST_CASE("a lost device is an error that says to start again") {
  Tensor x = Tensor::zeros({3}, DType::float32, Device::cuda);
  CHECK(x.at(0) == 0);
  emulation::set_lost(true);
  CHECK_ERROR(x.fill(1), "cudaErrorIllegalAddress (an illegal memory access was encountered) from cudaLaunchKernelEx");
  CHECK_ERROR(x.at(0), "start it again from the last checkpoint");
  emulation::set_lost(false);
  CHECK(x.at(0) == 0);
}
