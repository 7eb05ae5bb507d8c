#include "bench/profile.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>

#include "core/parallel.h"

namespace minima {

using core::Activation, core::Window;

double measured_peak() {
#if defined(__AVX512F__)
  constexpr int64_t lanes = 16;
#else
  constexpr int64_t lanes = 8;
#endif
  typedef float Vector __attribute__((vector_size(lanes * sizeof(float))));
  constexpr int64_t rounds = 1 << 20, independent = 12;
  double best = 0;
  volatile float sink = 0;
  for (int repeat = 0; repeat < 5; ++repeat) {
    const auto begin = std::chrono::steady_clock::now();
    core::parallel_chunks(num_threads(), [&](int64_t chunk) {
      Vector sums[independent], x = Vector{} + 0.999f,
                                y = Vector{} + static_cast<float>(chunk + 1);  // sums near 0 would be denormal numbers
      for (int64_t i = 0; i < independent; ++i) sums[i] = Vector{} + static_cast<float>(i);  // equal sums would be one
      for (int64_t i = 0; i < rounds; ++i)
        for (Vector& sum : sums) sum = sum * x + y;  // each of the sums stays in a register
      for (const Vector& sum : sums) sink = sink + sum[0];
    });
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    best = std::max(best, 2.0 * lanes * independent * rounds * num_threads() / seconds * 1e-9);
  }
  return best;
}

Profiler::Profiler() : own_(core::own_backend(Device::cpu)) { core::replace_backend(Device::cpu, this); }
Profiler::~Profiler() { core::replace_backend(Device::cpu, nullptr); }

template <class F>
void Profiler::time(const char* kernel, const Shape& shape, double flops, F&& call) {
  const auto begin = Clock::now();
  call();
  const auto end = Clock::now();
  calls_.push_back({kernel, shape.to_string(), flops, begin, end});
}

void Profiler::print(int64_t steps, double milliseconds) const {
  struct Line {
    double milliseconds = 0, flops = 0;
    int64_t calls = 0;
  };
  std::map<std::string, Line> lines;
  double in_kernels = 0;
  for (const Call& call : calls_) {
    const double ms = std::chrono::duration<double, std::milli>(call.end - call.begin).count();
    Line& line = lines[call.kernel + " " + call.shape];
    line.milliseconds += ms, line.flops += call.flops, ++line.calls;
    in_kernels += ms;
  }
  std::vector<std::pair<std::string, Line>> sorted(lines.begin(), lines.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.second.milliseconds > b.second.milliseconds; });
  const double peak = measured_peak(), n = static_cast<double>(steps);
  std::printf("%d threads, measured peak %.0f GFLOP/s; a step takes %.3f ms\n\n", num_threads(), peak,
              milliseconds / n);
  std::printf("| kernel, result | calls a step | ms a step | share | GFLOP/s | of peak |\n|---|---|---|---|---|---|\n");
  for (const auto& [name, line] : sorted) {
    if (line.milliseconds < 1e-3 * milliseconds) break;
    const double rate = line.flops / line.milliseconds * 1e-6;
    std::printf("| %s | %.0f | %.3f | %.1f%% |", name.c_str(), static_cast<double>(line.calls) / n,
                line.milliseconds / n, 100 * line.milliseconds / milliseconds);
    line.flops > 0 ? std::printf(" %.0f | %.0f%% |\n", rate, 100 * rate / peak) : std::printf(" | |\n");
  }
  std::printf("| outside kernels | | %.3f | %.1f%% | | |\n", (milliseconds - in_kernels) / n,
              100 * (1 - in_kernels / milliseconds));
}

void Profiler::write_trace(const std::string& path) const {
  std::ofstream file(path);
  file << "[";
  const char* separator = "\n";
  for (const Call& call : calls_) {
    const auto microseconds = [](auto span) { return std::chrono::duration<double, std::micro>(span).count(); };
    file << separator << "{\"name\": \"" << call.kernel
         << "\", \"ph\": \"X\", \"pid\": 1, \"tid\": 1, \"ts\": " << microseconds(call.begin - calls_[0].begin)
         << ", \"dur\": " << microseconds(call.end - call.begin) << ", \"args\": {\"result\": \"" << call.shape
         << "\"}}";
    separator = ",\n";
  }
  file << "\n]\n";
  if (!file) fail(path, "a failed write", "room for the trace");
}

