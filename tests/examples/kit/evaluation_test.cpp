// Balanced accuracy, calibration, confusion, R2 and sizes by default, against numbers worked out by hand.
#include "examples/kit/evaluation.h"

#include "examples/kit/data.h"
#include "tests/check.h"

using namespace minima;
using namespace minima::examples;

TEST_CASE("a classifier's quality is what its counts say") {
  // Probabilities of the first of two classes: sigmoid of the difference of the logits.
  const auto logits = [](double p) { return static_cast<float>(std::log(p / (1 - p))); };
  const std::vector<float> outputs{logits(0.9), 0, logits(0.9), 0, logits(0.7), 0, logits(0.2), 0};
  const Quality q = quality_of(outputs, {0, 0, 1, 1}, 2);
  CHECK(q.confusion == std::vector<int64_t>{2, 0, 1, 1});
  CHECK_CLOSE(q.accuracy, 0.75, {});
  CHECK_CLOSE(q.balanced_accuracy, 0.75, {});
  // 0.9 twice, both right; 0.7, wrong; 0.8, right: 0.2 + 0.7 + 0.2 of four.
  CHECK_CLOSE(q.calibration_error, 1.1 / 4, {.rtol = 1e-5});
  CHECK_CLOSE(q.loss, -(2 * std::log(0.9) + std::log(0.3) + std::log(0.8)) / 4, {.rtol = 1e-5});
  const Quality skewed = quality_of({1, 0, 1, 0, 1, 0, 1, 0}, {0, 0, 0, 1}, 2);
  CHECK_CLOSE(skewed.accuracy, 0.75, {});
  CHECK_CLOSE(skewed.balanced_accuracy, 0.5, {});
  CHECK_CLOSE(quality_of({1, 0, 0}, {0}, 3).balanced_accuracy, 1, {});
}

TEST_CASE("R2 is 1 for what is exact, and 0 for the mean") {
  CHECK_CLOSE(fit_of({1, 2, 3}, {1, 2, 3}).r2, 1, {});
  CHECK_CLOSE(fit_of({2, 2, 2}, {1, 2, 3}).r2, 0, {.atol = 1e-12});
  CHECK(std::isnan(fit_of({1, 2}, {3, 3}).r2));  // nothing to explain
  CHECK(std::isnan(fit_of({1}, {3}).r2));
  CHECK_CLOSE(fit_of({1, 2, 4}, {1, 2, 3}).mean_squared_error, 1.0 / 3, {});
}

TEST_CASE("the loss of quantities is the squared error, that of classes cross entropy") {
  const Variable outputs(Tensor::from<float>({1, 3}).reshape({2, 1}));
  CHECK_CLOSE(loss_of(outputs, Tensor::from<float>({0, 5})).item(), 2.5, {});
  CHECK(losses_of(outputs, Tensor::from<float>({0, 5})).value().to_vector<double>() == std::vector<double>{1, 4});
  const Variable logits(Tensor::zeros({2, 4}));
  CHECK_CLOSE(loss_of(logits, Tensor::from<int64_t>({0, 3})).item(), std::log(4), {});
}

TEST_CASE("batch and epochs follow the size: at least ten steps an epoch, about 700 in all") {
  CHECK(default_batch(1437) == 64);
  CHECK(default_epochs(1437, 64) == 30);
  CHECK(default_batch(100) == 8);
  CHECK(default_epochs(100, 8) == 54);
  CHECK(default_batch(5) == 5);
  CHECK(default_epochs(5, 5) == 100);
  CHECK(default_epochs(1000000, 64) == 10);
}

TEST_CASE("a model's layers are found with their weights and biases, and its norm layers besides") {
  nn::Sequential model{nn::Conv2d{1, 4, 3}, nn::BatchNorm2d{4}, nn::ReLU{}, nn::Flatten{}, nn::Linear{4, 3}};
  const optim::Layers layers = layers_of(model);
  const auto names = [&](const std::vector<Variable>& parameters) {
    std::string all;
    for (const Variable& parameter : parameters)
      for (const auto& [name, named] : model.named_parameters())
        if (named.node() == parameter.node()) all += name + " ";
    return all;
  };
  REQUIRE(layers.layers.size() == 3);
  CHECK(names(layers.layers[0]) == "0.weight 0.bias ");
  CHECK(names(layers.layers[1]) == "1.weight 1.bias ");
  CHECK(names(layers.layers[2]) == "4.weight 4.bias ");
  CHECK(names(layers.norms) == "1.weight 1.bias ");
  CHECK(names(layers.biases) == "0.bias 4.bias ");
}
