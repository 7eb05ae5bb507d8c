// What loading costs a training step: steps on batches from the Loader, beside steps on one batch that lies ready. Run
// with
//   bench_loader [WORKLOAD...] [--epochs N]
// for mlp, lenet and cnn on Fashion-MNIST, with and without augmentation. Both take turns, 50 steps each, and a line
// gives the median ratio of neighbours with its quartiles: what an epoch's first batch costs is in it. Not here:
// reading files.
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
  datasets::Loader batches{data, {.batch_size = 128, .seed = 1, .drop_last = true}};
  std::vector<double> ratios;
  constexpr int turn = 50;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    int steps = 0;
    auto start = Clock::now();
    for (auto [images, labels] : batches.epoch(epoch)) {
      step(images, labels);
      if (++steps % turn != 0) continue;
      const auto loaded = Clock::now() - start;
      start = Clock::now();
      for (int i = 0; i < turn; ++i) step(images, labels);
      const auto fixed = Clock::now() - start;
      if (epoch > 0) ratios.push_back(static_cast<double>(loaded.count()) / static_cast<double>(fixed.count()));
      start = Clock::now();
    }
  }
  std::sort(ratios.begin(), ratios.end());
  const auto quantile = [&](double q) {
    return ratios[static_cast<size_t>(q * static_cast<double>(ratios.size() - 1))];
  };
  std::printf("%-8s %-22s %.3f (%.3f to %.3f), %zu turns\n", workload.c_str(), kind, quantile(.5), quantile(.25),
              quantile(.75), ratios.size());
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::vector<std::string> workloads;
    int epochs = 3;
    for (int i = 1; i < argc; ++i) {
      if (std::string(argv[i]) != "--epochs")
        workloads.push_back(argv[i]);
      else if (i + 1 == argc || (epochs = std::atoi(argv[++i])) < 2)
        fail("bench_loader", "--epochs", "a number of at least 2 after it");  // the first one warms up
    }
    if (workloads.empty()) workloads = {"mlp", "lenet", "cnn"};
    const datasets::Dataset images = datasets::fashion_mnist().train.take(12800);
    std::printf("step on loaded batches / step on one batch: median (quartiles)\n");
    for (const std::string& workload : workloads) {
      measure(workload, images, "as they are", epochs);
      measure(workload, images.random_shift(2, 1).random_flip(1), "shifted and mirrored", epochs);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
