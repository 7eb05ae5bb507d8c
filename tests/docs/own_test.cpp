// The code of the pages "an op, a layer, a data set of your own", as a program outside the library would have it, and
// what it must do. (An optimizer and a direction: tests/optim. A lab: own_lab.cpp.)
#include <cmath>
#include <sstream>

#include "minima.h"
#include "testing.h"
#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::test;
using autograd::Context, autograd::Gradients, autograd::record, autograd::saved;

namespace {

/// x * sigmoid(x), with a rule of its own (Ramachandran et al., 2017).
Variable swish(const Variable& x) {
  const Tensor gate = core::unary(core::UnaryOp::sigmoid, x.value());
  return record("swish", core::binary(core::BinaryOp::multiply, x.value(), gate), {saved(x)}, [](const Context& c) {
    const Variable x = c.input(0), gate = sigmoid(x);
    return c.grad * (gate + x * gate * (1 - gate));
  });
}

/// The same as a composition: the rules of its ops are enough.
Variable swish_composed(const Variable& x) { return x * sigmoid(x); }

/// Scales each sample to a root mean square of 1, then by a weight for each feature (Zhang and Sennrich, 2019).
/// x [batch, features] -> [batch, features]
struct RmsNorm : nn::Module {
  Variable weight;  ///< [features], starting at 1
  double epsilon;

  explicit RmsNorm(int64_t features, double epsilon = 1e-6)
      : weight(Tensor::full({features}, 1), requires_grad), epsilon(epsilon) {}
  Variable forward(const Variable& x) override {
    if (x.size(-1) != weight.numel())
      fail(describe(), text("an input of shape ", x.shape()), text("(batch, ", weight.numel(), ")"));
    return x / sqrt(mean(square(x), -1, keep_dims) + epsilon) * weight;
  }
  void visit(nn::Visitor& visitor) override { visitor("weight", weight); }
  std::string describe() const override { return text("RmsNorm(", weight.numel(), ")"); }
};

/// Whether a point lies in one of two rings: 2 features, 2 classes. Made by a formula: it needs no file.
datasets::Split rings(int64_t samples, uint64_t seed) {
  const std::vector<float> noise = Generator{seed}.normal({samples, 2}, 0, 0.1).to_vector<float>();
  std::vector<float> values;
  std::vector<int32_t> labels;
  for (int64_t i = 0; i < samples; ++i) {
    const auto label = static_cast<int32_t>(i % 2);
    const double angle = 2 * 3.14159265358979 * static_cast<double>(i) / static_cast<double>(samples);
    const auto radius = static_cast<float>(1 + label);
    values.push_back(radius * static_cast<float>(std::cos(angle)) + noise[static_cast<size_t>(2 * i)]);
    values.push_back(radius * static_cast<float>(std::sin(angle)) + noise[static_cast<size_t>(2 * i + 1)]);
    labels.push_back(label);
  }
  return datasets::Dataset::from_values(values, {2}, labels, {"inner", "outer"}).split(0.25, seed);
}

}  // namespace

TEST_CASE("an op of one's own has the derivatives of central differences, first and second, and of its composition") {
  const Variable x(Tensor::from(std::vector<double>{-3, -0.5, 0.2, 2.5}), requires_grad);
  CHECK(testing::gradcheck([](const auto& in) { return swish(in[0]); }, {x}) == "");
  CHECK(testing::gradgradcheck([](const auto& in) { return swish(in[0]); }, {x}) == "");
  CHECK_CLOSE(swish(x).value(), swish_composed(x).value(), {.rtol = 1e-15});
}

TEST_CASE("a layer of one's own normalises, is trained, named, converted and saved like the others") {
  manual_seed(1);
  nn::Sequential model{nn::Linear{2, 16}, RmsNorm{16}, nn::Tanh{}, nn::Linear{16, 2}};
  CHECK(model.named_parameters()[2].first == "1.weight");
  CHECK(contains(model.summary(), "RmsNorm(16)"));
  RmsNorm layer{3};
  layer.to(DType::float64);
  const Variable x(Tensor::from(std::vector<double>{3, -1, 2, 0.1, 0.2, -0.3}, {2, 3}), requires_grad);
  CHECK(testing::gradcheck([&](const auto& in) { return layer(in[0]); }, {x, layer.weight}) == "");
  CHECK_CLOSE(mean(square(layer(x)), -1).value(), Tensor::from(std::vector<double>{1, 1}), {.rtol = 1e-4});
  CHECK_ERROR(layer(Variable(Tensor::zeros({2, 4}, DType::float64))), "[RmsNorm(3)] got an input of shape (2, 4)");
  TemporaryFolder folder;
  nn::save(model, folder.file("model.safetensors"));
  nn::Sequential loaded{nn::Linear{2, 16}, RmsNorm{16}, nn::Tanh{}, nn::Linear{16, 2}};
  nn::load(loaded, folder.file("model.safetensors"));
  const Tensor points = rings(8, 1).train.all().x;
  CHECK_SAME_BITS(model(points).value(), loaded(points).value());
}

TEST_CASE("a data set of one's own trains a network, the same for the same seed") {
  const auto [train, test] = rings(400, 7);
  CHECK(train.size() + test.size() == 400);
  CHECK(train.class_names()[1] == "outer");
  CHECK_SAME_BITS(train.all().x, rings(400, 7).train.all().x);
  manual_seed(2);
  nn::Sequential model{nn::Linear{2, 16}, nn::Tanh{}, nn::Linear{16, 2}};
  optim::MSAM optimizer{optim::SGD{model.parameters(), {.lr = 0.1, .momentum = 0.9}}, {.rho = 0.1}};
  const datasets::Loader batches{train, {.batch_size = 50, .seed = 3}};
  for (int epoch = 0; epoch < 30; ++epoch)
    for (const auto& [x, y] : batches.epoch(epoch)) {
      const Tensor points = x, labels = y;
      optimizer.step([&] {
        Variable loss = nn::cross_entropy(model(points), labels);
        loss.backward();
        return loss;
      });
    }
  const datasets::Batch all = test.all();
  CHECK(nn::accuracy(model(all.x), all.y) > 0.95);
}

TEST_CASE("a lab of one's own asks first, trains, states its figure and has a report") {
  TemporaryFolder folder;
  const Outcome outcome = run(folder, {MINIMA_OWN_LAB, "--quick", "--check", "--data", "digits", "--model", "mlp:16",
                                       "--threads", "1", "--out", folder.file("out")});
  CHECK_MESSAGE(outcome.status == 0, outcome.output);
  for (const char* part : {"Predict first: Does SGD end", "momentum 0.9", "What would refute this"})
    CHECK_MESSAGE(contains(outcome.output, part), outcome.output);
  CHECK(std::filesystem::exists(folder.file("out/report.html")));
}
