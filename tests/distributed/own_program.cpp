// The program on the page about several processes, which is this file.
#include <cstdio>

#include "core/mpi/world.h"
#include "minima.h"

using namespace minima;

int main() {
  const std::unique_ptr<Communicator> group = core::mpi_world();  // of the processes that mpirun has started
  auto [train, test] = datasets::digits();
  nn::Sequential model{nn::Flatten{}, nn::Linear{64, 32}, nn::ReLU{}, nn::Linear{32, 10}};
  optim::MSAM optimizer{optim::SGD{model.parameters(), {.lr = 0.1, .momentum = 0.9}}, {.rho = 0.3}};
  optimizer.distribute(*group);
  datasets::Loader batches{train, {.batch_size = 64, .seed = 1, .rank = group->rank(), .ranks = group->size()}};
  for (int epoch = 0; epoch < 20; ++epoch) {
    int64_t step = 0;
    for (auto [images, labels] : batches.epoch(epoch)) {
      const double share = batches.share(step++);
      optimizer.step([&] {
        if (labels.numel() == 0) return Variable();  // this rank has no part of this batch
        Variable loss = nn::cross_entropy(model(images), labels) * share;
        loss.backward();
        return loss;
      });
    }
  }
  if (group->rank() != 0) return 0;
  NoGrad no_grad;
  auto [images, labels] = test.all();
  std::printf("test accuracy %.1f%%\n", 100 * nn::accuracy(model(images), labels));
}
