// What the layers compute, by hand-worked values, and what they refuse.
#include "nn/layers.h"

#include "core/ops.h"
#include "core/random.h"
#include "nn/batch_norm.h"
#include "nn/containers.h"
#include "nn/models.h"
#include "tests/check.h"

using namespace minima;

namespace {
Tensor values(const std::vector<double>& numbers, const Shape& shape) {
  return Tensor::from(numbers, shape).to(DType::float32);
}
void set(Variable& parameter, const std::vector<double>& numbers) {
  parameter.set_value(values(numbers, parameter.shape()));
}
}  // namespace

TEST_CASE("Linear is x W^T + b over the last axis, whatever stands before it") {
  nn::Linear layer{2, 3};
  set(layer.weight, {1, 2, 3, 4, 5, 6});
  set(layer.bias, {10, 20, 30});
  const Tensor x = values({1, 0, 0, 1, 1, 1, 2, 0}, {4, 2});
  const std::vector<double> expected = {11, 23, 35, 12, 24, 36, 13, 27, 41, 12, 26, 40};
  CHECK_CLOSE(layer(x).value(), values(expected, {4, 3}));
  CHECK_CLOSE(layer(x.reshape({2, 2, 2})).value(), values(expected, {2, 2, 3}));
  nn::Linear plain{2, 1, {.bias = false, .init = nn::ones()}};
  CHECK_CLOSE(plain(x).value(), values({1, 1, 2, 2}, {4, 1}));
}

TEST_CASE("Linear refuses another width, and points images to Flatten") {
  nn::Linear layer{64, 32};
  CHECK_ERROR(layer(Tensor::zeros({5, 8, 8, 1})),
              "[Linear(64, 32)] got an input of shape (5, 8, 8, 1), expected (batch, 64). "
              "Put nn::Flatten{} before it to use images as rows.");
  CHECK_ERROR(layer(Tensor::zeros({5, 63})), "[Linear(64, 32)] got an input of shape (5, 63), expected (batch, 64).");
  CHECK_ERROR(layer(Tensor::zeros({64})), "expected (batch, 64)");
}

TEST_CASE("Conv2d correlates, strides, pads with zeros and adds its bias to each channel") {
  nn::Conv2d layer{1, 2, 2, {.stride = 2, .padding = 1}};
  set(layer.weight, {1, 2, 3, 4, 1, 1, 1, 1});
  set(layer.bias, {100, 0});
  const Tensor x = values({1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 3, 3, 1});
  CHECK_CLOSE(layer(x).value(), values({104, 1, 118, 5, 136, 11, 177, 28}, {1, 2, 2, 2}));
}

TEST_CASE("Conv2d refuses input that is no image of its channels") {
  nn::Conv2d layer{3, 4, 3};
  CHECK(test::error_of([&] { layer(Tensor::zeros({2, 8, 8, 1})); }) ==
        "[Conv2d(3, 4, 3)] got an input of shape (2, 8, 8, 1), expected images (batch, height, width, 3).");
  CHECK_ERROR(layer(Tensor::zeros({2, 12})), "expected images (batch, height, width, 3)");
}

TEST_CASE("Embedding looks up a row of its weight for each number, in the shape of the numbers") {
  nn::Embedding layer{3, 2};
  set(layer.weight, {1, 2, 3, 4, 5, 6});
  CHECK_CLOSE(layer(Tensor::from<int64_t>({2, 0, 2, 1}, {2, 2})).value(), values({5, 6, 1, 2, 5, 6, 3, 4}, {2, 2, 2}));
  CHECK_CLOSE(layer(Tensor::from<int32_t>({1}, {1})).value(), values({3, 4}, {1, 2}));
  CHECK_ERROR(layer(Tensor::from<int64_t>({0, 3}, {2})), "3");
  CHECK_ERROR(layer(Tensor::zeros({2})), "int32 or int64");
}