// ---------------------------------------------------------------------------------------------- the calls

void Profiler::fill(Tensor& out, double value) {
  time("fill", out.shape(), 0, [&] { own_.fill(out, value); });
}
void Profiler::cast(const Tensor& x, Tensor& out) {
  time("cast", out.shape(), 0, [&] { own_.cast(x, out); });
}
void Profiler::copy_block(const Shape& shape, const Tensor& x, const core::Block& from, Tensor& out,
                          const core::Block& to) {
  time("copy_block", shape, 0, [&] { own_.copy_block(shape, x, from, out, to); });
}
void Profiler::unary(core::UnaryOp op, double a, double b, const Tensor& x, Tensor& out) {
  time(core::name_of(op), out.shape(), 0, [&] { own_.unary(op, a, b, x, out); });
}
void Profiler::binary(core::BinaryOp op, const core::Broadcast& plan, const Tensor& x, const Tensor& y, Tensor& out) {
  time(core::name_of(op), out.shape(), 0, [&] { own_.binary(op, plan, x, y, out); });
}
void Profiler::add_scaled(const Tensor& base, double alpha, const Tensor& scale, const Tensor& x, Tensor& out) {
  time("add_scaled", out.shape(), 0, [&] { own_.add_scaled(base, alpha, scale, x, out); });
}
void Profiler::blend(double keep, double share, const Tensor& x, Tensor& out) {
  time("blend", out.shape(), 0, [&] { own_.blend(keep, share, x, out); });
}
void Profiler::random(core::Distribution distribution, uint64_t seed, uint64_t offset, double a, double b,
                      Tensor& out) {
  time("random", out.shape(), 0, [&] { own_.random(distribution, seed, offset, a, b, out); });
}
void Profiler::reduce(core::ReduceOp op, const core::Fold& fold, const Tensor& x, Tensor& out) {
  time("reduce", x.shape(), 0, [&] { own_.reduce(op, fold, x, out); });
}
void Profiler::dot(const Tensor& x, const Tensor& y, Tensor& out) {
  time("dot", x.shape(), 0, [&] { own_.dot(x, y, out); });
}
void Profiler::argmax(const Tensor& x, Tensor& out) {
  time("argmax", out.shape(), 0, [&] { own_.argmax(x, out); });
}
void Profiler::gather_rows(const Tensor& x, const Tensor& indices, Tensor& out) {
  time("gather_rows", out.shape(), 0, [&] { own_.gather_rows(x, indices, out); });
}
void Profiler::scatter_rows(const Tensor& x, const Tensor& indices, Tensor& out) {
  time("scatter_rows", out.shape(), 0, [&] { own_.scatter_rows(x, indices, out); });
}
void Profiler::cross_entropy(const Tensor& logits, const Tensor& labels, double smoothing, Tensor& losses) {
  time("cross_entropy", logits.shape(), 0, [&] { own_.cross_entropy(logits, labels, smoothing, losses); });
}
void Profiler::cross_entropy_backward(const Tensor& logits, const Tensor& labels, double smoothing, const Tensor& grad,
                                      Tensor& out) {
  time("cross_entropy_backward", out.shape(), 0,
       [&] { own_.cross_entropy_backward(logits, labels, smoothing, grad, out); });
}
void Profiler::softmax(bool log, const Tensor& x, Tensor& out) {
  time(log ? "log_softmax" : "softmax", out.shape(), 0, [&] { own_.softmax(log, x, out); });
}
void Profiler::softmax_backward(const Tensor& grad, const Tensor& y, Tensor& out) {
  time("softmax_backward", y.shape(), 0, [&] { own_.softmax_backward(grad, y, out); });
}
void Profiler::layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon, Tensor& y) {
  time("layer_norm", x.shape(), 0, [&] { own_.layer_norm(x, weight, bias, epsilon, y); });
}
void Profiler::layer_norm_backward(const Tensor& grad, const Tensor& x, const Tensor& weight, double epsilon,
                                   Tensor& grad_x, Tensor& grad_weight, Tensor& grad_bias) {
  time("layer_norm_backward", x.shape(), 0,
       [&] { own_.layer_norm_backward(grad, x, weight, epsilon, grad_x, grad_weight, grad_bias); });
}
void Profiler::gemm(const core::Gemm& shape, const Tensor& a, const Tensor& b, const Tensor& bias,
                    Activation activation, Tensor& out) {
  time(shape.transpose_a   ? "gemm TN"
       : shape.transpose_b ? "gemm NT"
                           : "gemm NN",
       {shape.m, shape.n, shape.k}, 2.0 * static_cast<double>(shape.batch * shape.m * shape.n * shape.k),
       [&] { own_.gemm(shape, a, b, bias, activation, out); });
}
void Profiler::relu_backward(const Tensor& grad, const Tensor& y, Tensor& out, Tensor& grad_bias) {
  time("relu_backward", out.shape(), 0, [&] { own_.relu_backward(grad, y, out, grad_bias); });
}
namespace {
// Nominal: what lies over the padding counts.
double convolution_flops(const Tensor& y, const Tensor& weight) {
  return 2.0 * static_cast<double>(y.numel()) *
         static_cast<double>(weight.numel() / std::max<int64_t>(1, weight.size(0)));
}
}  // namespace
void Profiler::conv2d(const Window& window, const Tensor& x, const Tensor& weight, const Tensor& bias,
                      Activation activation, Tensor& y) {
  time("conv2d", y.shape(), convolution_flops(y, weight), [&] { own_.conv2d(window, x, weight, bias, activation, y); });
}
void Profiler::conv2d_transpose(const Window& window, const Tensor& y, const Tensor& weight, Tensor& x) {
  time("conv2d_transpose", x.shape(), convolution_flops(y, weight),
       [&] { own_.conv2d_transpose(window, y, weight, x); });
}
void Profiler::conv2d_correlate(const Window& window, const Tensor& x, const Tensor& y, Tensor& weight) {
  time("conv2d_correlate", x.shape(), convolution_flops(y, weight),
       [&] { own_.conv2d_correlate(window, x, y, weight); });
}
void Profiler::max_pool2d(const Window& window, const Tensor& x, Tensor& y, Tensor& positions) {
  time("max_pool2d", y.shape(), 0, [&] { own_.max_pool2d(window, x, y, positions); });
}
void Profiler::gather_positions(const Tensor& x, const Tensor& positions, Tensor& y) {
  time("gather_positions", y.shape(), 0, [&] { own_.gather_positions(x, positions, y); });
}
void Profiler::scatter_positions(const Window& window, const Tensor& y, const Tensor& positions, Tensor& x) {
  time("scatter_positions", x.shape(), 0, [&] { own_.scatter_positions(window, y, positions, x); });
}
void Profiler::avg_pool2d(const Window& window, const Tensor& x, Tensor& y) {
  time("avg_pool2d", y.shape(), 0, [&] { own_.avg_pool2d(window, x, y); });
}
void Profiler::avg_pool2d_transpose(const Window& window, const Tensor& y, Tensor& x) {
  time("avg_pool2d_transpose", x.shape(), 0, [&] { own_.avg_pool2d_transpose(window, y, x); });
}
void Profiler::channel_moments(const Tensor& x, Tensor& mean, Tensor& variance) {
  time("channel_moments", x.shape(), 0, [&] { own_.channel_moments(x, mean, variance); });
}
void Profiler::normalise(const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& weight,
                         const Tensor& bias, double epsilon, const Tensor& residual, Activation activation, Tensor& y) {
  time("normalise", y.shape(), 0,
       [&] { own_.normalise(x, mean, variance, weight, bias, epsilon, residual, activation, y); });
}
void Profiler::normalise_backward(const Tensor& grad, const Tensor& x, const Tensor& y, const Tensor& mean,
                                  const Tensor& variance, const Tensor& weight, const Tensor& bias, double epsilon,
                                  Activation activation, Tensor& grad_x, Tensor& grad_weight, Tensor& grad_bias,
                                  Tensor& grad_residual) {
  time("normalise_backward", x.shape(), 0, [&] {
    own_.normalise_backward(grad, x, y, mean, variance, weight, bias, epsilon, activation, grad_x, grad_weight,
                            grad_bias, grad_residual);
  });
}
void Profiler::update(const core::UpdateKernel& rule, Tensor& weight, const Tensor& grad, Tensor* states,
                      const core::AlongWithUpdate& also) {
  time("update", weight.shape(), 0, [&] { own_.update(rule, weight, grad, states, also); });
}

}  // namespace minima
