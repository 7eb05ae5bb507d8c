// What loading costs a training step: epochs of 50 steps on batches from the Loader, beside 50 steps on as many batches
// that lie ready, and 50 steps on one batch. The first ratio is the Loader's work. The second one also holds what any
// new batch costs, as one that was just used is in the processor's cache. Run with
//   bench_loader [WORKLOAD...] [--epochs N]
// on 6,400 images of Fashion-MNIST, as they are and with augmentation. The three take turns, and a line gives the
// median ratios with their quartiles. Not here: reading files.
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

/// Median and quartiles.
std::string spread(std::vector<double> ratios) {
  std::sort(ratios.begin(), ratios.end());
  const auto quantile = [&](double q) {
    return ratios[static_cast<size_t>(q * static_cast<double>(ratios.size() - 1))];
  };
  char words[64];
  std::snprintf(words, sizeof words, "%.3f (%.3f to %.3f)", quantile(.5), quantile(.25), quantile(.75));
  return words;
}

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
  std::vector<datasets::Batch> ready;
  for (const datasets::Batch& batch : batches.epoch(0)) ready.push_back(batch);
  const auto seconds = [](const auto& work) {
    const auto start = Clock::now();
    work();
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  std::vector<double> to_ready, to_one;
  for (int epoch = 0; epoch <= epochs; ++epoch) {
    const double loaded = seconds([&] {
      for (auto [images, labels] : batches.epoch(epoch)) step(images, labels);
    });
    const double on_ready = seconds([&] {
      for (const auto& [images, labels] : ready) step(images, labels);
    });
    const double on_one = seconds([&] {
      for (size_t i = 0; i < ready.size(); ++i) step(ready[0].x, ready[0].y);
    });
    if (epoch == 0) continue;  // it warms up
    to_ready.push_back(loaded / on_ready);
    to_one.push_back(loaded / on_one);
  }
  std::printf("%-8s %-22s %-24s %s\n", workload.c_str(), kind, spread(to_ready).c_str(), spread(to_one).c_str());
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
    std::printf("steps on batches from the Loader / steps on others, of %d epochs: median (quartiles)\n", epochs);
    std::printf("%-8s %-22s %-24s %s\n", "", "", "batches that lie ready", "one batch");
    for (const std::string& workload : workloads) {
      measure(workload, images, "as they are", epochs);
      measure(workload, images.random_shift(2, 1).random_flip(1), "shifted and mirrored", epochs);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
