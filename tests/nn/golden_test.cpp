// Networks against PyTorch: weights it wrote, and the outputs, gradients and loss lists it got with them.
// tests/golden/generate_nn.py makes the files.
#include "autograd/ops.h"
#include "core/ops.h"
#include "nn/batch_norm.h"
#include "nn/checkpoint.h"
#include "nn/containers.h"
#include "nn/layers.h"
#include "nn/loss.h"
#include "nn/models.h"
#include "tests/check.h"

using namespace minima;

namespace {

std::string golden(const std::string& name) { return text(MINIMA_TEST_DATA, "/nn/", name, ".safetensors"); }

// PyTorch's layout, [batch, channels, height, width] or [out, in, kernel_h, kernel_w], as minima's; and back. Of the
// parameters here, those of three axes are weights of Conv1d.
Tensor channels_last(const Tensor& x) { return x.rank() == 4 ? core::permute(x, {0, 2, 3, 1}) : x; }
Tensor channels_first(const Tensor& x) {
  if (x.rank() == 3) return core::permute(x, {0, 2, 1});
  return x.rank() == 4 ? core::permute(x, {0, 3, 1, 2}) : x;
}

// Characters stay whole numbers.
Tensor input_as(DType dtype, const Tensor& x) { return is_floating(x.dtype()) ? channels_last(x).to(dtype) : x; }

// Loads PyTorch's weights, repeats its ten steps of gradient descent in this dtype and compares everything it kept.
void check_training(const std::string& name, nn::AnyModule model, DType dtype, test::Tolerance tolerance,
                    double smoothing = 0) {
  CAPTURE(name);
  model->to(DType::float64);
  nn::load(*model, golden(name));
  model->to(dtype);
  const Archive run = load_safetensors(golden(name + "_run"));
  const Tensor x = input_as(dtype, run.tensor("x")), y = run.tensor("y");
  const auto expected = [&](const std::string& key) { return run.tensor(key).to(dtype); };

  std::vector<double> losses;
  for (int step = 0; step < 10; ++step) {
    Variable logits = (*model)(x);
    Variable loss = nn::cross_entropy(logits, y, {.label_smoothing = smoothing});
    losses.push_back(loss.item());
    loss.backward();
    if (step == 0) CHECK_CLOSE(logits.value(), expected("logits"), {tolerance.rtol, tolerance.atol});
    for (auto& [key, parameter] : model->named_parameters()) {
      CAPTURE(key);
      if (step == 0)
        CHECK_CLOSE(channels_first(parameter.grad()), expected("grad." + key), {tolerance.rtol, tolerance.atol});
      Tensor weight = parameter.value();
      core::add_scaled(weight, -0.1, parameter.grad());
      parameter.zero_grad();
    }
  }
  CHECK_CLOSE(losses, run.tensor("losses").to_vector<double>(), {tolerance.rtol, tolerance.atol});
  for (const auto& [key, tensor] : nn::state(*model).tensors) {
    CAPTURE(key);
    CHECK_CLOSE(tensor, run.tensor("trained." + key), {tolerance.rtol, tolerance.atol});
  }
  model->eval();
  CHECK_CLOSE((*model)(x).value(), expected("eval_logits"), {tolerance.rtol, tolerance.atol});
}

constexpr test::Tolerance exact{1e-10, 1e-11}, single{1e-4, 1e-5};

nn::AnyModule small_cnn() {
  return nn::Sequential{nn::Conv2d{2, 4, 3, {.padding = 1}},
                        nn::BatchNorm2d{4},
                        nn::ReLU{},
                        nn::MaxPool2d{2},
                        nn::Conv2d{4, 6, 3, {.stride = 2, .padding = 1, .bias = false}},
                        nn::BatchNorm2d{6},
                        nn::GELU{},
                        nn::AvgPool2d{2},
                        nn::Flatten{},
                        nn::Linear{24, 4}};
}

nn::AnyModule table_network() {
  return nn::Sequential{nn::Linear{5, 8}, nn::BatchNorm1d{8}, nn::Tanh{},      nn::Linear{8, 6},
                        nn::LayerNorm{6}, nn::Sigmoid{},      nn::Linear{6, 3}};
}

// The generator's weights: a formula of the parameter's name, in PyTorch's layout.
void fill_by_name(nn::Module& model) {
  Archive archive = nn::state(model);
  for (auto& [key, parameter] : model.named_parameters()) {
    double sum = 0;
    for (char c : key) sum += c;
    const bool scale = parameter.shape().rank() == 1 && key.substr(key.rfind('.')) == ".weight";
    std::vector<double> values;
    for (int64_t i = 0; i < parameter.numel(); ++i)
      values.push_back((scale ? 1 : 0) + 0.1 * std::sin(static_cast<double>(i) + sum));
    archive.tensors[key] = Tensor::from(values, archive.tensor(key).shape());
  }
  nn::load_state(model, archive);
}

void check_network(const std::string& name, nn::AnyModule model) {
  CAPTURE(name);
  const Archive run = load_safetensors(golden(name + "_run"));
  model->to(DType::float64);
  fill_by_name(*model);
  Variable x(input_as(DType::float64, run.tensor("x")));
  if (is_floating(x.dtype())) x = Variable(x.value(), requires_grad);
  Variable logits = (*model)(x);
  Variable loss = nn::cross_entropy(reshape(logits, {-1, logits.size(-1)}), run.tensor("y").flatten());
  loss.backward();
  CHECK_CLOSE(logits.value(), run.tensor("logits"), {1e-9, 1e-10});
  CHECK_CLOSE(std::vector<double>{loss.item()}, run.tensor("loss").to_vector<double>(), {1e-10});
  if (x.requires_grad()) CHECK_CLOSE(channels_first(x.grad()), run.tensor("grad_x"), {1e-8, 1e-10});
  size_t compared = 0;
  for (const auto& [key, parameter] : model->named_parameters()) {
    CAPTURE(key);
    CHECK_CLOSE(std::vector<double>{core::norm(parameter.grad()).item()}, run.tensor("norm." + key).to_vector<double>(),
                {1e-8});
    ++compared;
  }
  CHECK(run.extract("norm.").tensors.size() == compared);
  model->eval();
  CHECK_CLOSE((*model)(x.detach()).value(), run.tensor("eval_logits"), {1e-8, 1e-9});
}

}  // namespace

