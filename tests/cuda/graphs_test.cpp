// Steps that have become CUDA graphs compute, bit for bit, what the same kernels compute one by one.
#include "core/cuda/cuda_backend.h"
#include "optim/schedule.h"
#include "tests/cuda/on_device.h"
#include "tests/cuda/training.h"

using namespace minima;
using namespace minima::test;

namespace {

/// Within it, steps are or are not kept as graphs.
class Graphs {
 public:
  explicit Graphs(bool use) { set(use); }
  ~Graphs() { set(true); }

 private:
  static void set(bool use) { dynamic_cast<core::CudaBackend&>(core::cuda_backend()).use_graphs(use); }
};

/// All weights after some steps, some of which somebody looks at.
Tensor trained(const std::string& model, const std::string& optimizer, bool with_graphs) {
  const Graphs graphs(with_graphs);
  Training training(model, optimizer, DType::float32, Device::cuda);
  optim::Hyperparameters& group = training.optimizer().group(0);
  group["lr"] = optim::cosine(optimizer[0] == 'a' && optimizer != "asam" ? 0.01 : 0.05, 40);
  if (group.has("rho")) group["rho"] = optim::cosine(0.1, 60);
  for (int i = 0; i < 30; ++i) {
    const Tensor loss = training.step(i % 3);
    if (i % 7 == 3) CHECK(std::isfinite(loss.item()));
  }
  return training.optimizer().kept().flat.weights().to(Device::cpu);
}

}  // namespace

TEST_CASE("with and without graphs, training has the same bits, also while learning rate and radius change") {
  for (const std::string& optimizer : optimizer_names)
    for (const char* model : {"mlp", "cnn"}) {
      CAPTURE(optimizer);
      CAPTURE(model);
      CHECK_SAME_BITS(trained(model, optimizer, true), trained(model, optimizer, false));
    }
}

TEST_CASE("with and without graphs, dropout draws the same numbers, and new ones at every step") {
  const auto losses = [](bool with_graphs) {
    const Graphs graphs(with_graphs);
    manual_seed(4);
    nn::Sequential model{nn::Linear{20, 30}, nn::ReLU{}, nn::Dropout{0.5}, nn::Linear{30, 3}};
    model.to(Device::cuda);
    optim::SGD optimizer{model.parameters(), {.lr = 1e-30}};
    const Tensor x = numbers({16, 20}, DType::float32).to(Device::cuda);
    std::vector<double> values;
    for (int i = 0; i < 8; ++i)
      values.push_back(optimizer
                           .step([&] {
                             Variable loss = mean(square(model(x)));
                             loss.backward();
                             return loss;
                           })
                           .item());
    return values;
  };
  const std::vector<double> with = losses(true);
  CHECK(with == losses(false));
  CHECK(with[6] != with[7]);
}

TEST_CASE("a batch of another size, and an evaluation between the steps, find their own way") {
  const auto run = [](bool with_graphs) {
    const Graphs graphs(with_graphs);
    manual_seed(4);
    nn::Sequential model{nn::Linear{20, 30}, nn::ReLU{}, nn::Linear{30, 3}};
    model.to(Device::cuda);
    optim::Adam optimizer{model.parameters(), {.lr = 0.01}};
    const Tensor all = numbers({16, 20}, DType::float32).to(Device::cuda), few = all.slice(0, 5);
    std::vector<Tensor> seen;
    for (int i = 0; i < 24; ++i) {
      const Tensor x = i % 6 == 5 ? few : all;
      Variable loss = optimizer.step([&] {
        Variable value = mean(square(model(x)));
        value.backward();
        return value;
      });
      seen.push_back(loss.value());
      if (i % 5 == 4) {
        NoGrad no_grad;
        seen.push_back(mean(model(all)).value());
      }
    }
    std::vector<double> values;
    for (const Tensor& each : seen) values.push_back(each.item());
    return values;
  };
  CHECK(run(true) == run(false));
}
