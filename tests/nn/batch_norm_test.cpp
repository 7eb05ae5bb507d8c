// Batch normalisation: which statistics are used, which are kept, when they stand still, and their recalibration.
#include "nn/batch_norm.h"

#include "autograd/ops.h"
#include "core/ops.h"
#include "core/random.h"
#include "nn/containers.h"
#include "nn/layers.h"
#include "nn/models.h"
#include "tests/check.h"

using namespace minima;

namespace {

// Two channels over three rows: means 2 and 20, biased variances 2/3 and 200/3, unbiased 1 and 100.
const Tensor batch = Tensor::from<float>({1, 10, 2, 20, 3, 30}, {3, 2});

std::vector<Tensor> copies_of_buffers(nn::Module& model) {
  std::vector<Tensor> copies;
  for (const auto& [name, buffer] : model.named_buffers()) copies.push_back(buffer.clone());
  return copies;
}

}  // namespace

TEST_CASE("training normalises by the batch and moves the running statistics a tenth of the way, variance unbiased") {
  nn::BatchNorm1d layer{2, {.epsilon = 0}};
  const double r = std::sqrt(1.5);
  CHECK_CLOSE(layer(batch).value().to_vector<double>(), (std::vector<double>{-r, -r, 0, 0, r, r}), {1e-6, 1e-6});
  CHECK_CLOSE(layer.running_mean.to_vector<double>(), (std::vector<double>{0.2, 2}), {1e-6});
  CHECK_CLOSE(layer.running_var.to_vector<double>(), (std::vector<double>{0.9 + 0.1 * 1, 0.9 + 0.1 * 100}), {1e-6});
  CHECK(layer.num_batches_tracked.item() == 1);
  layer(batch);
  CHECK_CLOSE(layer.running_mean.to_vector<double>(), (std::vector<double>{0.38, 3.8}), {1e-6});
  CHECK(layer.num_batches_tracked.item() == 2);
}

TEST_CASE("eval mode normalises by the running statistics and leaves them alone") {
  nn::BatchNorm1d layer{2, {.epsilon = 1}};
  layer.running_mean.copy_from(Tensor::from<float>({1, 10}));
  layer.running_var.copy_from(Tensor::from<float>({3, 99}));
  layer.weight.set_value(Tensor::from<float>({2, 1}));
  layer.bias.set_value(Tensor::from<float>({0, 5}));
  layer.eval();
  CHECK_CLOSE(layer(batch).value().to_vector<double>(), (std::vector<double>{0, 5, 1, 6, 2, 7}), {1e-6, 1e-6});
  CHECK(layer.num_batches_tracked.item() == 0);
  CHECK_CLOSE(layer.running_mean.to_vector<double>(), (std::vector<double>{1, 10}));
  CHECK_CLOSE(layer(batch.slice(0, 1)).value().to_vector<double>(), (std::vector<double>{0, 5}), {1e-6, 1e-6});
}

TEST_CASE("inside BatchStatisticsFrozen the output is the same and the running statistics stand still") {
  nn::BatchNorm1d layer{2}, frozen = nn::clone(layer);
  const Tensor y = layer(batch).value();
  {
    BatchStatisticsFrozen scope;
    CHECK_SAME_BITS(frozen(batch).value(), y);
    CHECK(frozen.num_batches_tracked.item() == 0);
    CHECK_CLOSE(frozen.running_mean.to_vector<double>(), (std::vector<double>{0, 0}));
    CHECK_CLOSE(frozen.running_var.to_vector<double>(), (std::vector<double>{1, 1}));
  }
  frozen(batch);
  CHECK(frozen.num_batches_tracked.item() == 1);
}

TEST_CASE("images are normalised over batch, height and width") {
  nn::BatchNorm2d layer{3};
  const Tensor x = Generator{31}.normal({4, 5, 6, 3}, 2, 3);
  const Tensor y = layer(x).value();
  const auto [mean, variance] = core::channel_moments(y);
  CHECK_CLOSE(mean.to_vector<double>(), (std::vector<double>{0, 0, 0}), {0, 1e-6});
  CHECK_CLOSE(variance.to_vector<double>(), (std::vector<double>{1, 1, 1}), {1e-5});
  const auto [x_mean, x_variance] = core::channel_moments(x);
  CHECK_CLOSE(layer.running_mean, core::unary(core::UnaryOp::affine, x_mean, 0.1, 0), {1e-6});
  CHECK_CLOSE(layer.running_var, core::unary(core::UnaryOp::affine, x_variance, 0.1 * 120 / 119, 0.9), {1e-6});
}

