// What attention and the networks made of it compute, by hand-worked values and identities, and what they refuse.
#include "nn/attention.h"

#include "core/ops.h"
#include "core/random.h"
#include "nn/loss.h"
#include "nn/transformer.h"
#include "tests/check.h"

using namespace minima;

namespace {
Tensor noise(const Shape& shape, uint64_t seed = 3) { return Generator{seed}.normal(shape); }

// x [batch, tokens, ...] with another token `at`; one that is no multiple of the old one, which LayerNorm would undo.
Tensor with_other_token(const Tensor& x, int64_t at) {
  const Tensor before = core::slice(x, 1, 0, at), after = core::slice(x, 1, at + 1, x.size(1));
  return core::concatenate({before, core::unary(core::UnaryOp::abs, core::slice(x, 1, at, at + 1)), after}, 1);
}

bool differ(const Tensor& a, const Tensor& b) { return test::difference(a, b, {1e-3, 1e-4}) != ""; }

nn::LanguageModel small_model() { return nn::LanguageModel{7, 6, {.size = {.width = 8, .depth = 2, .heads = 2}}}; }
}  // namespace

TEST_CASE("attention is the mean of the values, weighted by the softmax of queries times keys") {
  nn::MultiheadAttention layer{2, 1};
  // queries x, keys x, values 10 x; the heads stay as they are
  layer.in_proj_weight.set_value(Tensor::from<float>({1, 0, 0, 1, 1, 0, 0, 1, 10, 0, 0, 10}, {6, 2}));
  layer.out_proj.weight.set_value(Tensor::from<float>({1, 0, 0, 1}, {2, 2}));
  const double e = std::exp(1 / std::sqrt(2.0));  // of a token with itself; with the other one: exp(0)
  const double self = 10 * e / (e + 1), other = 10 / (e + 1);
  CHECK_CLOSE(layer(Tensor::from<float>({1, 0, 0, 1}, {1, 2, 2})).value(),
              Tensor::from(std::vector<double>{self, other, other, self}, {1, 2, 2}), {1e-6, 1e-6});
}

TEST_CASE("the heads of attention look each at their part of the width") {
  manual_seed(1);
  nn::MultiheadAttention layer{6, 3};
  Tensor identity = Tensor::zeros({6, 6});
  for (int i = 0; i < 6; ++i) identity.mutable_data<float>()[7 * i] = 1;
  layer.out_proj.weight.set_value(identity);
  const Tensor x = noise({2, 4, 6}), y = layer(x).value();
  // Rows 4 and 5 of the keys' part belong to the last head: without them nothing else changes.
  Tensor changed = layer.in_proj_weight.value().clone();
  changed.slice(6 + 4, 6 + 6).fill(0);
  layer.in_proj_weight.set_value(changed);
  const Tensor without = layer(x).value();
  CHECK_SAME_BITS(core::slice(without, 2, 0, 4), core::slice(y, 2, 0, 4));
  CHECK(differ(core::slice(without, 2, 4, 6), core::slice(y, 2, 4, 6)));
}

TEST_CASE("causal attention sees nothing of later tokens, and attention that is not causal does") {
  manual_seed(2);
  const Tensor x = noise({2, 5, 8}), other = with_other_token(x, 3);
  nn::TransformerBlock causal{8, 2, {.causal = true}}, free{8, 2};
  CHECK_SAME_BITS(core::slice(causal(x).value(), 1, 0, 3), core::slice(causal(other).value(), 1, 0, 3));
  CHECK(differ(core::slice(causal(x).value(), 1, 3, 5), core::slice(causal(other).value(), 1, 3, 5)));
  CHECK(differ(core::slice(free(x).value(), 1, 0, 3), core::slice(free(other).value(), 1, 0, 3)));
  CHECK(core::all_finite(causal(x).value()));
}

TEST_CASE("attention without positions does not know the order of the tokens") {
  manual_seed(3);
  nn::MultiheadAttention layer{8, 4};
  const Tensor x = noise({1, 3, 8});
  const auto turned = [](const Tensor& t) {
    return core::concatenate({core::slice(t, 1, 2, 3), core::slice(t, 1, 0, 2)}, 1);
  };
  CHECK_CLOSE(layer(turned(x)).value(), turned(layer(x).value()), {1e-5, 1e-6});
}

TEST_CASE("a causal mask follows the length of the text and the dtype") {
  manual_seed(4);
  nn::MultiheadAttention layer{4, 2, {.causal = true}};
  const Tensor x = noise({1, 5, 4});
  const Tensor whole = layer(x).value();
  CHECK_CLOSE(layer(core::slice(x, 1, 0, 2)).value(), core::slice(whole, 1, 0, 2), {1e-6, 1e-6});
  CHECK_CLOSE(layer(x).value(), whole, {1e-6, 1e-6});
  layer.to(DType::float64);
  CHECK_CLOSE(layer(x.to(DType::float64)).value(), whole, {1e-5, 1e-5});
}

