// ONNX files: every shipped model can be written, and an unknown layer is refused. That ONNX Runtime computes the same:
// onnx_check.py.
#include "examples/export/onnx.h"

#include "nn/checkpoint.h"
#include "nn/models.h"
#include "tests/check.h"
#include "tests/temporary_folder.h"

using namespace minima;
using namespace minima::nn;
using examples::save_onnx;

TEST_CASE("every shipped model can be written as ONNX, and stays as it is") {
  test::TemporaryFolder folder;
  for (const std::string& name : model_names()) {
    AnyModule model = make_model(name, {28, 28, 1}, 10);
    const Archive before = state(*model);
    save_onnx(*model, {28, 28, 1}, folder.file("m.onnx"));
    CHECK(model->training);
    const Archive after = state(*model);
    for (const auto& [key, tensor] : before.tensors) CHECK_SAME_BITS(tensor, after.tensor(key));
    size_t bytes = 0;
    for (const auto& [key, parameter] : model->named_parameters()) bytes += static_cast<size_t>(parameter.numel()) * 4;
    CHECK(std::filesystem::file_size(folder.file("m.onnx")) > bytes);
  }
}

TEST_CASE("a layer that ONNX export does not know is refused by name") {
  struct Own : Module {
    Variable forward(const Variable& x) override { return x; }
    std::string describe() const override { return "Own(3)"; }
  };
  test::TemporaryFolder folder;
  Sequential model{Linear{2, 2}, Own{}};
  CHECK_ERROR(save_onnx(model, {2}, folder.file("m.onnx")), "[save_onnx] got the layer Own(3)");
  Sequential text{Embedding{5, 4}};
  CHECK_ERROR(save_onnx(text, {2}, folder.file("m.onnx")), "[save_onnx] got the layer Embedding(5, 4)");
  Sequential causal{MultiheadAttention{4, 2, {.causal = true}}};
  CHECK_ERROR(save_onnx(causal, {3, 4}, folder.file("m.onnx")), "attention that is not causal");
  CHECK_FALSE(std::filesystem::exists(folder.file("m.onnx")));
}
