// What loading costs a training step: epochs of 50 steps on batches from the Loader, beside 50 steps on one batch that
// lies ready. Run with
//   bench_loader [WORKLOAD...] [--epochs N]
// on 6,400 images of Fashion-MNIST, as they are and with augmentation. The two take turns, and a line gives the median
// ratio with its quartiles. Not here: reading files.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "minima.h"

using namespace minima;

namespace {

using Clock = std::chrono::steady_clock;

void measure(const std::string& workload, const datasets::Dataset& data, const char* kind, int epochs) {
  manual_seed(0);
  nn::AnyModule model = nn::make_model(workload, data.input_shape(), data.classes());
  optim::SGD optimizer{model->parameters(), {.lr = .01, .momentum = .9}};
  const auto step = [&](const Tensor& images, const Tensor& labels) {
    optimizer.step([&] {
      Variable loss = nn::cross_entropy((*model)(images), labels);
      loss.backward();
      return loss;
    });
  };
  datasets::Loader batches{data, {.batch_size = 128, .seed = 1}};
  const std::vector<int64_t> some = batches.order(0);
  const datasets::Batch ready = data.batch({some.data(), 128});
  std::vector<double> ratios;
  for (int epoch = 0; epoch <= epochs; ++epoch) {
    int steps = 0;
    const auto start = Clock::now();
    for (auto [images, labels] : batches.epoch(epoch)) {
      step(images, labels);
      ++steps;
    }
    const auto between = Clock::now();
    for (int i = 0; i < steps; ++i) step(ready.x, ready.y);
    const std::chrono::duration<double> loaded = between - start, on_one = Clock::now() - between;
    if (epoch > 0) ratios.push_back(loaded / on_one);  // the first one warms up
  }
  std::sort(ratios.begin(), ratios.end());
  const auto quantile = [&](double q) {
    return ratios[static_cast<size_t>(q * static_cast<double>(ratios.size() - 1))];
  };
  std::printf("%-8s %-22s %.3f (%.3f to %.3f), %zu epochs\n", workload.c_str(), kind, quantile(.5), quantile(.25),
              quantile(.75), ratios.size());
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::vector<std::string> workloads;
    int epochs = 11;
    for (int i = 1; i < argc; ++i) {
      const std::string word = argv[i];
      if (word.rfind("--", 0) != 0)
        workloads.push_back(word);
      else if (word != "--epochs" || i + 1 == argc || (epochs = std::atoi(argv[++i])) < 1)
        fail("bench_loader", word, "--epochs, with a number of at least 1 after it");
    }
    if (workloads.empty()) workloads = {"mlp", "lenet", "cnn"};
    const datasets::Dataset images = datasets::fashion_mnist().train.take(6400);
    std::printf("steps on loaded batches / steps on one batch: median (quartiles)\n");
    for (const std::string& workload : workloads) {
      measure(workload, images, "as they are", epochs);
      measure(workload, images.random_shift(2, 1).random_flip(1), "shifted and mirrored", epochs);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
