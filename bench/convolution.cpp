// The ladder from the plain loop to Winograd's algorithm (docs/fast-convolution.md): billions of operations a second
// for each way to compute the same convolution, at the layers of the training workloads. Run with
//   bench_convolution [LAYER...] [--threads N] [--seconds S] [--processor-time 1]
// Operations are nominal: two for each weight, output position and image, padding included, whatever an algorithm
// really does. Each cell is the best of several runs; with --processor-time, by the processor time of all threads over
// their number, which other programs on the machine disturb less. Not here: whole training steps (step.cpp).
#include <chrono>
#include <cstdio>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "core/cpu/convolution.h"
#include "core/ops.h"
#include "core/random.h"

using namespace minima;
using core::ConvAlgorithm;

namespace {

struct Layer {
  const char* name;
  int64_t batch, size, in, out, kernel, stride, padding;
};

const Layer layers[] = {
    {"gray", 128, 28, 1, 32, 3, 1, 1},    {"cnn2", 128, 28, 32, 32, 3, 1, 1},  {"cnn4", 128, 14, 64, 64, 3, 1, 1},
    {"res1", 128, 32, 16, 16, 3, 1, 1},   {"res3", 128, 8, 64, 64, 3, 1, 1},   {"wide1", 64, 32, 64, 64, 3, 1, 1},
    {"wide2", 64, 16, 128, 128, 3, 1, 1}, {"wide3", 64, 8, 256, 256, 3, 1, 1}, {"lenet2", 128, 14, 6, 16, 5, 1, 0},
    {"down", 64, 32, 64, 128, 3, 2, 1},   {"point", 64, 16, 256, 64, 1, 1, 0}, {"lenet3", 128, 5, 16, 120, 5, 1, 0},
    {"last", 64, 4, 256, 512, 3, 2, 1},
};

struct Arguments {
  std::vector<std::string> names;
  double seconds = .2;  ///< for each cell
  bool processor_time = false;
};

struct Operands {
  Tensor x, weight, y;

