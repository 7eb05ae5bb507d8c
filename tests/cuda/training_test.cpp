// Whole trainings on the GPU, beside the same on the CPU: 200 steps of an MLP and of a CNN with every optimizer.
#include <cmath>

#include "nn/batch_norm.h"
#include "nn/layers.h"
#include "nn/loss.h"
#include "nn/models.h"
#include "tests/cuda/on_device.h"
#include "tests/cuda/training.h"

using namespace minima;
using namespace minima::test;

namespace {

/// The largest relative difference between the losses of two trainings, step by step.
double worst_difference(const std::string& model, const std::string& optimizer, DType dtype, int steps) {
  Training host(model, optimizer, dtype, Device::cpu), device(model, optimizer, dtype, Device::cuda);
  double worst = 0;
  for (int i = 0; i < steps; ++i) {
    const double expected = host.step(i).item(), got = device.step(i).item();
    worst = std::max(worst, std::abs(got - expected) / std::max(0.1, std::abs(expected)));
    if (!(worst < 1)) return INFINITY;  // NaN too
  }
  CHECK(host.step(steps).item() < (steps < 100 ? 0.9 : 0.7) * host.first_loss);  // it has learned something
  return worst;
}

}  // namespace

TEST_CASE("200 steps of an MLP with every optimizer have the CPU's losses in float64") {
  for (const std::string& optimizer : optimizer_names) {
    CAPTURE(optimizer);
    CHECK(worst_difference("mlp", optimizer, DType::float64, 200) < 1e-7);
  }
}

TEST_CASE("200 steps of a CNN with every optimizer have the CPU's losses in float64") {
  for (const std::string& optimizer : optimizer_names) {
    CAPTURE(optimizer);
    CHECK(worst_difference("cnn", optimizer, DType::float64, 200) < 1e-7);
  }
}

// Rounding grows, until it decides which of two nearly equal pixels max pooling takes: from there on two trainings of
// the CNN are two. So its later steps are not compared.
TEST_CASE("200 steps of an MLP and 50 of a CNN in float32 have the CPU's losses to rounding") {
  for (const std::string optimizer : {"sgd", "adam", "sam", "msam"}) {
    CAPTURE(optimizer);
    CHECK(worst_difference("mlp", optimizer, DType::float32, 200) < 1e-3);
    CHECK(worst_difference("cnn", optimizer, DType::float32, 50) < 1e-4);
  }
}

TEST_CASE("a language model, its causal mask included, has the CPU's logits and gradients") {
  manual_seed(4);
  nn::LanguageModel host{7, 6, {.size = {.width = 8, .depth = 2, .heads = 2}}};
  host.to(DType::float64);
  nn::LanguageModel device = nn::clone(host);
  device.to(Device::cuda);
  const Tensor text = Tensor::from<int64_t>({0, 3, 6, 2, 1, 5, 4, 4, 0, 2}, {2, 5});
  const Tensor next = Tensor::from<int64_t>({3, 6, 2, 1, 5, 4, 0, 2, 2, 1});
  const Variable expected = host(text), got = device(text.to(Device::cuda));
  CHECK_CLOSE(got.value(), expected.value(), {1e-10, 1e-12});
  nn::cross_entropy(reshape(expected, {10, 7}), next).backward();
  nn::cross_entropy(reshape(got, {10, 7}), next.to(Device::cuda)).backward();
  const auto on_host = host.parameters(), on_device = device.parameters();
  for (size_t i = 0; i < on_host.size(); ++i) CHECK_CLOSE(on_device[i].grad(), on_host[i].grad(), {1e-9, 1e-12});
}

TEST_CASE("a vision transformer trains on the GPU with the CPU's losses") {
  for (const char* optimizer : {"adamw", "sam", "msam"}) {
    CAPTURE(optimizer);
    CHECK(worst_difference("vit", optimizer, DType::float64, 40) < 1e-7);
  }
}

TEST_CASE("the same seed gives the same bits twice on the GPU") {
  for (const char* model : {"mlp", "cnn", "vit"}) {
    Training one(model, "msam", DType::float32, Device::cuda), two(model, "msam", DType::float32, Device::cuda);
    for (int i = 0; i < 20; ++i) CHECK_SAME_BITS(one.step(i), two.step(i));
  }
}

TEST_CASE("a model that moves to the GPU and back computes what it did") {
  manual_seed(3);
  nn::AnyModule model = nn::make_model("cnn", {8, 8, 1}, 10);
  model->eval();
  const Tensor x = numbers({4, 8, 8, 1}, DType::float32);
  const Tensor before = (*model)(x).value();
  model->to(Device::cuda);
  CHECK_CLOSE((*model)(x.to(Device::cuda)).value(), before, {1e-4, 1e-5});
  model->to(Device::cpu);
  CHECK_SAME_BITS((*model)(x).value(), before);
}
