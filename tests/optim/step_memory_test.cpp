// What a training step asks of the system once the first steps are over: nothing.
#include <sys/resource.h>

#include <algorithm>
#include <limits>

#include "core/parallel.h"
#include "core/storage.h"
#include "nn/batch_norm.h"
#include "nn/containers.h"
#include "nn/layers.h"
#include "nn/loss.h"
#include "tests/check.h"
#include "tests/optim/problem.h"

using namespace minima;
using namespace minima::test;

namespace {

int64_t page_faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt + usage.ru_majflt;
}

}  // namespace

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // their shadow memory grows as it is touched
TEST_CASE("after the first steps a training step takes no memory from the system and touches no new page") {
  const int before = num_threads();
  set_num_threads(has_threads() ? 2 : 1);
  // Activations of 3 MB: taken from the system anew, each would be hundreds of pages.
  const Tensor images = default_generator().normal({64, 28, 28, 1}), labels = Tensor::zeros({64}, DType::int64);
  for (const std::string wrapper : {"none", "sam", "msam"}) {
    CAPTURE(wrapper);
    nn::Sequential model{nn::Conv2d{1, 16, 3, {.padding = 1}},
                         nn::BatchNorm2d{16},
                         nn::ReLU{},
                         nn::MaxPool2d{2},
                         nn::Conv2d{16, 8, 3},
                         nn::ReLU{},
                         nn::Flatten{},
                         nn::Linear{1152, 10}};
    const auto optimizer = wrap(wrapper, make_base("sgd", model.parameters()), 0.05);
    const auto step = [&] {
      optimizer->step([&] {
        Variable loss = nn::cross_entropy(model(images), labels);
        loss.backward();
        return loss;
      });
    };
    for (int i = 0; i < 5; ++i) step();
    const int64_t allocations = memory_statistics().system_allocations;
    // Less than one fault a step. A busy system itself moves pages now and then, but not in each of five rounds.
    int64_t fewest = std::numeric_limits<int64_t>::max();
    for (int round = 0; round < 5 && fewest >= 20; ++round) {
      const int64_t faults = page_faults();
      for (int i = 0; i < 20; ++i) step();
      fewest = std::min(fewest, page_faults() - faults);
    }
    CHECK(memory_statistics().system_allocations == allocations);
    CHECK(fewest < 20);
  }
  set_num_threads(before);
}
#endif
