// What resuming reads: state.json of a comparison, a training run's checkpoint, and the model file that predict takes.
#include "examples/kit/checkpoint.h"
#include "examples/kit/model_file.h"
#include "examples/kit/session.h"
#include "tests/fuzz/fuzz.h"
#include "tests/temporary_folder.h"

using namespace minima;
using namespace minima::examples;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const test::TemporaryFolder folder;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  folder.write("state.json", bytes);
  test::read_or_refuse([&] { check_resumable(folder.path.string()); });
  const std::string file = folder.write("file.safetensors", bytes);
  nn::Linear model{2, 2};
  optim::MSAM optimizer{optim::SGD{model.parameters(), {.lr = 0.1, .momentum = 0.9}}, {.rho = 0.3}};
  test::read_or_refuse([&] { load_training(file, model, optimizer); });
  return test::read_or_refuse([&] { load_model(file); });
}