  explicit Operands(const Layer& l) {
    Generator generator{1};
    x = generator.normal({l.batch, l.size, l.size, l.in});
    weight = generator.normal({l.out, l.kernel, l.kernel, l.in});
    y = core::conv2d(x, weight, Tensor(), l.stride, l.padding);
  }
};

/// The definition, as one would write it down.
void plain_loop(const core::cpu::Convolution& c, const float* x, const float* weight, float* y) {
  const auto [kernel_h, kernel_w, stride, padding] = c.window;
  for (int64_t n = 0; n < c.batch; ++n)
    for (int64_t i = 0; i < c.out_h; ++i)
      for (int64_t j = 0; j < c.out_w; ++j)
        for (int64_t o = 0; o < c.out; ++o) {
          float sum = 0;
          for (int64_t a = 0; a < kernel_h; ++a)
            for (int64_t b = 0; b < kernel_w; ++b) {
              const int64_t row = i * stride + a - padding, column = j * stride + b - padding;
              if (row < 0 || row >= c.height || column < 0 || column >= c.width) continue;
              for (int64_t k = 0; k < c.in; ++k)
                sum += x[((n * c.height + row) * c.width + column) * c.in + k] *
                       weight[((o * kernel_h + a) * kernel_w + b) * c.in + k];
            }
          y[((n * c.out_h + i) * c.out_w + j) * c.out + o] = sum;
        }
}

/// The same products, output channels innermost: the sums no longer wait for each other, and become vectors. The weight
/// is [kernel_h, kernel_w, in, out].
void channels_innermost(const core::cpu::Convolution& c, const float* x, const float* weight, float* y) {
  const auto [kernel_h, kernel_w, stride, padding] = c.window;
  for (int64_t n = 0; n < c.batch; ++n)
    for (int64_t i = 0; i < c.out_h; ++i)
      for (int64_t j = 0; j < c.out_w; ++j) {
        float* sums = y + ((n * c.out_h + i) * c.out_w + j) * c.out;
        std::fill_n(sums, c.out, 0.f);
        for (int64_t a = 0; a < kernel_h; ++a)
          for (int64_t b = 0; b < kernel_w; ++b) {
            const int64_t row = i * stride + a - padding, column = j * stride + b - padding;
            if (row < 0 || row >= c.height || column < 0 || column >= c.width) continue;
            for (int64_t k = 0; k < c.in; ++k) {
              const float pixel = x[((n * c.height + row) * c.width + column) * c.in + k];
              const float* weights = weight + ((a * kernel_w + b) * c.in + k) * c.out;
              for (int64_t o = 0; o < c.out; ++o) sums[o] += pixel * weights[o];
            }
          }
      }
}

double now(const Arguments& arguments) {
  if (arguments.processor_time)
    return static_cast<double>(std::clock()) / CLOCKS_PER_SEC / static_cast<double>(num_threads());
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// The best of the runs that begin within the time, and of the first one, which for fast work only warms the caches.
double best_time(const Arguments& arguments, const std::function<void()>& work) {
  double best = 1e9;
  const double start = now(arguments);
  do {
    const double begin = now(arguments);
    work();
    best = std::min(best, now(arguments) - begin);
  } while (now(arguments) - start < arguments.seconds);
  return best;
}

void print_row(const std::string& name, const std::vector<double>& figures) {
  std::printf("%-34s", name.c_str());
  for (const double figure : figures)
    if (figure > 0)
      std::printf(" %7.1f", figure);
    else
      std::printf(" %7s", "-");
  std::printf("\n");
  std::fflush(stdout);
}

/// A row: the convolution of each layer by `work`.
using Work = std::function<void(const Layer&, const core::cpu::Convolution&, Operands&)>;
void add_row(
    const Arguments& arguments, const std::vector<Layer>& chosen, const std::string& name, const Work& work,
    bool (*applies)(const Layer&) = [](const Layer&) { return true; }) {
  std::vector<double> figures;
  for (Layer layer : chosen) {
    Operands operands(layer);
    const core::cpu::Convolution c({layer.kernel, layer.kernel, layer.stride, layer.padding}, operands.x.shape(),
                                   operands.y.shape());
    const double flops = 2. * static_cast<double>(operands.y.numel() * c.patch());
    figures.push_back(applies(layer) ? 1e-9 * flops / best_time(arguments, [&] { work(layer, c, operands); }) : 0);
  }
  print_row(name, figures);
}

bool is_3x3(const Layer& layer) { return layer.kernel == 3 && layer.stride == 1; }

void run(const Arguments& arguments) {
  std::vector<Layer> chosen;
  for (const Layer& layer : layers)
    if (arguments.names.empty() ||
        std::find(arguments.names.begin(), arguments.names.end(), layer.name) != arguments.names.end())
      chosen.push_back(layer);
  if (chosen.empty()) fail("bench_convolution", joined(arguments.names), "names of layers, e.g. cnn2");

  std::printf("GFLOP/s, %d threads, %s\n%-34s", num_threads(),
              arguments.processor_time ? "by processor time" : "by elapsed time", "");
  for (const Layer& layer : chosen) std::printf(" %7s", layer.name);
  std::printf("\n");

  const auto in_images = [](const core::cpu::Convolution& c, const Operands& o, auto loop, const float* weight) {
    Tensor y = o.y.empty_like();
    core::parallel_for(c.batch, 1, [&](int64_t begin, int64_t end) {
      core::cpu::Convolution part = c;
      part.batch = end - begin;
      loop(part, core::cpu::read<float>(o.x) + begin * c.image(), weight,
           core::cpu::write<float>(y) + begin * c.out_h * c.out_w * c.out);
    });
  };
  add_row(arguments, chosen, "plain loop", [&](const Layer&, const core::cpu::Convolution& c, Operands& o) {
    in_images(c, o, plain_loop, core::cpu::read<float>(o.weight));
  });
  add_row(arguments, chosen, "output channels innermost",
          [&](const Layer&, const core::cpu::Convolution& c, Operands& o) {
            const Tensor weight = core::permute(o.weight, {1, 2, 3, 0});
            in_images(c, o, channels_innermost, core::cpu::read<float>(weight));
          });
  add_row(arguments, chosen, "im2col and gemm", [](const Layer&, const core::cpu::Convolution& c, Operands& o) {
    core::cpu::im2col_forward<float>(c, core::cpu::read<float>(o.x), core::cpu::read<float>(o.weight), nullptr, false,
                                     core::cpu::write<float>(o.y));
  });

  const Work forward = [](const Layer& l, const core::cpu::Convolution&, Operands& o) {
    core::conv2d(o.x, o.weight, Tensor(), l.stride, l.padding);
  };
  const std::vector<std::string> sets = core::cpu::instruction_sets();
  for (const ConvAlgorithm algorithm : {ConvAlgorithm::direct, ConvAlgorithm::winograd})
    for (auto set = sets.rbegin(); set != sets.rend(); ++set) {  // from plain to wide vectors
      core::set_conv_algorithm(algorithm);
      core::cpu::set_instruction_set(*set);
      const bool direct = algorithm == ConvAlgorithm::direct;
      add_row(arguments, chosen, (direct ? "direct, " : "Winograd, ") + *set, forward,
              direct ? [](const Layer&) { return true; } : is_3x3);
    }
  core::set_conv_algorithm(ConvAlgorithm::automatic);
  add_row(arguments, chosen, "automatic: forward", forward);
  add_row(arguments, chosen, "automatic: data gradient",
          [](const Layer& l, const core::cpu::Convolution&, Operands& o) {
            core::conv2d_transpose(o.y, o.weight, o.x.shape(), l.stride, l.padding);
          });
  add_row(arguments, chosen, "automatic: weight gradient",
          [](const Layer& l, const core::cpu::Convolution&, Operands& o) {
            core::conv2d_correlate(o.x, o.y, o.weight.shape(), l.stride, l.padding);
          });
}

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.rfind("--", 0) != 0) {
      arguments.names.push_back(word);
      continue;
    }
    if (i + 1 == argc) fail("bench_convolution", word, "a number after it");
    const double value = std::stod(argv[++i]);
    if (word == "--threads")
      set_num_threads(static_cast<int>(value));
    else if (word == "--seconds")
      arguments.seconds = value;
    else if (word == "--processor-time")
      arguments.processor_time = value != 0;
    else
      fail("bench_convolution", word, "--threads, --seconds or --processor-time");
  }
  return arguments;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(parse(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
