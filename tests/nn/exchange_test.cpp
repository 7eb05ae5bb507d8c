// Exchange with PyTorch, in both directions: the files that it makes of minima's models give its logits here, and the
// files that minima makes are its files, tensor by tensor and byte for byte.
// tests/golden/generate_nn.py makes PyTorch's.
#include <cstring>

#include "core/ops.h"
#include "nn/checkpoint.h"
#include "nn/models.h"
#include "tests/check.h"
#include "tests/temporary_folder.h"

using namespace minima;

namespace {

std::string made_by_pytorch(const std::string& name) {
  return text(MINIMA_TEST_DATA, "/nn/exchange/", name, ".safetensors");
}

std::string bytes_of(const Tensor& tensor) {
  const size_t size = static_cast<size_t>(tensor.numel()) * size_of(tensor.dtype());
  return {reinterpret_cast<const char*>(tensor.raw()), size};
}

// The 64-bit FNV-1a hash of a tensor's bytes.
int64_t hash_of(const Tensor& tensor) {
  uint64_t value = 0xcbf29ce484222325;
  for (const char byte : bytes_of(tensor)) value = (value ^ static_cast<uint8_t>(byte)) * 0x100000001b3;
  return static_cast<int64_t>(value);
}

// "0.weight float32 (6, 3, 5, 5)", a line a tensor.
std::string listing(const Archive& archive) {
  std::string lines;
  for (const auto& [name, tensor] : archive.tensors)
    lines += text(name, " ", name_of(tensor.dtype()), " ", tensor.shape(), "\n");
  return lines;
}

// The logits for PyTorch's images [batch, channels, height, width], in eval mode, to 1e-5 of the largest.
void check_logits(nn::Module& model, const Archive& run) {
  model.eval();
  const Tensor expected = run.tensor("logits");
  double largest = 0;
  for (const double logit : expected.to_vector<double>()) largest = std::max(largest, std::abs(logit));
  CHECK(largest > 0.01);
  const Variable logits = model(core::permute(run.tensor("x"), {0, 2, 3, 1}));
  CHECK_CLOSE(logits.value(), expected, {1e-5, 1e-5 * largest});
}

// What nn::save writes of this model.
Archive saved(nn::Module& model) {
  const test::TemporaryFolder folder;
  nn::save(model, folder.file("model.safetensors"));
  return load_safetensors(folder.file("model.safetensors"));
}

void check_exchange(const std::string& file, const std::string& name, const Shape& image, int64_t classes) {
  CAPTURE(file);
  nn::AnyModule model = nn::make_model(name, image, classes);
  nn::load(*model, made_by_pytorch(file));
  check_logits(*model, load_safetensors(made_by_pytorch(file + "_run")));

  const Archive ours = saved(*model), theirs = load_safetensors(made_by_pytorch(file));
  CHECK(listing(ours) == listing(theirs));
  for (const auto& [key, tensor] : theirs.tensors) {
    CAPTURE(key);
    CHECK(bytes_of(ours.tensor(key)) == bytes_of(tensor));
  }
}

// The generator's weights and statistics: a formula of the name, exact in float32, in PyTorch's layout.
Archive filled_exactly(Archive archive) {
  for (auto& [key, tensor] : archive.tensors) {
    if (tensor.dtype() != DType::float32) continue;
    int64_t sum = 0;
    for (const char c : key) sum += c;
    const bool positive = tensor.rank() == 1 && (key.ends_with("weight") || key.ends_with("var"));
    std::vector<float> values;
    for (int64_t i = 0; i < tensor.numel(); ++i)
      values.push_back(static_cast<float>((i * 37 + sum) % 257 - 128) / 2048 + (positive ? 1 : 0));
    tensor = Tensor::from(values, tensor.shape());
  }
  return archive;
}

}  // namespace

TEST_CASE(
    "mlp, lenet, cnn and vit exchange weights with PyTorch: its files give its logits, and are written byte for byte") {
  check_exchange("mlp", "mlp:16,8", {5, 6, 3}, 4);
  check_exchange("lenet", "lenet", {16, 17, 3}, 10);
  check_exchange("cnn", "cnn", {9, 8, 3}, 10);
  check_exchange("vit", "vit:4,8,2,2", {8, 12, 3}, 10);
}

TEST_CASE("resnet20 exchanges weights with PyTorch: the same weights give its logits, and are written byte for byte") {
  nn::AnyModule model = nn::make_model("resnet20", {9, 8, 3}, 10);
  nn::load_state(*model, filled_exactly(nn::state(*model)));
  const Archive run = load_safetensors(made_by_pytorch("resnet20_run"));
  check_logits(*model, run);

  const Archive ours = saved(*model);
  const Archive hashes = run.extract("hash.");
  CHECK(ours.tensors.size() == hashes.tensors.size());
  for (const auto& [key, hash] : hashes.tensors) {
    CAPTURE(key);
    CHECK(hash_of(ours.tensor(key)) == hash.to_vector<int64_t>()[0]);
  }
}
