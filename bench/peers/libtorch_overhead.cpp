// What an op of PyTorch costs from C++ when there is nothing to compute: the rows overhead/ of bench/micro.cpp, in
// libtorch. bench/run compiles it against the PyTorch that Python has. Prints one JSON line a row: nanoseconds.
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

/// The median of 50 stretches of some milliseconds.
template <class F>
void row(const char* name, F&& work) {
  const auto time = [&](int repeats) {
    const auto begin = Clock::now();
    for (int i = 0; i < repeats; ++i) work();
    return std::chrono::duration<double, std::nano>(Clock::now() - begin).count();
  };
  time(100);
  const int repeats = std::max(1, static_cast<int>(5e6 / (time(100) / 100)));
  std::vector<double> all;
  for (int i = 0; i < 50; ++i) all.push_back(time(repeats) / repeats);
  std::sort(all.begin(), all.end());
  std::printf("{\"name\": \"overhead/%s\", \"nanoseconds\": %.1f}\n", name, all[all.size() / 2]);
}

}  // namespace

int main() {
  torch::set_num_threads(1);
  const torch::Tensor x = torch::randn({4}), y = torch::randn({4}), leaf = torch::randn({4}, torch::requires_grad());
  {
    torch::NoGradGuard off;
    row("add", [&] { x + y; });
  }
  row("add_recorded", [&] { leaf + y; });

  torch::nn::Sequential model(torch::nn::Linear(8, 8), torch::nn::ReLU(), torch::nn::Linear(8, 2));
  torch::optim::SGD optimizer(model->parameters(), torch::optim::SGDOptions(1e-3).momentum(.9));
  const torch::Tensor images = torch::randn({8, 8}), labels = torch::tensor({0, 1, 0, 1, 0, 1, 0, 1}, torch::kLong);
  row("tiny_step_8-8-2", [&] {
    optimizer.zero_grad();
    torch::nn::functional::cross_entropy(model->forward(images), labels).backward();
    optimizer.step();
  });
}
