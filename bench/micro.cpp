// One row an op: how long each family of kernels takes, at the sizes training uses. Run with
//   bench_micro [--benchmark_filter=REGEX] [--benchmark_format=json]
// MINIMA_THREADS sets the number of threads. Counters: GFLOP/s for products and convolutions (nominal: padding counts
// as work), GB/s of operands read and written for everything that is bound by memory.
// Not here: whole training steps (step.cpp).
#include <benchmark/benchmark.h>

#include <functional>
#include <memory>
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

using Work = std::function<void()>;

/// Times the work that `prepare` returns, and reports `amount` billionths of it per second under `unit`. Operands are
/// made in `prepare`, so that rows that are filtered out cost nothing.
void add(const std::string& name, const char* unit, double amount, std::function<Work()> prepare) {
  benchmark::RegisterBenchmark(name.c_str(), [=](State& state) {
    Work work = prepare();
    for (auto _ : state) work();
    state.counters[unit] = Counter(amount * 1e-9, Counter::kIsIterationInvariantRate);
  })->UseRealTime();
}

double bytes(double floats) { return 4 * floats; }

// ---- elementwise functions and reductions over a million elements

void add_elementwise() {
  const int64_t n = 1 << 20;
  add("elementwise/add", "GB/s", bytes(3. * n),
      [] { return [x = normal({n}), y = normal({n})] { core::binary(core::BinaryOp::add, x, y); }; });
  add("elementwise/add_broadcast_row", "GB/s", bytes(2. * n), [] {
    return [x = normal({n / 1024, 1024}), row = normal({1024})] { core::binary(core::BinaryOp::add, x, row); };
  });
  struct Function {
    const char* name;
    core::UnaryOp op;
  };
  for (Function f : {Function{"relu", core::UnaryOp::relu}, Function{"exp", core::UnaryOp::exp},
                     Function{"tanh", core::UnaryOp::tanh}, Function{"sigmoid", core::UnaryOp::sigmoid},
                     Function{"gelu", core::UnaryOp::gelu}})
    add(text("elementwise/", f.name), "GB/s", bytes(2. * n),
        [=] { return [=, x = normal({n})] { core::unary(f.op, x); }; });
}

