// Checkpoints know no device: what one wrote the other reads.
#include "nn/checkpoint.h"
#include "tests/cuda/on_device.h"
#include "tests/cuda/training.h"
#include "tests/temporary_folder.h"

using namespace minima;
using namespace minima::test;

TEST_CASE("a training that moves between the devices by its checkpoint goes on as it would have") {
  const TemporaryFolder folder;
  for (const auto& [from, to] : {std::pair(Device::cuda, Device::cpu), std::pair(Device::cpu, Device::cuda)})
    for (const char* optimizer : {"msam", "adamw", "looksam"}) {
      CAPTURE(optimizer);
      Training first("cnn", optimizer, DType::float64, from), second("cnn", optimizer, DType::float64, to);
      for (int i = 0; i < 10; ++i) first.step(i);
      const std::string path = folder.file("model.safetensors");
      nn::save(first.model(), path);
      nn::load(second.model(), path);
      second.optimizer().load_state(first.optimizer().state());
      CHECK(second.optimizer().steps() == 10);
      for (int i = 10; i < 15; ++i) CHECK_CLOSE(second.step(i), first.step(i), {1e-9, 1e-10});
    }
}
