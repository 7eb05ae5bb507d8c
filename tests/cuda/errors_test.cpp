// What goes wrong on the GPU is said clearly, and afterwards it works.
#include "autograd/ops.h"
#include "nn/layers.h"
#include "nn/module.h"
#include "optim/sgd.h"
#include "tests/cuda/on_device.h"

using namespace minima;
using namespace minima::test;

namespace {

Tensor on_gpu(const Shape& shape, DType dtype = DType::float32) { return Tensor::full(shape, 1, dtype, Device::cuda); }
Tensor on_cpu(const Shape& shape, DType dtype = DType::float32) { return Tensor::full(shape, 1, dtype); }

}  // namespace

TEST_CASE("an op whose operands lie on two devices names both") {
  const Tensor image = on_gpu({1, 4, 4, 2}), kernel = on_cpu({3, 3, 3, 2}), rows = on_cpu({2}, DType::int64);
  const core::Window window{2, 2, 2, 0};
  const Tensor positions = core::max_pool2d(on_cpu({1, 4, 4, 2}), window).second;
  const core::Moments moments = core::channel_moments(on_cpu({4, 2}));
  const std::pair<const char*, std::function<void()>> mixed[] = {
      {"add", [] { core::binary(core::BinaryOp::add, on_gpu({3}), on_cpu({3})); }},
      {"matmul", [] { core::matmul(on_cpu({2, 3}), on_gpu({3, 2})); }},
      {"linear", [] { core::linear(on_gpu({2, 3}), on_cpu({4, 3}), Tensor()); }},
      {"linear", [] { core::linear(on_gpu({2, 3}), on_gpu({4, 3}), on_cpu({4})); }},
      {"dot", [] { core::dot(on_gpu({3}), on_cpu({3})); }},
      {"add_scaled",
       [] {
         Tensor y = on_gpu({3});
         core::add_scaled(y, 1, on_cpu({3}));
       }},
      {"blend",
       [] {
         Tensor y = on_gpu({3});
         core::blend(y, 1, 1, on_cpu({3}, DType::float64));
       }},
      {"concatenate", [] { core::concatenate({on_gpu({3}), on_cpu({3})}, 0); }},
      {"conv2d", [&] { core::conv2d(image, kernel, Tensor()); }},
      {"conv2d_transpose", [&] { core::conv2d_transpose(on_gpu({1, 2, 2, 3}), kernel, {1, 4, 4, 2}, 1, 0); }},
      {"conv2d_correlate", [&] { core::conv2d_correlate(image, on_cpu({1, 2, 2, 3}), kernel.shape(), 1, 0); }},
      {"gather_positions", [&] { core::gather_positions(image, positions); }},
      {"scatter_positions", [&] { core::scatter_positions(on_gpu({1, 2, 2, 2}), positions, image.shape(), window); }},
      {"normalise", [&] { core::normalise(on_gpu({4, 2}), moments, on_gpu({2}), on_gpu({2}), 1e-5); }},
      {"normalise",
       [&] { core::normalise(on_gpu({4, 2}), core::channel_moments(on_gpu({4, 2})), on_cpu({2}), on_gpu({2}), 1e-5); }},
      {"cross_entropy", [&] { core::cross_entropy(on_gpu({2, 5}), rows); }},
      {"gather_rows", [&] { core::gather_rows(on_cpu({4, 2}), rows.to(Device::cuda)); }},
      {"scatter_rows", [&] { core::scatter_rows(on_cpu({2, 2}), rows.to(Device::cuda), 4); }}};
  for (const auto& [op, run] : mixed) {
    CAPTURE(op);
    const std::string message = error_of(run);
    CAPTURE(message);
    CHECK(contains(message, text("[", op, "]")));
    CHECK(contains(message, "cuda"));
    CHECK(contains(message, "cpu"));
  }
}

TEST_CASE("the elements of a tensor on the GPU are not read as if they lay on the CPU") {
  CHECK_ERROR(on_gpu({3}).data<float>(), "Move it with to(Device::cpu)");
}

TEST_CASE("a label that is no class is an error at the next read, and is forgotten then") {
  const Tensor logits = on_gpu({3, 4});
  const Tensor labels = Tensor::from(std::vector<int64_t>{1, 7, 2}).to(Device::cuda);
  const Tensor losses = core::cross_entropy(logits, labels);
  CHECK_ERROR(losses.to_vector<double>(), "label or index 7 at position 1");
  CHECK(std::isnan(losses.at(1)));
  CHECK_FALSE(std::isnan(losses.at(2)));
  core::cross_entropy_backward(logits, labels, 0, on_gpu({3}));
  CHECK_ERROR(logits.item(), "item");  // which does not look at the device
  CHECK_ERROR(logits.at(0), "0 to 3");
  const Tensor good = Tensor::from(std::vector<int64_t>{1, 3, 2}).to(Device::cuda);
  CHECK_CLOSE(core::cross_entropy(logits, good), Tensor::full({3}, std::log(4.0)), {1e-6, 0});
}

TEST_CASE("an index out of range is an error, at once on the CPU and at the next read on the GPU") {
  const Tensor x = on_gpu({4, 2}), bad = Tensor::from(std::vector<int64_t>{0, 4});
  CHECK_ERROR(core::gather_rows(x, bad), "index 4 at position 1");
  const Tensor gathered = core::gather_rows(x, bad.to(Device::cuda));
  CHECK_ERROR(gathered.at(0), "label or index 4 at position 1");
  const Tensor scattered =
      core::scatter_rows(on_gpu({2, 3}), Tensor::from(std::vector<int64_t>{-1, 2}).to(Device::cuda), 4);
  CHECK_ERROR(scattered.at(0), "label or index -1 at position 0");
  CHECK(x.at(0) == 1);
}

TEST_CASE("a request for more memory than the GPU has is an error that says how much there is") {
  const int64_t before = memory_statistics(Device::cuda).bytes_in_use;
  CHECK_ERROR(Tensor::empty({int64_t{1} << 44}, DType::float32, Device::cuda), "bytes on the GPU, of whose");
  CHECK_ERROR(Tensor::empty({int64_t{1} << 44}, DType::float32, Device::cuda), "Use a smaller batch or model");
  CHECK(memory_statistics(Device::cuda).bytes_in_use == before);
  CHECK(core::sum(on_gpu({1000})).item() == 1000);
}

TEST_CASE("an optimizer keeps to the device that its parameters had") {
  nn::Linear model{3, 2};
  optim::SGD optimizer{model.parameters(), {.lr = 0.1}};
  std::vector<Variable> parameters = model.parameters();
  parameters[0].set_value(parameters[0].value().to(Device::cuda));
  const auto step = [&] {
    optimizer.step([&] {
      Variable loss = sum(model(on_cpu({1, 3})));
      loss.backward();
      return loss;
    });
  };
  CHECK_ERROR(step(), "cuda");
}
