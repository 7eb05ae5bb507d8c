// Training steps on the GPU, and beside them on the CPU: one line for each workload and optimizer, with the median time
// of a step. Run with
//   bench_gpu [WORKLOAD...] [--optimizers A,B] [--seconds S] [--no-cpu]
// A step is timed as a user meets it: many steps in a row, and one wait for the device at their end. Which is faster,
// GPU or CPU, is the last word of a line: small networks do not fill a GPU. bench/peers/torch_gpu.py does the same in
// PyTorch. Not here: single kernels, data loading.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "core/backend.h"
#include "minima.h"

using namespace minima;

namespace {

struct Workload {
  std::string name;
  Shape image;
  int64_t batch;
};

const std::vector<Workload> workloads = {
    {"mlp", {28, 28, 1}, 128}, {"mlp_big", {28, 28, 1}, 128},  {"lenet", {28, 28, 1}, 128},
    {"cnn", {28, 28, 1}, 128}, {"resnet20", {32, 32, 3}, 128}, {"wrn16-4", {32, 32, 3}, 64},
};
constexpr int64_t classes = 10;

struct Arguments {
  std::vector<std::string> names, optimizers{"sgd", "sam", "msam"};
  double seconds = 0.5;  ///< for each line and device
  bool cpu = true;
};

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  for (size_t begin = 0, end; begin <= list.size(); begin = end + 1) {
    end = std::min(list.find(',', begin), list.size());
    parts.push_back(list.substr(begin, end - begin));
  }
  return parts;
}

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto next = [&]() -> std::string {
      if (i + 1 == argc) fail("bench_gpu", word, "a value after it");
      return argv[++i];
    };
    if (word == "--no-cpu")
      arguments.cpu = false;
    else if (word == "--optimizers")
      arguments.optimizers = split(next());
    else if (word == "--seconds")
      arguments.seconds = std::stod(next());
    else if (word.rfind("--", 0) == 0)
      fail("bench_gpu", word, "--optimizers, --seconds or --no-cpu");
    else
      arguments.names.push_back(word);
  }
  return arguments;
}

/// Momentum SGD, alone or in a wrapper, as in bench/step.cpp.
std::unique_ptr<optim::Optimizer> optimizer_named(const std::string& name, const std::vector<Variable>& parameters) {
  optim::NamedSchedules hyperparameters{{"lr", .01}, {"momentum", .9}, {"weight_decay", 5e-4}};
  if (name == "adam") hyperparameters = {{"lr", 1e-3}};
  if (name == "sam" || name == "msam") hyperparameters.emplace("rho", .05);
  return optim::make_optimizer(name, parameters, {.hyperparameters = hyperparameters});
}

using Clock = std::chrono::steady_clock;
double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// The median time of a step in milliseconds, over groups of steps.
double step_time(const Workload& workload, const std::string& optimizer_name, Device device, double seconds) {
  manual_seed(0);
  Shape batch_shape{workload.batch};
  for (const int64_t extent : workload.image) batch_shape.push_back(extent);
  const Tensor images = default_generator().normal(batch_shape).to(device);
  std::vector<int64_t> classes_of(static_cast<size_t>(workload.batch));
  for (int64_t& label : classes_of) label = static_cast<int64_t>(default_generator().below(classes));
  const Tensor labels = Tensor::from(classes_of).to(device);
  nn::AnyModule model = nn::make_model(workload.name, workload.image, classes);
  model->to(device);
  const auto optimizer = optimizer_named(optimizer_name, model->parameters());
  const auto run = [&](int steps) {  // returns when the device has done them
    const auto start = Clock::now();
    Variable loss;
    for (int i = 0; i < steps; ++i)
      loss = optimizer->step([&] {
        Variable value = nn::cross_entropy((*model)(images), labels);
        value.backward();
        return value;
      });
    loss.item();
    return milliseconds_since(start);
  };
  run(5);
  // Each group takes long enough that its one wait does not count.
  const int group = std::clamp(static_cast<int>(20 * 5 / run(5)), 1, 500);
  run(group);
  std::vector<double> times;
  const auto start = Clock::now();
  while (times.size() < 5 || (milliseconds_since(start) < 1e3 * seconds && times.size() < 100))
    times.push_back(run(group) / group);
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Arguments arguments = parse(argc, argv);
    const std::string reason = cuda_unavailable_reason();
    if (!reason.empty()) fail("bench_gpu", "no usable GPU (" + reason + ")", "one");
    std::printf("minima on %s\n%-10s %-10s %12s %12s  %s\n", core::cuda_description().c_str(), "workload", "optimizer",
                "GPU ms/step", "CPU ms/step", "faster");
    for (const Workload& workload : workloads) {
      if (!arguments.names.empty() &&
          std::find(arguments.names.begin(), arguments.names.end(), workload.name) == arguments.names.end())
        continue;
      for (const std::string& optimizer : arguments.optimizers) {
        const double gpu = step_time(workload, optimizer, Device::cuda, arguments.seconds);
        const double cpu = arguments.cpu ? step_time(workload, optimizer, Device::cpu, arguments.seconds) : 0;
        if (arguments.cpu)
          std::printf("%-10s %-10s %12.4f %12.4f  %s\n", workload.name.c_str(), optimizer.c_str(), gpu, cpu,
                      gpu < cpu ? "GPU" : "CPU");
        else
          std::printf("%-10s %-10s %12.4f\n", workload.name.c_str(), optimizer.c_str(), gpu);
        std::fflush(stdout);
      }
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