TEST_CASE("dropout in a block acts while training alone, and with probability 0 not at all") {
  manual_seed(5);
  nn::TransformerBlock plain{8, 2}, noisy = plain;
  noisy.dropout.probability = noisy.self_attn.dropout.probability = 0.5;
  const Tensor x = noise({2, 3, 8});
  CHECK_SAME_BITS(plain(x).value(), plain(x).value());
  CHECK(differ(noisy(x).value(), plain(x).value()));
  noisy.eval();
  CHECK_SAME_BITS(noisy(x).value(), plain(x).value());
}

TEST_CASE("attention refuses what is no sequence of its width, and heads that do not divide the width") {
  nn::MultiheadAttention layer{8, 2, {.causal = true}};
  CHECK_ERROR(layer(Tensor::zeros({2, 3, 4})),
              "[MultiheadAttention(8, 2 heads, causal)] got an input of shape (2, 3, 4), expected sequences (batch, "
              "tokens, 8).");
  CHECK_ERROR(layer(Tensor::zeros({2, 8})), "expected sequences (batch, tokens, 8)");
  CHECK_ERROR((nn::MultiheadAttention{8, 3}),
              "[MultiheadAttention] got width 8 for 3 heads, expected heads of one width.");
  CHECK_ERROR((nn::MultiheadAttention{8, 0}), "got width 8 for 0 heads");
  CHECK_ERROR((nn::MultiheadAttention{8, 2, {.dropout = 1}}), "[Dropout] got probability 1");
}

TEST_CASE("a language model predicts each character from those before it, up to its context") {
  manual_seed(6);
  nn::LanguageModel model = small_model();
  const Tensor text = Tensor::from<int64_t>({0, 3, 6, 2, 1, 5}, {1, 6});
  const Tensor other = Tensor::from<int64_t>({0, 3, 6, 2, 4, 5}, {1, 6});
  const Tensor logits = model(text).value();
  CHECK(logits.shape() == Shape{1, 6, 7});
  CHECK_SAME_BITS(core::slice(logits, 1, 0, 4), core::slice(model(other).value(), 1, 0, 4));
  CHECK(differ(core::slice(logits, 1, 4, 6), core::slice(model(other).value(), 1, 4, 6)));
  CHECK_CLOSE(model(core::slice(text, 1, 0, 3)).value(), core::slice(logits, 1, 0, 3), {1e-5, 1e-6});
  CHECK_ERROR(model(Tensor::from<int64_t>({0, 0, 0, 0, 0, 0, 0}, {1, 7})),
              "[LanguageModel] got an input of shape (1, 7), expected (batch, tokens), 1 to 6 tokens.");
  CHECK_ERROR(model(Tensor::from<int64_t>({7}, {1, 1})), "7");
}

TEST_CASE("a vision transformer knows where a patch lies, and refuses images of another size") {
  manual_seed(7);
  nn::VisionTransformer model({4, 8, 1}, 3, 4, {.width = 8, .depth = 1, .heads = 2});
  const Tensor x = noise({1, 4, 8, 1});
  const Tensor turned = core::concatenate({core::slice(x, 2, 4, 8), core::slice(x, 2, 0, 4)}, 2);
  CHECK(differ(model(x).value(), model(turned).value()));
  model.positions.set_value(Tensor::zeros({2, 8}));
  CHECK_CLOSE(model(x).value(), model(turned).value(), {1e-4, 1e-5});
  nn::VisionTransformer colour({8, 12, 3}, 3, 4, {.width = 8, .depth = 1, .heads = 2});
  // Two patches more, as many patches in other rows, and a border that would be cut off.
  for (const Shape& other : {Shape{1, 12, 12, 3}, Shape{1, 12, 8, 3}, Shape{1, 11, 15, 3}, Shape{8, 12, 3}})
    CHECK_ERROR(colour(Tensor::zeros(other)),
                text("[VisionTransformer] got an input of shape ", other, ", expected (batch, 8, 12, channels)"));
}

TEST_CASE("positions come first among the parameters, as nn.Parameter does in PyTorch") {
  nn::VisionTransformer images({4, 8, 1}, 3, 4, {.width = 8, .depth = 1, .heads = 2});
  nn::LanguageModel language = small_model();
  CHECK(images.named_parameters().front().first == "positions");
  CHECK(images.named_parameters()[1].first == "patches.weight");
  CHECK(language.named_parameters().front().first == "positions");
  CHECK(language.named_parameters()[1].first == "embedding.weight");
}
