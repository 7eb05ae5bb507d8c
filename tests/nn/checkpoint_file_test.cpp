// A model's weights in a file: what is saved loads, and a file that does not fit is refused.
#include "core/random.h"
#include "nn/batch_norm.h"
#include "nn/checkpoint.h"
#include "nn/containers.h"
#include "nn/layers.h"
#include "tests/check.h"
#include "tests/temporary_folder.h"

using namespace minima;

TEST_CASE("a saved model loads into another one and evaluates to the same bits") {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("model.safetensors");
  manual_seed(9);
  nn::Sequential model{nn::Conv2d{2, 3, 3}, nn::BatchNorm2d{3}, nn::Flatten{}, nn::Linear{12, 4}};
  nn::Sequential other = nn::clone(model);
  for (Variable& parameter : other.parameters()) parameter.set_value(Tensor::zeros(parameter.shape()));
  const Tensor x = default_generator().normal({5, 4, 4, 2});
  model(x), model(x);  // running statistics that are not the initial ones
  nn::save(model, path);
  nn::load(other, path);
  model.eval(), other.eval();
  CHECK_SAME_BITS(other(x).value(), model(x).value());
  CHECK(load_safetensors(path).entry("format") == "pt");

  model.to(DType::float64);
  nn::save(model, path);
  other.to(DType::float64);
  nn::load(other, path);
  const Tensor x64 = x.to(DType::float64);
  CHECK_SAME_BITS(other(x64).value(), model(x64).value());
}

TEST_CASE("a file that does not fit is refused by its path") {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("model.safetensors");
  nn::Linear small{2, 2}, large{2, 3};
  nn::save(small, path);
  CHECK_ERROR(nn::load(large, path),
              "[" + path +
                  "] got weights that do not fit the model: bias is float32 (2,) where the "
                  "model has float32 (3,); weight is float32 (2, 2) where the model has float32 (3, 2)");
  CHECK_ERROR(nn::load(large, folder.file("absent.safetensors")), "absent.safetensors");
}