void add_reductions() {
  const double n = 1024 * 1024, logits = 4096 * 1000;
  /// A row on one matrix.
  auto on = [](const char* name, double amount, const Shape& shape, void (*op)(const Tensor&)) {
    add(name, "GB/s", amount, [=] { return [=, x = normal(shape)] { op(x); }; });
  };
  on("reduce/sum", bytes(n), {1024, 1024}, [](const Tensor& x) { core::sum(x); });
  on("reduce/sum_rows", bytes(n), {1024, 1024}, [](const Tensor& x) { core::reduce(core::ReduceOp::sum, x, 1); });
  on("reduce/sum_columns", bytes(n), {1024, 1024}, [](const Tensor& x) { core::reduce(core::ReduceOp::sum, x, 0); });
  on("reduce/dot", bytes(2 * n), {1024, 1024}, [](const Tensor& x) { core::dot(x, x); });
  on("rows/softmax_4096x1000", bytes(2 * logits), {4096, 1000}, [](const Tensor& x) { core::softmax(x); });
  on("rows/log_softmax_4096x1000", bytes(2 * logits), {4096, 1000}, [](const Tensor& x) { core::log_softmax(x); });
  on("move/transpose_1024", bytes(2 * n), {1024, 1024}, [](const Tensor& x) { core::permute(x, {1, 0}); });
  on("image/max_pool_2", bytes(1.5 * n), {128, 32, 32, 8}, [](const Tensor& x) { core::max_pool2d(x, {2, 2, 2, 0}); });
  on("image/avg_pool_2", bytes(1.25 * n), {128, 32, 32, 8}, [](const Tensor& x) { core::avg_pool2d(x, {2, 2, 2, 0}); });
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
  for (const Product& p : products)
    add(text("gemm/", p.name), "GFLOP/s", 2. * static_cast<double>(p.m * p.n * p.k), [p] {
      Tensor a = normal(p.transpose_a ? Shape{p.k, p.m} : Shape{p.m, p.k});
      Tensor b = normal(p.transpose_b ? Shape{p.n, p.k} : Shape{p.k, p.n});
      return [=] { core::matmul(a, b, p.transpose_a, p.transpose_b); };
    });
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

struct Operands {
  Tensor x, weight, y;

  explicit Operands(const Layer& l)
      : x(normal({l.batch, l.size, l.size, l.in})),
        weight(normal({l.out, l.kernel, l.kernel, l.in})),
        y(core::conv2d(x, weight, Tensor(), l.stride, l.padding)) {}
};

void add_convolutions() {
  for (const Layer& l : layers) {
    const int64_t side = (l.size + 2 * l.padding - l.kernel) / l.stride + 1;
    const double flops = 2. * static_cast<double>(l.batch * l.out * side * side * l.in * l.kernel * l.kernel);
    add(text("conv/", l.name, "/forward"), "GFLOP/s", flops,
        [l] { return [l, o = Operands(l)] { core::conv2d(o.x, o.weight, Tensor(), l.stride, l.padding); }; });
    add(text("conv/", l.name, "/data"), "GFLOP/s", flops, [l] {
      return [l, o = Operands(l)] { core::conv2d_transpose(o.y, o.weight, o.x.shape(), l.stride, l.padding); };
    });
    add(text("conv/", l.name, "/weight"), "GFLOP/s", flops, [l] {
      return [l, o = Operands(l)] { core::conv2d_correlate(o.x, o.y, o.weight.shape(), l.stride, l.padding); };
    });
  }
}

void add_batch_norm() {
  struct Data {
    Tensor x = normal({128, 28, 28, 32}), channel = normal({32});
    core::Moments moments = core::channel_moments(x);
  };
  const double n = 128 * 32 * 28 * 28;
  auto on = [](const char* name, double amount, void (*op)(const Data&)) {
    add(name, "GB/s", amount, [=] { return [=, data = Data()] { op(data); }; });
  };
  on("batch_norm/moments", bytes(n), [](const Data& d) { core::channel_moments(d.x); });
  on("batch_norm/forward", bytes(2 * n),
     [](const Data& d) { core::normalise(d.x, d.moments, d.channel, d.channel, 1e-5); });
  on("batch_norm/backward", bytes(5 * n),
     [](const Data& d) { core::normalise_backward(d.x, d.x, d.moments, d.channel, d.channel, 1e-5); });
}

// ---- optimizer rules over flat buffers: 235,146 parameters is the MLP, 2,748,890 the wide residual network

template <class Rule>
void add_rule(const char* name, int64_t n, const Rule& rule) {
  const int states = core::kernel_of(rule).states;
  const double amount = bytes((3. + 2 * states) * static_cast<double>(n));
  add(text("update/", name, "/", n), "GB/s", amount, [=] {
    std::vector<Tensor> state;
    for (int i = 0; i < states; ++i) state.push_back(Tensor::zeros({n}));
    return [=, weight = normal({n}), grad = Tensor::full({n}, 1e-3)]() mutable {
      core::backend(Device::cpu).update(core::kernel_of(rule), weight, grad, state.data());
    };
  });
}

void add_rules() {
  for (int64_t n : {int64_t{235146}, int64_t{2748890}}) {
    add_rule("gradient_descent", n, core::GradientDescentRule{.lr = 1e-3, .weight_decay = 5e-4});
    add_rule("momentum", n, core::SgdRule{.lr = 1e-3, .momentum = .9, .dampening = 0, .weight_decay = 5e-4});
    add_rule("nesterov", n, core::NesterovRule{.lr = 1e-3, .momentum = .9, .weight_decay = 5e-4});
    add_rule("adam", n,
             core::AdamRule{.lr = 1e-4,
                            .beta1 = .9,
                            .beta2 = .999,
                            .epsilon = 1e-8,
                            .weight_decay = 0,
                            .correction1 = 1,
                            .correction2 = 1,
                            .decoupled = false});
  }
}

// ---- what an op costs when there is nothing to compute

struct TinyTraining {
  nn::Sequential model{nn::Linear{8, 8}, nn::ReLU{}, nn::Linear{8, 2}};
  optim::SGD optimizer{model.parameters(), {.lr = 1e-3, .momentum = .9}};
  Tensor x = normal({8, 8}), labels = Tensor::from<int64_t>({0, 1, 0, 1, 0, 1, 0, 1});

  void step() {
    optimizer.step([&] {
      Variable loss = nn::cross_entropy(model(x), labels);
      loss.backward();
      return loss;
    });
  }
};

void add_overheads() {
  add("overhead/empty", "Gop/s", 1, [] { return [] { Tensor::empty({4}); }; });
  add("overhead/add", "Gop/s", 1, [] { return [x = Variable(normal({4}))] { benchmark::DoNotOptimize(x + x); }; });
  add("overhead/add_recorded", "Gop/s", 1, [] {
    return [x = Variable(normal({4}), requires_grad), y = Variable(normal({4}))] { benchmark::DoNotOptimize(x + y); };
  });
  add("overhead/add_x100_backward", "Gop/s", 100, [] {
    return [leaf = Variable(normal({4}), requires_grad), y = Variable(normal({4}))]() mutable {
      Variable x = leaf;
      for (int i = 0; i < 100; ++i) x = x + y;
      sum(x).backward();
      leaf.zero_grad();
    };
  });
  add("overhead/tiny_step_8-8-2", "Gop/s", 1,
      [] { return [training = std::make_shared<TinyTraining>()] { training->step(); }; });
}

}  // namespace
}  // namespace minima

int main(int argc, char** argv) {
  using namespace minima;
  add_elementwise();
  add_reductions();
  add_products();
  add_convolutions();
  add_batch_norm();
  add_rules();
  add_overheads();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::AddCustomContext("minima_threads", std::to_string(num_threads()));
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