TEST_CASE("rows with a length, (batch, length, features), are normalised over batch and length together") {
  nn::BatchNorm1d layer{3}, rows = nn::clone(layer);
  const Tensor x = Generator{32}.normal({4, 5, 3}, 2, 3);
  CHECK_SAME_BITS(layer(x).value().reshape({20, 3}), rows(x.reshape({20, 3})).value());
  CHECK_SAME_BITS(layer.running_var, rows.running_var);
}

TEST_CASE("running statistics of float32 data are right where the mean is ten thousand deviations from zero") {
  nn::BatchNorm1d layer{2, {.momentum = 1}};
  const Tensor x = core::unary(core::UnaryOp::affine, Generator{33}.normal({500, 2}), 1, 1e4);
  layer(x);
  const std::vector<double> values = x.to_vector<double>();
  for (size_t c = 0; c < 2; ++c) {
    double mean = 0, variance = 0;
    for (size_t i = c; i < values.size(); i += 2) mean += values[i] / 500;
    for (size_t i = c; i < values.size(); i += 2) variance += std::pow(values[i] - mean, 2) / 499;
    CHECK_CLOSE(layer.running_mean.at(static_cast<int64_t>(c)), mean, {1e-7});
    CHECK_CLOSE(layer.running_var.at(static_cast<int64_t>(c)), variance, {1e-6});
  }
}

TEST_CASE("a backward pass through eval mode refuses statistics that moved since, instead of using them") {
  nn::BatchNorm1d layer{2};
  layer.to(DType::float64);
  const Tensor x = batch.to(DType::float64);
  layer.eval();
  const Variable y = layer(x);
  layer.train();
  layer(x);
  CHECK_ERROR(sum(y).backward(), "[normalise] got input 3 changed in place");
}

TEST_CASE("one value per channel has no variance: an error in training, fine in eval mode") {
  nn::BatchNorm1d rows{2};
  CHECK_ERROR(rows(Tensor::zeros({1, 2})),
              "[BatchNorm1d(2)] got 1 value per channel in a training batch of shape (1, 2), expected at least 2. "
              "Use a larger batch, or call eval() to use the running statistics.");
  CHECK_ERROR(rows(Tensor::zeros({0, 2})), "got 0 value per channel");
  CHECK(rows.num_batches_tracked.item() == 0);
  rows.eval();
  CHECK(rows(Tensor::zeros({1, 2})).shape() == Shape{1, 2});
  nn::BatchNorm2d images{2};
  CHECK(images(Tensor::zeros({1, 1, 2, 2})).shape() == Shape{1, 1, 2, 2});
}

TEST_CASE("batch norm refuses other ranks, other channels and impossible options") {
  CHECK_ERROR(nn::BatchNorm1d{3}(Tensor::zeros({2, 4})),
              "[BatchNorm1d(3)] got an input of shape (2, 4), expected (batch, 3) or (batch, length, 3).");
  CHECK_ERROR(nn::BatchNorm2d{3}(Tensor::zeros({2, 3})),
              "[BatchNorm2d(3)] got an input of shape (2, 3), expected images (batch, height, width, 3).");
  CHECK_ERROR(nn::BatchNorm1d{3}(Tensor::zeros({2, 4, 4, 3})), "[BatchNorm1d(3)]");
  CHECK_ERROR(nn::BatchNorm1d{0}, "[BatchNorm1d] got features 0, expected at least 1.");
  CHECK_ERROR((nn::BatchNorm1d{2, {.epsilon = -1}}), "[BatchNorm1d] got epsilon -1, expected a number >= 0.");
  CHECK_ERROR((nn::BatchNorm1d{2, {.momentum = 1.5}}), "[BatchNorm1d] got momentum 1.5, expected a number in [0, 1].");
}

