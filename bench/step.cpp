// Whole training steps: forward, backward and update of one workload on one synthetic batch. Run with
//   bench_step WORKLOAD [OPTIMIZER[,OPTIMIZER...]] [--threads N] [--batch N] [--seconds S] [--profile TRACE]
// Prints one JSON line an optimizer. Several optimizers take turns of eight steps in one process, each on a model of
// its own: the ratio of their times is free of the machine's slow drifts, and all but the first step of a turn find
// their weights in the cache, as in training. The memory figures mean something only for one alone. In place of an
// optimizer, "inference" stands for the forward pass alone, without a graph. With
// --profile it prints a table of the kernels of the first optimizer's steps instead, and writes two steps to the file
// TRACE (profile.h). bench/peers/torch_step.py does the same work in PyTorch. Not here: data loading (epoch.cpp).
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "bench/peak_rss.h"
#include "bench/profile.h"
#include "minima.h"

using namespace minima;

namespace {

struct Workload {
  std::string name;
  Shape image;
  int64_t batch;
};

const Workload workloads[] = {
    {"mlp", {28, 28, 1}, 128}, {"mlp_big", {28, 28, 1}, 128},  {"lenet", {28, 28, 1}, 128},
    {"cnn", {28, 28, 1}, 128}, {"resnet20", {32, 32, 3}, 128}, {"wrn16-4", {32, 32, 3}, 64},
};
constexpr int64_t classes = 10, least_steps = 3, steps_of_a_turn = 8;

struct Arguments {
  Workload workload;
  std::vector<std::string> optimizers;
  double seconds = 2;  ///< for all optimizers together, warm-up not counted
  std::string trace;   ///< with it, profile
};

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  for (size_t begin = 0, end; begin <= list.size(); begin = end + 1) {
    end = std::min(list.find(',', begin), list.size());
    parts.push_back(list.substr(begin, end - begin));
  }
  return parts;
}

Workload workload_named(const std::string& name) {
  std::string known;
  for (const Workload& w : workloads) {
    if (name == w.name) return w;
    known += w.name + ", ";
  }
  if (name.starts_with("mlp:")) return {name, {28, 28, 1}, 128};
  if (name.starts_with("vit:")) return {name, {32, 32, 3}, 64};
  fail("bench_step", "workload '" + name + "'",
       known + "mlp:WIDTH,... with the widths of hidden layers, or vit:PATCH,WIDTH,DEPTH,HEADS");
}

Arguments parse(int argc, char** argv) {
  std::vector<std::string> words;
  Arguments arguments{workloads[0], {"momentum"}};
  int64_t batch = 0;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    if (word.rfind("--", 0) != 0) {
      words.push_back(word);
      continue;
    }
    if (i + 1 == argc) fail("bench_step", word, "a number after it");
    if (word == "--profile") {
      arguments.trace = argv[++i];
      continue;
    }
    double value = std::stod(argv[++i]);
    if (word == "--threads")
      set_num_threads(static_cast<int>(value));
    else if (word == "--batch")
      batch = static_cast<int64_t>(value);
    else if (word == "--seconds")
      arguments.seconds = value;
    else
      fail("bench_step", word, "--threads, --batch, --seconds or --profile");
  }
  if (words.empty() || words.size() > 2) fail("bench_step", text(words.size(), " names"), "WORKLOAD [OPTIMIZERS]");
  arguments.workload = workload_named(words[0]);
  if (batch > 0) arguments.workload.batch = batch;
  if (words.size() == 2) arguments.optimizers = split(words[1]);
  return arguments;
}

/// Only the time counts: the numbers are small, and equal in the peers. Null for inference.
std::unique_ptr<optim::Optimizer> optimizer_named(const std::string& name, const std::vector<Variable>& parameters) {
  if (name == "inference") return nullptr;
  const auto make = [&](const std::string& optimizer, const optim::NamedSchedules& hyperparameters) {
    return optim::make_optimizer(optimizer, parameters, {.hyperparameters = hyperparameters});
  };
  if (name == "adam") return make(name, {{"lr", 1e-3}});
  if (name == "sgd") return make(name, {{"lr", .01}, {"momentum", 0}, {"weight_decay", 0}});
  optim::NamedSchedules usual{{"lr", .01}, {"momentum", .9}, {"weight_decay", 5e-4}};
  if (name == "sam" || name == "msam") usual.emplace("rho", .05);
  return make(name == "momentum" ? "sgd" : name, usual);
}

using Clock = std::chrono::steady_clock;
double milliseconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

/// A model under training, and how long each of its steps took.
struct Training {
  std::string optimizer_name;
  nn::AnyModule model;
  std::unique_ptr<optim::Optimizer> optimizer;
  std::vector<double> total{}, forward{}, backward{}, update{};  ///< milliseconds of each step
  std::vector<double> processor{};                               ///< the same in processor time, all threads together
  double loss = 0;

