// Assignment 8: batch norm, and what SAM and MSAM ask of it.
#include <cmath>

#include "examples/course/checks/checks.h"

namespace minima::examples::course {

namespace {

Tensor batch(uint64_t seed) { return Generator{seed}.normal({16, 3}, 1.5, 2); }

Numbers column(const Tensor& x, int64_t j) {
  Numbers values;
  const Numbers all = x.to(DType::float64).to_vector<double>();
  for (size_t i = static_cast<size_t>(j); i < all.size(); i += 3) values.push_back(all[i]);
  return values;
}

double mean(const Numbers& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

/// Unbiased.
double variance(const Numbers& values) {
  double sum = 0;
  for (const double value : values) sum += (value - mean(values)) * (value - mean(values));
  return sum / static_cast<double>(values.size() - 1);
}

Numbers numbers(const Tensor& x) { return x.to(DType::float64).to_vector<double>(); }

/// Running mean, running variance, batches.
Numbers statistics(const nn::BatchNorm& layer) {
  Numbers all = numbers(layer.running_mean);
  for (const double value : numbers(layer.running_var)) all.push_back(value);
  all.push_back(static_cast<double>(layer.num_batches_tracked.item()));
  return all;
}

}  // namespace

void check_batch_norm(Checks& checks) {
  checks.claim(10, "in training each channel of the output has mean 0 and variance 1", [] {
    nn::BatchNorm1d layer{3};
    const Tensor y = layer.forward(Variable(batch(1))).value();
    Numbers got;
    for (int64_t j = 0; j < 3; ++j) {
      const Numbers values = column(y, j);
      got.push_back(mean(values)), got.push_back(variance(values) * 15 / 16);
    }
    return differs(got, {0, 1, 0, 1, 0, 1}, 1e-4);
  });
  checks.claim(20, "running mean and running variance follow: a tenth of the batch's, the variance unbiased", [] {
    nn::BatchNorm1d layer{3};
    layer.forward(Variable(batch(1)));
    Numbers got, expected;
    for (int64_t j = 0; j < 3; ++j) {
      const Numbers values = column(batch(1), j);
      expected.push_back(0.1 * mean(values)), expected.push_back(0.9 + 0.1 * variance(values));
      got.push_back(layer.running_mean.at(j)), got.push_back(layer.running_var.at(j));
    }
    return differs(got, expected, 1e-5);
  });
  checks.claim(10, "batches are counted", [] {
    nn::BatchNorm1d layer{3};
    for (uint64_t i = 0; i < 4; ++i) layer.forward(Variable(batch(i)));
    return differs({static_cast<double>(layer.num_batches_tracked.item())}, {4}, 0);
  });
  checks.claim(5, "in eval mode the running statistics are used, and stay", [] {
    nn::BatchNorm1d layer{3};
    for (uint64_t i = 0; i < 9; ++i) layer.forward(Variable(batch(i)));
    const Numbers before = statistics(layer);
    layer.eval();
    const Tensor y = layer.forward(Variable(batch(20))).value();
    const double expected = (numbers(batch(20))[0] - before[0]) / std::sqrt(before[3] + 1e-5);
    const std::string problem = differs(statistics(layer), before, 0);
    if (before.back() != 9) return std::string("the statistics did not follow the training");
    return problem.empty() ? differs({numbers(y)[0]}, {expected}, 1e-4) : problem;
  });
  checks.claim(20, "within BatchStatisticsFrozen they stay, and the batch is still normalised by itself", [] {
    nn::BatchNorm1d layer{3};
    layer.forward(Variable(batch(1)));
    const Numbers before = statistics(layer);
    if (before.back() != 1) return std::string("outside of it they do not follow");
    BatchStatisticsFrozen frozen;
    const Tensor y = layer.forward(Variable(batch(2))).value();
    const std::string problem = differs(statistics(layer), before, 0);
    return problem.empty() ? differs({mean(column(y, 0))}, {0}, 1e-5) : problem;
  });
  checks.claim(10, "a step of SAM leaves the statistics that a step of SGD leaves", [] {
    const auto after = [](bool sam) {
      nn::BatchNorm1d layer{3};
      const auto closure = [&] {
        Variable loss = sum(square(layer.forward(Variable(batch(1))) - 0.5));
        loss.backward();
        return loss;
      };
      optim::SGD sgd{{layer.weight, layer.bias}, {.lr = 0.1}};
      if (sam)
        optim::SAM{std::move(sgd), {.rho = 0.5}}.step(closure);
      else
        sgd.step(closure);
      return statistics(layer);
    };
    const Numbers expected = after(false);
    return expected.back() == 1 ? differs(after(true), expected, 0) : "the statistics do not follow a step of SGD";
  });
  checks.claim(20, "recalibrate_batch_norm replaces the statistics by plain averages over all batches", [] {
    nn::Sequential model{nn::BatchNorm1d{3}};
    model(batch(50));  // statistics of other weights, to be forgotten
    std::vector<Tensor> batches;
    Numbers expected(3, 0);
    for (uint64_t i = 0; i < 5; ++i) {
      batches.push_back(batch(i));
      for (int64_t j = 0; j < 3; ++j) expected[static_cast<size_t>(j)] += mean(column(batches.back(), j)) / 5;
    }
    nn::recalibrate_batch_norm(model, batches);
    Numbers got;
    for (const auto& [name, buffer] : model.named_buffers())
      if (name.ends_with("running_mean")) got = numbers(buffer);
    return differs(got, expected, 1e-5);
  });
  checks.claim(5, "after it the mode and the layer's momentum are what they were, and the batches are counted", [] {
    nn::Sequential model{nn::BatchNorm1d{3}};
    model.eval();
    nn::recalibrate_batch_norm(model, {batch(1), batch(2)});
    Numbers counted;
    for (const auto& [name, buffer] : model.named_buffers())
      if (name.ends_with("num_batches_tracked")) counted.push_back(buffer.item());
    if (counted != Numbers{2}) return std::string("the batches are not counted");
    return model.training ? std::string("the model is in training mode") : std::string();
  });
}

}  // namespace minima::examples::course
