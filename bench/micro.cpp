// One row an op: how long each family of kernels takes, at the sizes training uses. Run with
//   bench_micro [--benchmark_filter=REGEX] [--benchmark_format=json]
// MINIMA_THREADS sets the number of threads. Counters: GFLOP/s for products and convolutions (nominal: padding counts
// as work), GB/s of operands read and written for everything that is bound by memory.
// Not here: whole training steps (step.cpp).
#include <benchmark/benchmark.h>

#include <functional>
#include <string>
#include <vector>

#include "minima.h"

namespace minima {
namespace {

using benchmark::Counter;
using benchmark::State;

Tensor normal(const Shape& shape) {
  static Generator generator{1, 0};
  return generator.normal(shape);
}

/// Times `work` and reports `amount` units of it per second under `unit`.
void add(const std::string& name, const char* unit, double amount, std::function<void()> work) {
  benchmark::RegisterBenchmark(name.c_str(), [=](State& state) {
    for (auto _ : state) work();
    state.counters[unit] = Counter(amount * 1e-9, Counter::kIsIterationInvariantRate);
  })->UseRealTime();
}

double bytes(double floats) { return 4 * floats; }

// ---- elementwise functions and reductions over a million elements

void add_elementwise() {
  const int64_t n = 1 << 20;
  Tensor x = normal({n}), y = normal({n});
  add("elementwise/add", "GB/s", bytes(3. * n), [=] { core::binary(BinaryOp::add, x, y); });
  add("elementwise/add_broadcast_row", "GB/s", bytes(2. * n),
      [x = x.reshape({n / 1024, 1024}), row = normal({1024})] { core::binary(BinaryOp::add, x, row); });
  struct Function {
    const char* name;
    UnaryOp op;
  };
  for (Function f : {Function{"relu", UnaryOp::relu}, Function{"exp", UnaryOp::exp}, Function{"tanh", UnaryOp::tanh},
                     Function{"sigmoid", UnaryOp::sigmoid}, Function{"gelu", UnaryOp::gelu}})
    add(text("elementwise/", f.name), "GB/s", bytes(2. * n), [=] { core::unary(f.op, x); });
}

void add_reductions() {
  const int64_t rows = 1024, columns = 1024;
  Tensor x = normal({rows, columns}), logits = normal({4096, 1000});
  add("reduce/sum", "GB/s", bytes(1. * rows * columns), [=] { core::sum(x); });
  add("reduce/sum_rows", "GB/s", bytes(1. * rows * columns), [=] { core::reduce(ReduceOp::sum, x, 1); });
  add("reduce/sum_columns", "GB/s", bytes(1. * rows * columns), [=] { core::reduce(ReduceOp::sum, x, 0); });
  add("reduce/dot", "GB/s", bytes(2. * rows * columns), [=] { core::dot(x, x); });
  add("rows/softmax_4096x1000", "GB/s", bytes(2. * 4096 * 1000), [=] { core::softmax(logits); });
  add("rows/log_softmax_4096x1000", "GB/s", bytes(2. * 4096 * 1000), [=] { core::log_softmax(logits); });
  add("move/transpose_1024", "GB/s", bytes(2. * rows * columns), [=] { core::permute(x, {1, 0}); });
}

// ---- matrix products: the shapes of the training workloads

struct Product {
  const char* name;
  int64_t m, n, k;
  bool transpose_a, transpose_b;
};

const Product products[] = {
    {"mlp_forward_128x256x784", 128, 256, 784, false, true},
    {"mlp_weight_256x784x128", 256, 784, 128, true, false},
    {"mlp_logits_128x10x128", 128, 10, 128, false, true},
    {"mlp_big_forward_128x1024x1024", 128, 1024, 1024, false, true},
    {"mlp_big_data_128x1024x1024", 128, 1024, 1024, false, false},
    {"mlp_big_weight_1024x1024x128", 1024, 1024, 128, true, false},
    {"square_512", 512, 512, 512, false, false},
    {"square_2048", 2048, 2048, 2048, false, false},
    {"im2col_32x784x288", 32, 784, 288, false, false},
    {"im2col_16x1024x144", 16, 1024, 144, false, false},
    {"im2col_weight_64x576x25088", 64, 576, 25088, false, true},
    {"im2col_data_576x25088x64", 576, 25088, 64, true, false},
};

void add_products() {
  for (const Product& p : products) {
    Tensor a = normal(p.transpose_a ? Shape{p.k, p.m} : Shape{p.m, p.k});
    Tensor b = normal(p.transpose_b ? Shape{p.n, p.k} : Shape{p.k, p.n});
    add(text("gemm/", p.name), "GFLOP/s", 2. * p.m * p.n * p.k,
        [=] { core::matmul(a, b, p.transpose_a, p.transpose_b); });
  }
}

// ---- convolutions: the layers of the training workloads, in their three directions

struct Layer {
  const char* name;
  int64_t batch, in, size, out, kernel, stride, padding;
};

const Layer layers[] = {
    {"lenet1_128x1x28_6", 128, 1, 28, 6, 5, 1, 2},      {"lenet2_128x6x14_16", 128, 6, 14, 16, 5, 1, 0},
    {"cnn1_128x1x28_32", 128, 1, 28, 32, 3, 1, 1},      {"cnn2_128x32x28_32", 128, 32, 28, 32, 3, 1, 1},
    {"cnn4_128x64x14_64", 128, 64, 14, 64, 3, 1, 1},    {"resnet1_128x16x32_16", 128, 16, 32, 16, 3, 1, 1},
    {"resnet3_128x64x8_64", 128, 64, 8, 64, 3, 1, 1},   {"wide1_64x64x32_64", 64, 64, 32, 64, 3, 1, 1},
    {"wide2_64x128x16_128", 64, 128, 16, 128, 3, 1, 1}, {"wide3_64x256x8_256", 64, 256, 8, 256, 3, 1, 1},
};

void add_convolutions() {
  for (const Layer& l : layers) {
    Tensor x = normal({l.batch, l.in, l.size, l.size});
    Tensor weight = normal({l.out, l.in, l.kernel, l.kernel});
    Tensor y = core::conv2d(x, weight, l.stride, l.padding);
    double flops = 2. * static_cast<double>(y.numel() * l.in * l.kernel * l.kernel);
    add(text("conv/", l.name, "/forward"), "GFLOP/s", flops, [=] { core::conv2d(x, weight, l.stride, l.padding); });
    add(text("conv/", l.name, "/data"), "GFLOP/s", flops,
        [=, shape = x.shape()] { core::conv2d_transpose(y, weight, shape, l.stride, l.padding); });
    add(text("conv/", l.name, "/weight"), "GFLOP/s", flops,
        [=, shape = weight.shape()] { core::conv2d_correlate(x, y, shape, l.stride, l.padding); });
  }
}

void add_images() {
  Tensor x = normal({128, 32, 28, 28}), channel = normal({32});
  const double n = static_cast<double>(x.numel());
  add("image/max_pool_2", "GB/s", bytes(1.5 * n), [=] { core::max_pool2d(x, {2, 2, 2, 0}); });
  add("image/avg_pool_2", "GB/s", bytes(1.25 * n), [=] { core::avg_pool2d(x, {2, 2, 2, 0}); });
  add("channels/moments", "GB/s", bytes(n), [=] { core::channel_moments(x); });
  add("channels/affine", "GB/s", bytes(2 * n), [=] { core::channel_affine(x, channel, channel); });
  add("channels/sums", "GB/s", bytes(2 * n), [=] { core::channel_sums(x, x); });
  add("channels/combine", "GB/s", bytes(3 * n), [=] { core::channel_combine(x, x, channel, channel, channel); });
}

// ---- optimizer rules over flat buffers: 235,146 parameters is the MLP, 2,748,890 the wide residual network

void add_rule(const char* name, int64_t n, const UpdateRule& rule, int states) {
  std::vector<Tensor> state(states);
  for (Tensor& s : state) s = Tensor::zeros({n});
  add(text("update/", name, "/", n), "GB/s", bytes((3. + 2 * states) * n),
      [=, weight = normal({n}), grad = Tensor::full({n}, 1e-3)]() mutable {
        backend(Device::cpu).update(rule, weight, grad, state.data());
      });
}

void add_rules() {
  for (int64_t n : {int64_t{235146}, int64_t{2748890}}) {
    add_rule("gradient_descent", n, GradientDescentRule{.lr = 1e-3, .weight_decay = 5e-4}, 0);
    add_rule("momentum", n, SgdRule{.lr = 1e-3, .momentum = .9, .dampening = 0, .weight_decay = 5e-4}, 1);
    add_rule("nesterov", n, NesterovRule{.lr = 1e-3, .momentum = .9, .weight_decay = 5e-4}, 1);
    add_rule("adam", n,
             AdamRule{.lr = 1e-4,
                      .beta1 = .9,
                      .beta2 = .999,
                      .epsilon = 1e-8,
                      .weight_decay = 0,
                      .correction1 = 1,
                      .correction2 = 1,
                      .decoupled = false},
             2);
  }
}

// ---- what an op costs when there is nothing to compute

void add_overheads() {
  Variable constant(normal({4})), leaf(normal({4}), requires_grad);
  add("overhead/empty", "Gop/s", 1, [] { Tensor::empty({4}); });
  add("overhead/add", "Gop/s", 1, [=] { benchmark::DoNotOptimize(constant + constant); });
  add("overhead/add_recorded", "Gop/s", 1, [=] { benchmark::DoNotOptimize(leaf + constant); });
  add("overhead/add_x100_backward", "Gop/s", 100, [=]() mutable {
    Variable x = leaf;
    for (int i = 0; i < 100; ++i) x = x + constant;
    sum(x).backward();
    leaf.zero_grad();
  });

  struct Tiny {
    nn::Sequential model{nn::Linear{8, 8}, nn::ReLU{}, nn::Linear{8, 2}};
    optim::SGD optimizer{model.parameters(), {.lr = 1e-3, .momentum = .9}};
    Tensor x = normal({8, 8}), labels = Tensor::from<int64_t>({0, 1, 0, 1, 0, 1, 0, 1});
  };
  auto tiny = std::make_shared<Tiny>();
  add("overhead/tiny_step_8-8-2", "Gop/s", 1, [tiny] {
    tiny->optimizer.step([&] {
      Variable loss = nn::cross_entropy(tiny->model(tiny->x), tiny->labels);
      loss.backward();
      return loss;
    });
  });
}

}  // namespace
}  // namespace minima

int main(int argc, char** argv) {
  using namespace minima;
  add_elementwise();
  add_reductions();
  add_products();
  add_convolutions();
  add_images();
  add_rules();
  add_overheads();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::AddCustomContext("minima_threads", std::to_string(num_threads()));
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