TEST_CASE("an MLP with PyTorch's weights repeats its logits, gradients and ten losses") {
  check_training("mlp", nn::mlp({64, 16, 8, 4}), DType::float64, exact);
  check_training("mlp", nn::mlp({64, 16, 8, 4}), DType::float32, single);
}

TEST_CASE("a CNN with batch norm and PyTorch's weights repeats its logits, gradients, ten losses and statistics") {
  check_training("cnn", small_cnn(), DType::float64, exact);
  check_training("cnn", small_cnn(), DType::float32, single);
}

TEST_CASE("batch norm over rows, layer norm and label smoothing repeat PyTorch's training") {
  check_training("table", table_network(), DType::float64, exact, 0.1);
  check_training("table", table_network(), DType::float32, single, 0.1);
}

TEST_CASE("ResNet-20 and WideResNet are PyTorch's networks, name for name and gradient for gradient") {
  check_network("resnet20", nn::make_model("resnet20", {9, 8, 3}, 10));
  check_network("wrn16-2", nn::make_model("wrn16-2", {9, 8, 3}, 10));
}

TEST_CASE("embedding, 1-D convolution and group norm repeat PyTorch's training") {
  const auto model = [] {
    return nn::Sequential{nn::Embedding{10, 6}, nn::Identity{}, nn::Conv1d{6, 8, 3, {.padding = 1}},
                          nn::GroupNorm{2, 8},  nn::GELU{},     nn::Conv1d{8, 4, 3, {.stride = 2, .bias = false}},
                          nn::Identity{},       nn::Flatten{},  nn::Linear{20, 3}};
  };
  check_training("sequence", model(), DType::float64, exact);
  check_training("sequence", model(), DType::float32, single);
}

TEST_CASE("transposed convolution and group norm of images repeat PyTorch's training") {
  const auto model = [] {
    return nn::Sequential{nn::Conv2d{2, 4, 3, {.stride = 2, .padding = 1}},
                          nn::GroupNorm{2, 4},
                          nn::ReLU{},
                          nn::ConvTranspose2d{4, 3, 3, {.stride = 2, .padding = 1, .output_padding = 1}},
                          nn::GELU{},
                          nn::AvgPool2d{4},
                          nn::Flatten{},
                          nn::Linear{12, 4}};
  };
  check_training("decoder", model(), DType::float64, exact);
  check_training("decoder", model(), DType::float32, single);
}

TEST_CASE("transformer blocks, causal and not, repeat the training of PyTorch's TransformerEncoderLayer") {
  struct Mean : nn::Module {
    Variable forward(const Variable& x) override { return mean(x, 1); }
  };
  const auto model = [] {
    return nn::Sequential{nn::Linear{5, 8}, nn::TransformerBlock{8, 2, {.hidden = 12}},
                          nn::TransformerBlock{8, 4, {.causal = true}}, Mean{}, nn::Linear{8, 3}};
  };
  check_training("transformer", model(), DType::float64, exact);
  check_training("transformer", model(), DType::float32, single);
}

TEST_CASE("the vision transformer and the language model are PyTorch's networks, gradient for gradient") {
  check_network("vit", nn::make_model("vit:4,16,2,4", {8, 12, 3}, 10));
  check_network("language", nn::LanguageModel{11, 9, {.size = {.width = 16, .depth = 2, .heads = 2}}});
}
