// quickstart: the program of README.md, a small network trained with MSAM on the embedded digits.
#include <cstdio>

#include "minima.h"

using namespace minima;

int main() {
  auto [train, test] = datasets::digits();
  nn::Sequential model{nn::Flatten{}, nn::Linear{64, 32}, nn::ReLU{}, nn::Linear{32, 10}};
  optim::MSAM optimizer{optim::SGD{model.parameters(), {.lr = 0.1, .momentum = 0.9}}, {.rho = 0.3}};
  datasets::Loader batches{train, {.batch_size = 64, .seed = 1}};
  for (int epoch = 0; epoch < 20; ++epoch) {
    model.train();
    for (auto [images, labels] : batches.epoch(epoch)) {
      optimizer.step([&] {
        Variable loss = nn::cross_entropy(model(images), labels);
        loss.backward();
        return loss;
      });
    }
    model.eval();
    NoGrad no_grad;
    auto [images, labels] = test.all();
    std::printf("epoch %2d  test accuracy %.1f%%\n", epoch + 1, 100 * nn::accuracy(model(images), labels));
  }
  nn::save(model, "digits.safetensors");
}