  void step(const Tensor& images, const Tensor& labels) {
    double in_forward = 0, in_backward = 0;
    auto begin = Clock::now();
    const std::clock_t processor_begin = std::clock();
    if (optimizer) {
      Variable result = optimizer->step([&] {
        auto start = Clock::now();
        Variable loss = nn::cross_entropy((*model)(images), labels);
        auto middle = Clock::now();
        loss.backward();
        in_forward += milliseconds(start, middle);
        in_backward += milliseconds(middle, Clock::now());
        return loss;
      });
      loss = result.item();
    } else {
      NoGrad off;
      model->eval();
      (*model)(images);
      in_forward = milliseconds(begin, Clock::now());
    }
    double all = milliseconds(begin, Clock::now());
    total.push_back(all);
    forward.push_back(in_forward);
    backward.push_back(in_backward);
    update.push_back(all - in_forward - in_backward);
    processor.push_back(1e3 * static_cast<double>(std::clock() - processor_begin) / CLOCKS_PER_SEC);
  }

  void forget() {
    for (auto* times : {&total, &forward, &backward, &update, &processor}) times->clear();
  }
};

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1) + .5)];
}

void profile(Training& training, const Tensor& images, const Tensor& labels, const Arguments& arguments) {
  Profiler profiler;
  const auto begin = Clock::now();
  int64_t steps = 0;
  for (; steps < least_steps || milliseconds(begin, Clock::now()) < 1e3 * arguments.seconds; ++steps)
    training.step(images, labels);
  std::printf("%s, batch %lld, %s: ", arguments.workload.name.c_str(), static_cast<long long>(arguments.workload.batch),
              training.optimizer_name.c_str());
  profiler.print(steps, milliseconds(begin, Clock::now()));
  profiler.start();
  for (int i = 0; i < 2; ++i) training.step(images, labels);
  profiler.write_trace(arguments.trace);
}

void run(const Arguments& arguments) {
  const Workload& workload = arguments.workload;
  manual_seed(0);
  Shape batch_shape{workload.batch};
  for (int64_t extent : workload.image) batch_shape.push_back(extent);
  Tensor images = default_generator().normal(batch_shape);
  std::vector<int64_t> classes_of(static_cast<size_t>(workload.batch));
  for (int64_t& label : classes_of) label = static_cast<int64_t>(default_generator().below(classes));
  Tensor labels = Tensor::from(classes_of);

  std::vector<Training> trainings;
  for (const std::string& name : arguments.optimizers) {
    nn::AnyModule model = nn::make_model(workload.name, workload.image, classes);
    auto parameters = model->parameters();
    trainings.push_back({name, std::move(model), optimizer_named(name, parameters)});
  }

  // Warm-up: at least two steps, and for short steps long enough that the threads are up.
  auto start = Clock::now();
  for (int i = 0; i < 2 || (i < 20 && milliseconds(start, Clock::now()) < 200); ++i)
    for (Training& training : trainings) training.step(images, labels);
  for (Training& training : trainings) training.forget();

  if (!arguments.trace.empty()) return profile(trainings[0], images, labels, arguments);

  reset_peak_memory();
  const int64_t allocations = memory_statistics().system_allocations;
  start = Clock::now();
  const int64_t turn = trainings.size() > 1 ? steps_of_a_turn : 1;
  for (int64_t i = 0; i < least_steps || milliseconds(start, Clock::now()) < 1e3 * arguments.seconds; i += turn)
    for (Training& training : trainings)
      for (int64_t step = 0; step < turn; ++step) training.step(images, labels);

  const MemoryStatistics memory = memory_statistics();
  for (Training& t : trainings)
    std::printf(
        "{\"framework\": \"minima\", \"workload\": \"%s\", \"optimizer\": \"%s\", \"batch\": %lld, \"threads\": %d, "
        "\"parameters\": %lld, \"steps\": %zu, \"median_ms\": %.4f, \"min_ms\": %.4f, \"p90_ms\": %.4f, "
        "\"forward_ms\": %.4f, \"backward_ms\": %.4f, \"update_ms\": %.4f, \"processor_ms\": %.4f, \"loss\": %.6g, "
        "\"peak_tensor_mib\": %.2f, \"peak_rss_mib\": %.1f, \"system_allocations\": %lld}\n",
        workload.name.c_str(), t.optimizer_name.c_str(), static_cast<long long>(workload.batch), num_threads(),
        static_cast<long long>(t.model->parameter_count()), t.total.size(), quantile(t.total, .5), quantile(t.total, 0),
        quantile(t.total, .9), quantile(t.forward, .5), quantile(t.backward, .5), quantile(t.update, .5),
        quantile(t.processor, .5), t.loss, static_cast<double>(memory.peak_bytes_in_use) / (1 << 20), peak_rss_mib(),
        static_cast<long long>(memory.system_allocations - allocations));
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