TEST_CASE("Conv1d correlates along a sequence, strides, pads both ends with zeros and adds its bias") {
  nn::Conv1d layer{2, 1, 2, {.stride = 2, .padding = 1}};
  set(layer.weight, {1, 10, 2, 20});  // [out, kernel, in]
  set(layer.bias, {100});
  const Tensor x = values({1, 2, 3, 4, 5, 6, 7, 8}, {1, 4, 2});
  CHECK_CLOSE(layer(x).value(), values({100 + 42, 100 + 43 + 2 * 65, 100 + 87}, {1, 3, 1}));
  CHECK_ERROR(
      layer(Tensor::zeros({2, 4, 1})),
      "[Conv1d(2, 1, 2, stride 2, padding 1)] got an input of shape (2, 4, 1), expected sequences (batch, length, 2).");
  CHECK_ERROR((nn::Conv1d{1, 1, 5, {.padding = 1}}(Tensor::zeros({2, 2, 1}))),
              "got sequences of length 2, expected at least 3.");
}

TEST_CASE("ConvTranspose2d spreads each pixel over a window, and output_padding adds rows that nothing reaches") {
  nn::ConvTranspose2d layer{1, 1, 2, {.stride = 2, .output_padding = 1}};
  set(layer.weight, {1, 2, 3, 4});
  set(layer.bias, {100});
  const std::vector<double> expected = {101, 102, 110, 120, 100, 103, 104, 130, 140, 100, 100, 100, 100, 100, 100};
  CHECK_CLOSE(layer(values({1, 10}, {1, 1, 2, 1})).value(), values(expected, {1, 3, 5, 1}));
  nn::ConvTranspose2d cropped{1, 1, 3, {.padding = 1, .bias = false}};
  set(cropped.weight, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK_CLOSE(cropped(values({1}, {1, 1, 1, 1})).value(), values({5}, {1, 1, 1, 1}));
  CHECK_ERROR((nn::ConvTranspose2d{1, 1, 2, {.stride = 2, .output_padding = 2}}),
              "[ConvTranspose2d] got output_padding 2 with stride 2, expected 0 to 1.");
  CHECK_ERROR(layer(Tensor::zeros({1, 2, 2, 3})), "expected images (batch, height, width, 1)");
  CHECK_ERROR((nn::ConvTranspose2d{1, 1, 1, {.padding = 1}}(Tensor::zeros({1, 2, 2, 1}))), "nothing is left");
}

TEST_CASE("layers of images refuse (batch, channels, height, width) and name both readings of its shape") {
  const Tensor x = Tensor::zeros({2, 3, 8, 9});
  const std::string readings =
      ", expected images (batch, height, width, 3). Read as (batch, height, width, channels), these are 3 x 8 pixels "
      "of 9 channels; read as (batch, channels, height, width), 8 x 9 pixels of 3 channels. If the second is meant, "
      "put the channels last first: permute(x, {0, 2, 3, 1}).";
  CHECK_ERROR((nn::Conv2d{3, 4, 3}(x)), "[Conv2d(3, 4, 3)] got an input of shape (2, 3, 8, 9)" + readings);
  CHECK_ERROR((nn::BatchNorm2d{3}(x)), "[BatchNorm2d(3)] got an input of shape (2, 3, 8, 9)" + readings);
  CHECK_ERROR((*nn::make_model("resnet20", {8, 9, 3}, 2))(x), readings);
  CHECK_ERROR((*nn::make_model("wrn10-1", {8, 9, 3}, 2))(x), readings);
  CHECK_ERROR((*nn::make_model("cnn", {8, 9, 3}, 2))(x), readings);
  CHECK_ERROR((*nn::make_model("lenet", {18, 19, 3}, 2))(Tensor::zeros({2, 3, 18, 19})),
              "18 x 19 pixels of 3 channels");
}

TEST_CASE("layers refuse impossible extents") {
  CHECK_ERROR((nn::Linear{0, 3}), "[Linear] got in 0, expected at least 1.");
  CHECK_ERROR((nn::Linear{3, -1}), "[Linear] got out -1, expected at least 1.");
  CHECK_ERROR((nn::Conv2d{1, 1, 0}), "[Conv2d] got kernel 0, expected at least 1.");
  CHECK_ERROR((nn::Conv2d{1, 1, 3, {.stride = 0}}), "[Conv2d] got stride 0, expected at least 1.");
  CHECK_ERROR((nn::Conv2d{1, 1, 3, {.padding = -1}}), "[Conv2d] got padding -1, expected at least 0.");
  CHECK_ERROR((nn::LayerNorm{0}), "[LayerNorm] got features 0, expected at least 1.");
  CHECK_ERROR((nn::MaxPool2d{0}), "[MaxPool2d] got kernel 0, expected at least 1.");
  CHECK_ERROR((nn::AvgPool2d{3, {.padding = 2}}),
              "[AvgPool2d] got padding 2, expected at most half the kernel, which is 3. "
              "A window would lie in the padding altogether.");
}

TEST_CASE("a negative epsilon is refused by every normalisation, layers and functions") {
  const Variable x(Tensor::zeros({2, 3})), weight(Tensor::full({3}, 1)), bias(Tensor::zeros({3}));
  const core::Moments moments = core::channel_moments(x.value());
  for (const double epsilon : {-1.0, -1e-12, double(NAN)}) {
    const std::string complaint = text("got epsilon ", epsilon, ", expected a number >= 0");
    CHECK_ERROR(nn::LayerNorm(3, epsilon), "[LayerNorm] " + complaint);
    CHECK_ERROR(nn::GroupNorm(1, 3, epsilon), "[GroupNorm] " + complaint);
    CHECK_ERROR(nn::BatchNorm1d(3, {.epsilon = epsilon}), "[BatchNorm1d] " + complaint);
    CHECK_ERROR(batch_norm(x, weight, bias, epsilon), "[batch_norm] " + complaint);
    CHECK_ERROR(normalise(x, moments, weight, bias, epsilon), "[normalise] " + complaint);
  }
  CHECK(nn::LayerNorm(3, 0).epsilon == 0);
}

TEST_CASE("layers describe themselves with what sets them apart") {
  CHECK(nn::Conv2d{1, 2, 3, {.stride = 2, .padding = 1}}.describe() == "Conv2d(1, 2, 3, stride 2, padding 1)");
  CHECK(nn::MaxPool2d{2}.describe() == "MaxPool2d(2)");
  CHECK(nn::AvgPool2d{3, {.stride = 2, .padding = 1}}.describe() == "AvgPool2d(3, stride 2, padding 1)");
  CHECK(nn::Dropout{0.25}.describe() == "Dropout(0.25)");
  CHECK(nn::LayerNorm{7}.describe() == "LayerNorm(7)");
  CHECK(nn::GroupNorm{2, 6}.describe() == "GroupNorm(2, 6)");
  CHECK(nn::Embedding{5, 3}.describe() == "Embedding(5, 3)");
  CHECK(nn::ConvTranspose2d{1, 2, 3, {.stride = 2, .output_padding = 1}}.describe() ==
        "ConvTranspose2d(1, 2, 3, stride 2, output padding 1)");
}

TEST_CASE("LayerNorm gives every row mean 0 and variance 1 before its weight and bias") {
  nn::LayerNorm layer{4, 0};
  set(layer.weight, {1, 1, 1, 2});
  set(layer.bias, {0, 0, 0, 5});
  const double r = std::sqrt(5.0);  // (1, 2, 3, 4) has mean 2.5, variance 1.25
  const std::vector<double> row = {-3 / r, -1 / r, 1 / r, 2 * 3 / r + 5};
  std::vector<double> expected = row;
  expected.insert(expected.end(), row.begin(), row.end());
  CHECK_CLOSE(layer(values({1, 2, 3, 4, 10, 20, 30, 40}, {2, 4})).value(), values(expected, {2, 4}), {1e-5, 1e-6});
  CHECK_ERROR(layer(Tensor::zeros({2, 3})), "[LayerNorm(4)] got an input of shape (2, 3), expected a last axis of 4.");
}

TEST_CASE("GroupNorm normalises each sample and each group of channels by itself") {
  nn::GroupNorm layer{2, 4, 0};
  set(layer.weight, {1, 1, 1, 2});
  set(layer.bias, {0, 0, 0, 5});
  const double r = std::sqrt(5.0);  // (1, 2, 3, 4) has mean 2.5, variance 1.25; so has each group of two pixels here
  const Tensor x = values({1, 2, 10, 20, 3, 4, 30, 40}, {1, 2, 4});
  CHECK_CLOSE(layer(x).value(), values({-3 / r, -1 / r, -3 / r, 5 - 2 / r, 1 / r, 3 / r, 1 / r, 5 + 6 / r}, {1, 2, 4}),
              {1e-5, 1e-6});
  const Tensor both = core::concatenate({core::unary(core::UnaryOp::affine, x, 3, 7), x}, 0);
  CHECK_CLOSE(layer(both).value().slice(0, 1), layer(x).value(), {1e-5, 1e-6});
  CHECK_CLOSE(layer(both).value().slice(1, 2), layer(x).value(), {1e-5, 1e-6});
  CHECK_ERROR(layer(Tensor::zeros({2, 3})),
              "[GroupNorm(2, 4)] got an input of shape (2, 3), expected (batch, ..., 4).");
  CHECK_ERROR(layer(Tensor::zeros({2, 4, 5, 3})), core::layout_hint({2, 4, 5, 3}, 4));
  REQUIRE(core::layout_hint({2, 4, 5, 3}, 4) != "");
  const Variable nothing = layer(Tensor::zeros({0, 3, 4}));
  CHECK(nothing.shape() == Shape{0, 3, 4});
  sum(nothing).backward();
  CHECK_SAME_BITS(layer.weight.grad(), Tensor::zeros({4}));
  CHECK_SAME_BITS(layer.bias.grad(), Tensor::zeros({4}));
  CHECK_ERROR((nn::GroupNorm{4, 6}), "[GroupNorm] got 6 channels in 4 groups, expected groups of one size.");
}

TEST_CASE("LayerNorm is right in float32 where the mean is ten thousand deviations from zero, gradients included") {
  const Tensor x = core::unary(core::UnaryOp::affine, Generator{3}.normal({16, 100}), 1, 1e4);
  const auto results = [](nn::LayerNorm layer, const Tensor& data) {
    layer.to(data.dtype());
    Variable in(data, requires_grad);
    const Variable y = layer(in);
    const Variable ramp(core::unary(core::UnaryOp::affine, Generator{4}.normal({16, 100}), 1, 0).to(data.dtype()));
    const auto gradients = grad(sum(square(y) * ramp), {in, layer.weight});
    return std::vector<Tensor>{y.value(), gradients[0].value(), gradients[1].value()};
  };
  const auto got = results(nn::LayerNorm{100}, x), expected = results(nn::LayerNorm{100}, x.to(DType::float64));
  for (size_t i = 0; i < got.size(); ++i) CHECK_CLOSE(got[i], expected[i], {1e-4, 2e-5});
}

TEST_CASE("GlobalAvgPool and BatchNorm in eval mode are right in float32 where all numbers are about 10,000") {
  const Tensor x = core::unary(core::UnaryOp::affine, Generator{3}.normal({4, 13, 11, 3}), 1, 1e4);
  const Tensor exact = x.to(DType::float64);
  CHECK_CLOSE(nn::GlobalAvgPool{}(x).value(), nn::GlobalAvgPool{}(exact).value(), {4e-7, 0});
  nn::BatchNorm2d layer{3, {.momentum = 1}};
  layer(x);
  layer.eval();
  nn::BatchNorm2d wide = nn::clone(layer);
  wide.to(DType::float64);
  CHECK_CLOSE(layer(x).value(), wide(exact).value(), {1e-5, 1e-6});
}

TEST_CASE("Flatten puts the channels of an image first, as PyTorch's, and leaves everything else in order") {
  nn::Flatten layer;
  const Tensor x = values({1, 10, 2, 20, 3, 30, 4, 40}, {1, 2, 2, 2});  // pixels 1 to 4, and ten times that
  CHECK_SAME_BITS(layer(x).value(), values({1, 2, 3, 4, 10, 20, 30, 40}, {1, 8}));
  CHECK_SAME_BITS(layer(x.reshape({1, 4, 2})).value(), x.reshape({1, 8}));
  for (const Shape& shape : {Shape{1, 8, 1, 1}, Shape{1, 1, 8, 1}, Shape{1, 1, 1, 8}, Shape{1, 2, 4, 1}})
    CHECK(layer(x.reshape(shape)).value().shares_storage_with(x));  // nothing to move: a view
}

TEST_CASE("Flatten keeps the batch and joins the rest, also when the batch is empty") {
  nn::Flatten layer;
  CHECK(layer(Tensor::zeros({5, 2, 3, 4})).shape() == Shape{5, 24});
  CHECK(layer(Tensor::zeros({0, 2, 3})).shape() == Shape{0, 6});
  CHECK(layer(Tensor::zeros({5})).shape() == Shape{5, 1});
  CHECK_ERROR(layer(Tensor::zeros({})), "[Flatten] got an input of shape ()");
}

TEST_CASE("activations compute their functions") {
  const std::vector<double> x = {-2, -0.5, 0, 1, 3};
  const auto check = [&](nn::AnyModule layer, double (*f)(double)) {
    std::vector<double> expected;
    for (double v : x) expected.push_back(f(v));
    CHECK_CLOSE((*layer)(Tensor::from(x)).value().to_vector<double>(), expected, {1e-12, 1e-15});
  };
  check(nn::ReLU{}, [](double v) { return v > 0 ? v : 0.0; });
  check(nn::GELU{}, [](double v) { return v * 0.5 * (1 + std::erf(v / std::sqrt(2.0))); });
  check(nn::Tanh{}, [](double v) { return std::tanh(v); });
  check(nn::Sigmoid{}, [](double v) { return 1 / (1 + std::exp(-v)); });
  check(nn::Identity{}, [](double v) { return v; });
}

TEST_CASE("pooling windows stride by their size unless told otherwise") {
  const Tensor x = values({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, {1, 4, 4, 1});
  CHECK_CLOSE(nn::MaxPool2d{2}(x).value(), values({6, 8, 14, 16}, {1, 2, 2, 1}));
  CHECK_CLOSE(nn::AvgPool2d{2}(x).value(), values({3.5, 5.5, 11.5, 13.5}, {1, 2, 2, 1}));
  CHECK_CLOSE(nn::MaxPool2d(3, {.stride = 1})(x).value(), values({11, 12, 15, 16}, {1, 2, 2, 1}));
  CHECK_CLOSE(nn::AvgPool2d(2, {.padding = 1})(x).value(),
              values({0.25, 1.25, 1, 3.5, 8.5, 5, 3.25, 7.25, 4}, {1, 3, 3, 1}));
  const Tensor two = values({1, 10, 2, 10, 3, 10, 6, 14}, {1, 2, 2, 2});
  CHECK_CLOSE(nn::GlobalAvgPool{}(two).value(), values({3, 11}, {1, 2}));
  CHECK_ERROR(nn::GlobalAvgPool{}(Tensor::zeros({2, 3})), "[GlobalAvgPool] got an input of shape (2, 3)");
}

TEST_CASE("Residual adds the shortcut, and refuses sides of different shape") {
  nn::Residual plain{nn::Linear{2, 2, {.bias = false, .init = nn::ones()}}};
  CHECK_CLOSE(plain(values({1, 2}, {1, 2})).value(), values({4, 5}, {1, 2}));
  nn::Residual projected{nn::Linear{2, 1, {.bias = false, .init = nn::ones()}},
                         nn::Linear{2, 1, {.bias = false, .init = nn::constant(10)}}};
  CHECK_CLOSE(projected(values({1, 2}, {1, 2})).value(), values({33}, {1, 1}));
  nn::Residual wrong{nn::Linear{2, 1}};
  CHECK_ERROR(wrong(Tensor::zeros({3, 2})),
              "[Residual] got a body that gives (3, 1) and a shortcut that gives (3, 2), expected equal shapes.");
  CHECK_ERROR(nn::Residual(nn::AnyModule{}), "[Residual] got an empty AnyModule");
}

TEST_CASE("Dropout zeroes its share, keeps the mean, and does nothing in eval mode") {
  manual_seed(4);
  nn::Dropout layer{0.3};
  const Tensor x = Tensor::full({100, 200}, 1);
  const std::vector<double> y = layer(x).value().to_vector<double>();
  double zeros = 0, scaled = 0;
  for (double v : y) zeros += v == 0, scaled += std::abs(v - 1 / 0.7) < 1e-6;
  CHECK(zeros + scaled == 20000);
  CHECK(std::abs(zeros / 20000 - 0.3) < 0.01);
  layer.eval();
  CHECK_SAME_BITS(layer(x).value(), x);
  CHECK_ERROR(nn::Dropout{1}, "[Dropout] got probability 1, expected a number in [0, 1).");
  CHECK_ERROR(nn::Dropout{-0.1}, "[Dropout] got probability -0.1");
}

TEST_CASE("dropout replays when the generator's value is restored, through all layers of a model") {
  manual_seed(5);
  nn::Sequential model{nn::Linear{8, 16}, nn::Dropout{0.5}, nn::ReLU{}, nn::Dropout{0.2}, nn::Linear{16, 4}};
  const Tensor x = default_generator().normal({6, 8});
  const Generator saved = default_generator();
  const Tensor first = model(x).value(), second = model(x).value();
  CHECK(test::bit_difference(first, second) != "");
  default_generator() = saved;
  CHECK_SAME_BITS(model(x).value(), first);
  CHECK_SAME_BITS(model(x).value(), second);
}

TEST_CASE("a layer and the ReLU after it give the same bits in one pass as in two, and the same gradients") {
  const Tensor rows = default_generator().normal({6, 5}), images = default_generator().normal({2, 6, 5, 3});
  const auto compare = [](nn::AnyModule layer, const Tensor& input) {
    for (const bool training : {true, false}) {
      nn::Sequential together{layer, nn::ReLU{}};
      together.train(training);
      layer->train(training);
      Variable x(input, requires_grad);
      const Variable one = together(x), two = relu((*layer)(x));
      CHECK_SAME_BITS(one.value(), two.value());
      std::vector<Variable> asked = layer->parameters();
      asked.push_back(x);
      const Variable seed(default_generator().normal(one.shape()));
      const auto a = grad({one}, asked, {.grad_outputs = {seed}}), b = grad({two}, asked, {.grad_outputs = {seed}});
      for (size_t i = 0; i < a.size(); ++i) CHECK_CLOSE(a[i].value(), b[i].value(), 1e-5, 1e-6);
    }
  };
  compare(nn::Linear{5, 7}, rows);
  compare(nn::Conv2d{3, 4, 3, {.padding = 1}}, images);
  compare(nn::Conv2d{3, 4, 2, {.stride = 2, .bias = false}}, images);
  compare(nn::BatchNorm2d{3}, images);
  compare(nn::BatchNorm1d{5}, rows);
  compare(nn::Tanh{}, rows);  // a layer that leaves the ReLU to others
  compare(nn::Sequential{nn::Flatten{}, nn::Linear{90, 4}}, images);
}
