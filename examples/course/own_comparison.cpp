// Assignment 9 of the course: a comparison of your own.
#include "examples/course/own_comparison.h"

#include <cmath>

#include "examples/kit/statistics.h"
#include "minima.h"

namespace minima::examples::course {

Design design() {
  // BEGIN SOLUTION 9
  return {.question = "At equal numbers of gradients, is the test loss of MSAM on the digits below that of SGD?",
          .first = {"msam", {{"lr", 0.05}, {"rho", 1}}},
          .second = {"sgd", {{"lr", 0.0707}}},
          .epochs_of_first = 20,
          .epochs_of_second = 20,
          .seeds = {1, 2, 3, 4, 5, 6}};
  // END SOLUTION
}

double test_loss_of(const Method& method, uint64_t seed, int64_t epochs) {
  // BEGIN SOLUTION 9
  manual_seed(seed);
  const auto [train, test] = datasets::digits();
  nn::Sequential model{nn::Flatten{}, nn::Linear{64, 32}, nn::ReLU{}, nn::Linear{32, 10}};
  optim::Settings settings;
  for (const auto& [name, value] : method.hyperparameters) settings.hyperparameters.emplace(name, value);
  const auto optimizer = optim::make_optimizer(method.name, model.parameters(), settings);
  const datasets::Loader batches{train, {.batch_size = 64, .seed = seed}};
  for (int64_t epoch = 0; epoch < epochs; ++epoch)
    for (const auto& [images, labels] : batches.epoch(epoch)) {
      const Tensor x = images, y = labels;
      optimizer->step([&] {
        Variable loss = nn::cross_entropy(model(x), y);
        loss.backward();
        return loss;
      });
    }
  model.eval();
  NoGrad no_grad;
  const datasets::Batch all = test.all();
  return nn::cross_entropy(model(all.x), all.y).item();
  // END SOLUTION
}

PairedInterval paired_interval(const std::vector<double>& a, const std::vector<double>& b) {
  // BEGIN SOLUTION 9
  const double n = static_cast<double>(a.size());
  double mean = 0, squares = 0;
  for (size_t i = 0; i < a.size(); ++i) mean += (a[i] - b[i]) / n;
  for (size_t i = 0; i < a.size(); ++i) squares += (a[i] - b[i] - mean) * (a[i] - b[i] - mean);
  if (a.size() < 2) return {mean, NAN};
  return {mean, student_t_975(static_cast<int>(a.size()) - 1) * std::sqrt(squares / (n - 1) / n)};
  // END SOLUTION
}

std::string verdict(const PairedInterval& difference) {
  // BEGIN SOLUTION 9
  if (difference.mean + difference.half_width < 0) return "first lower";
  if (difference.mean - difference.half_width > 0) return "second lower";
  return "not separated";
  // END SOLUTION
}

}  // namespace minima::examples::course
