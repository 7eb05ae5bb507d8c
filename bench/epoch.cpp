// The whole of a small job: load Fashion-MNIST, train the MLP for one epoch, evaluate, leave. Run with
//   bench_epoch --started SECONDS [--threads N] [--data DIRECTORY]
// where SECONDS is the wall clock (since 1970) when the process was started, so that loading the program counts too.
// Prints one JSON line: seconds to the end of the first step and to the end, test accuracy, peak memory.
// bench/peers/torch_epoch.py does the same work in PyTorch.
#include <chrono>
#include <cstdio>
#include <string>

#include "bench/peak_rss.h"
#include "minima.h"

using namespace minima;

namespace {

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

void run(int argc, char** argv) {
  double started = now();
  std::string where;
  for (int i = 1; i < argc; i += 2) {
    std::string word = argv[i];
    if (i + 1 == argc) fail("bench_epoch", word, "a value after it");
    if (word == "--started")
      started = std::stod(argv[i + 1]);
    else if (word == "--threads")
      set_num_threads(std::stoi(argv[i + 1]));
    else if (word == "--data")
      where = argv[i + 1];
    else
      fail("bench_epoch", word, "--started, --threads or --data");
  }

  auto [train, test] = datasets::fashion_mnist(where);
  nn::AnyModule model = nn::make_model("mlp", train.input_shape(), train.classes());
  optim::SGD optimizer{model->parameters(), {.lr = .05, .momentum = .9, .weight_decay = 5e-4}};
  datasets::Loader batches{train, {.batch_size = 128, .seed = 1}};

  double first_step = 0;
  for (auto [images, labels] : batches.epoch(0)) {
    optimizer.step([&, &images = images, &labels = labels] {
      Variable loss = nn::cross_entropy((*model)(images), labels);
      loss.backward();
      return loss;
    });
    if (first_step == 0) first_step = now() - started;
  }

  NoGrad off;
  auto [images, labels] = test.all();
  double accuracy = nn::accuracy((*model)(images), labels);
  std::printf(
      "{\"framework\": \"minima\", \"workload\": \"epoch\", \"threads\": %d, \"first_step_s\": %.3f, \"total_s\": "
      "%.3f, "
      "\"accuracy\": %.4f, \"peak_rss_mib\": %.1f}\n",
      num_threads(), first_step, now() - started, accuracy, peak_rss_mib());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
