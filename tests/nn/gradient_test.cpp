// First and second derivatives of every layer and loss in all parameters and the input, in float64 against differences.
#include "core/random.h"
#include "nn/batch_norm.h"
#include "nn/containers.h"
#include "nn/layers.h"
#include "nn/loss.h"
#include "nn/models.h"
#include "tests/gradcheck.h"

using namespace minima;

namespace {

Variable input(const Shape& shape, uint64_t seed = 21) {
  return Variable(Generator{seed}.normal(shape, 0, 1, DType::float64), requires_grad);
}

// Empty when the first and second derivatives are right in x and every parameter of the model.
std::string wrong_derivative(nn::AnyModule model, const Variable& x) {
  model->to(DType::float64);
  std::vector<Variable> inputs{x};
  for (const Variable& parameter : model->parameters()) inputs.push_back(parameter);
  const Generator noise = default_generator();
  const auto f = [&](const std::vector<Variable>& at) {
    default_generator() = noise;  // dropout: the same mask every time
    return (*model)(at[0]);
  };
  const std::string first = test::gradcheck(f, inputs);
  return first.empty() ? test::gradgradcheck(f, inputs, {.tolerance = {1e-6, 1e-7}}) : first;
}

#define CHECK_DERIVATIVES(...)                                       \
  do {                                                               \
    const std::string problem = wrong_derivative(__VA_ARGS__);       \
    CHECK_MESSAGE(problem.empty(), #__VA_ARGS__ << ": " << problem); \
  } while (0)

}  // namespace

TEST_CASE("linear layers have right first and second derivatives") {
  manual_seed(1);
  CHECK_DERIVATIVES(nn::Linear{3, 4}, input({2, 3}));
  CHECK_DERIVATIVES(nn::Linear{3, 2, {.bias = false}}, input({2, 2, 3}));
}

TEST_CASE("convolutions have right first and second derivatives") {
  manual_seed(2);
  CHECK_DERIVATIVES(nn::Conv2d{2, 3, 3, {.padding = 1}}, input({2, 4, 3, 2}));
  CHECK_DERIVATIVES(nn::Conv2d{2, 2, 2, {.stride = 2, .bias = false}}, input({2, 5, 4, 2}));
  CHECK_DERIVATIVES(nn::Conv1d{2, 3, 3, {.padding = 2}}, input({2, 4, 2}));
  CHECK_DERIVATIVES(nn::Conv1d{3, 2, 2, {.stride = 3, .bias = false}}, input({2, 6, 3}));
  CHECK_DERIVATIVES(nn::ConvTranspose2d{2, 3, 3, {.stride = 2, .padding = 1, .output_padding = 1}},
                    input({2, 2, 3, 2}));
  CHECK_DERIVATIVES(nn::ConvTranspose2d{3, 2, 2, {.bias = false}}, input({1, 3, 2, 3}));
}

TEST_CASE("an embedding has right first and second derivatives, also where a row is looked up twice") {
  manual_seed(6);
  nn::Embedding layer{4, 3};
  layer.to(DType::float64);
  const Tensor which = Tensor::from<int64_t>({2, 0, 2, 3}, {2, 2});
  const auto f = [&](const std::vector<Variable>& at) { return square(gather_rows(at[0], which)); };
  CHECK(test::gradcheck(f, {layer.weight}) == "");
  CHECK(test::gradgradcheck(f, {layer.weight}) == "");
  CHECK_SAME_BITS(layer(which).value(), gather_rows(layer.weight, which).value());
}

TEST_CASE("normalisations have right first and second derivatives") {
  manual_seed(3);
  CHECK_DERIVATIVES(nn::BatchNorm1d{3}, input({4, 3}));
  CHECK_DERIVATIVES(nn::BatchNorm1d{2}, input({3, 2, 2}));
  CHECK_DERIVATIVES(nn::BatchNorm2d{2}, input({2, 2, 3, 2}));
  CHECK_DERIVATIVES(nn::LayerNorm{4}, input({3, 4}));
  CHECK_DERIVATIVES(nn::GroupNorm{2, 4}, input({2, 2, 1, 4}));
  CHECK_DERIVATIVES(nn::GroupNorm{1, 3}, input({2, 3}));
  nn::BatchNorm2d evaluated{2};
  evaluated.running_mean.fill(0.3), evaluated.running_var.fill(2);
  evaluated.eval();
  CHECK_DERIVATIVES(evaluated, input({2, 2, 2, 2}));
  nn::BatchNorm1d rows{3};
  rows.running_mean.fill(-0.2), rows.running_var.fill(0.5);
  rows.eval();
  CHECK_DERIVATIVES(rows, input({1, 3}));
}

TEST_CASE("activations, dropout and Flatten have right first and second derivatives") {
  manual_seed(4);
  CHECK_DERIVATIVES(nn::ReLU{}, input({2, 5}));
  CHECK_DERIVATIVES(nn::GELU{}, input({2, 5}));
  CHECK_DERIVATIVES(nn::Tanh{}, input({2, 5}));
  CHECK_DERIVATIVES(nn::Sigmoid{}, input({2, 5}));
  CHECK_DERIVATIVES(nn::Dropout{0.4}, input({3, 5}));
  CHECK_DERIVATIVES(nn::Sequential{nn::Flatten{}, nn::Tanh{}}, input({2, 2, 1, 2}));
}

TEST_CASE("pooling has right first and second derivatives") {
  CHECK_DERIVATIVES(nn::Sequential{nn::MaxPool2d{2}, nn::Tanh{}}, input({2, 4, 4, 2}));
  CHECK_DERIVATIVES(nn::Sequential{nn::MaxPool2d{3, {.stride = 1, .padding = 1}}, nn::Tanh{}}, input({1, 3, 4, 1}));
  CHECK_DERIVATIVES(nn::Sequential{nn::AvgPool2d{2, {.padding = 1}}, nn::Tanh{}}, input({1, 3, 4, 2}));
  CHECK_DERIVATIVES(nn::Sequential{nn::GlobalAvgPool{}, nn::Tanh{}}, input({2, 2, 3, 2}));
}

TEST_CASE("a residual block adds the gradients of both sides, first and second order") {
  manual_seed(5);
  CHECK_DERIVATIVES(nn::Residual{nn::Sequential{nn::Linear{3, 3}, nn::Tanh{}}}, input({2, 3}));
  nn::Linear reused{3, 3};
  CHECK_DERIVATIVES(nn::Sequential{nn::Residual{reused, nn::Tanh{}}, nn::GELU{}, reused}, input({2, 3}));
  CHECK_DERIVATIVES(nn::BasicBlock{2, 4, 2}, input({2, 3, 4, 2}));
  CHECK_DERIVATIVES(nn::WideBlock{2, 3, 2}, input({2, 3, 3, 2}));
}

TEST_CASE("attention and transformers have right first and second derivatives") {
  manual_seed(7);
  CHECK_DERIVATIVES(nn::MultiheadAttention{4, 2}, input({2, 3, 4}));
  CHECK_DERIVATIVES(nn::MultiheadAttention{4, 1, {.causal = true, .dropout = 0.3}}, input({1, 3, 4}));
  CHECK_DERIVATIVES(nn::TransformerBlock{4, 2, {.hidden = 5, .dropout = 0.2, .causal = true}}, input({2, 2, 4}));
  CHECK_DERIVATIVES(nn::VisionTransformer({4, 2, 1}, 3, 2, {.width = 4, .depth = 1, .heads = 2}), input({2, 4, 2, 1}));
}

TEST_CASE("losses have right first and second derivatives") {
  const Tensor labels = Tensor::from<int64_t>({2, 0, 1});
  const Variable logits = input({3, 3}), other = input({3, 3}, 22);
  const Tensor targets = Generator{23}.uniform({3, 3}, 0, 1, DType::float64);
  const auto check = [&](const test::Function& loss, const std::vector<Variable>& inputs) {
    CHECK(test::gradcheck(loss, inputs) == "");
    CHECK(test::gradgradcheck(loss, inputs) == "");
  };
  check([&](const auto& at) { return nn::cross_entropy(at[0], labels); }, {logits});
  check([&](const auto& at) { return nn::cross_entropy(at[0], labels, {.label_smoothing = 0.2}); }, {logits});
  check([&](const auto& at) { return sum(square(cross_entropies(at[0], labels))); }, {logits});
  check([&](const auto& at) { return nn::mse(at[0], at[1]); }, {logits, other});
  check([&](const auto& at) { return nn::binary_cross_entropy(at[0], targets); }, {logits});
}