TEST_CASE("recalibration leaves the plain average of the batches' statistics") {
  nn::Sequential model{nn::BatchNorm1d{2}};
  model(Tensor::from<float>({1000, 1, -1000, 2}, {2, 2}));                // to be forgotten
  model[0].named_buffers()[0].second.fill(NAN);                           // even this
  const Tensor second = Tensor::from<float>({5, 0, 5, 0, 8, 3}, {3, 2});  // means 6 and 1, unbiased variances 3 and 3
  nn::recalibrate_batch_norm(model, {batch, second});
  const auto buffers = model.named_buffers();
  CHECK_CLOSE(buffers[0].second.to_vector<double>(), (std::vector<double>{4, 10.5}), {1e-6});
  CHECK_CLOSE(buffers[1].second.to_vector<double>(), (std::vector<double>{2, 51.5}), {1e-6});
  CHECK(buffers[2].second.item() == 2);
}

TEST_CASE("recalibration changes statistics only: not weights, modes, momentum, gradients or the random stream") {
  manual_seed(6);
  nn::Sequential model{nn::Linear{2, 4}, nn::BatchNorm1d{4}, nn::Dropout{0.5}, nn::Linear{4, 2}};
  model.eval();
  model[2].train();
  std::vector<Tensor> weights;
  for (const Variable& parameter : model.parameters()) weights.push_back(parameter.value().clone());
  const Generator noise = default_generator();
  nn::recalibrate_batch_norm(model, {batch, batch});

  CHECK(default_generator().seed == noise.seed);
  CHECK(default_generator().offset == noise.offset);
  CHECK_FALSE(model[1].training);
  CHECK(model[2].training);
  CHECK(dynamic_cast<nn::BatchNorm1d&>(model[1]).momentum == 0.1);
  for (size_t i = 0; i < weights.size(); ++i) {
    CHECK_SAME_BITS(model.parameters()[i].value(), weights[i]);
    CHECK_FALSE(model.parameters()[i].grad().defined());
  }
}

TEST_CASE("recalibration runs in training mode and records no graph") {
  struct Probe : nn::Module {
    bool* recorded;
    int* calls;
    Variable forward(const Variable& x) override {
      *recorded = *recorded || grad_enabled();
      *calls += training;
      return x;
    }
  };
  bool recorded = false;
  int calls = 0;
  Probe probe;
  probe.recorded = &recorded, probe.calls = &calls;
  nn::Sequential model{nn::BatchNorm1d{2}, probe};
  model.eval();
  nn::recalibrate_batch_norm(model, {batch, batch});
  CHECK(calls == 2);
  CHECK_FALSE(recorded);
}

TEST_CASE("recalibration puts modes and statistics back after an error, and refuses what would leave no statistics") {
  nn::Sequential model{nn::BatchNorm1d{2}};
  model(batch);
  model.eval();
  CHECK_ERROR(nn::recalibrate_batch_norm(model, {}), "[recalibrate_batch_norm] got no batches, expected at least one");
  const std::vector<Tensor> before = copies_of_buffers(model);
  {
    BatchStatisticsFrozen frozen;
    CHECK_ERROR(nn::recalibrate_batch_norm(model, {batch}),
                "[recalibrate_batch_norm] got a call inside a BatchStatisticsFrozen");
  }
  for (size_t i = 0; i < before.size(); ++i) CHECK_SAME_BITS(copies_of_buffers(model)[i], before[i]);
  // The second batch fails when the first has changed the statistics already.
  CHECK_ERROR(nn::recalibrate_batch_norm(model, {batch, Tensor::zeros({3, 5})}), "[BatchNorm1d(2)]");
  for (size_t i = 0; i < before.size(); ++i) CHECK_SAME_BITS(copies_of_buffers(model)[i], before[i]);
  CHECK_FALSE(model[0].training);
  CHECK(dynamic_cast<nn::BatchNorm1d&>(model[0]).momentum == 0.1);
  CHECK(grad_enabled());
}

TEST_CASE("has_batch_norm finds it at any depth, and recalibrating without any is nothing to do") {
  nn::AnyModule with = nn::make_model("resnet20", {8, 8, 1}, 2), without = nn::make_model("mlp", {4}, 2);
  CHECK(nn::has_batch_norm(*with));
  CHECK_FALSE(nn::has_batch_norm(*without));
  nn::recalibrate_batch_norm(*without, {});
}
