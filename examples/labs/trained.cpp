#include "examples/labs/trained.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "core/parallel.h"
#include "examples/kit/interrupt.h"
#include "examples/kit/progress.h"
#include "examples/kit/progress_file.h"
#include "examples/kit/workers.h"

namespace minima::examples {

namespace {

void initialise_as_he(nn::Module& model, uint64_t seed) {
  manual_seed(seed);
  for (const auto& [name, parameter] : model.named_parameters()) {
    Tensor value = parameter.value();
    if (value.rank() >= 2) value.copy_from(nn::kaiming_normal()(value.shape()));
    if (value.rank() < 2 && name.ends_with("bias")) value.fill(0);
  }
}

/// One training in a worker process; what it leaves behind goes through a file.
std::string train(const Problem& problem, const NamedRun& method, bool paths, const std::string& file,
                  const Tick& tick) {
  Run run(problem, method.settings);
  if (method.he) initialise_as_he(run.model(), method.settings.seed);
  Archive left;
  const auto keep = [&] {
    left.tensors["weights." + std::to_string(left.tensors.size())] = optim::flat_weights(run.model().parameters());
  };
  if (paths) keep();
  for (int64_t ticked = 0; !run.finished();) {
    run.step();
    tick(run.gradient_evaluations() - ticked);
    ticked = run.gradient_evaluations();
    if (run.finished() || (paths && run.measurement_due())) keep();
  }
  run.measure();
  left.tensors["momentum"] = run.optimizer().momentum();
  save_safetensors(left, file);
  return run_text(run.result());
}

Trained collected(const NamedRun& method, const std::string& result, const std::string& file) {
  const Archive left = load_safetensors(file);
  std::filesystem::remove(file);
  Trained trained{.method = method, .last = run_from_text(result).last(), .momentum = left.tensor("momentum")};
  for (size_t i = 0; i + 1 < left.tensors.size(); ++i) trained.path.push_back(left.tensor(text("weights.", i)));
  return trained;
}

}  // namespace

NamedRun named_run(const std::string& optimizer, double rho, const std::string& style, uint64_t seed, int64_t steps) {
  return {.name = rho == 0 ? optimizer : optimizer + " " + number_text(rho),
          .style = style,
          .settings = {.optimizer = optimizer,
                       .base = optimizer == "nesterov" ? "nesterov" : "sgd",
                       .seed = seed,
                       .lr = 0.05,
                       .rho = rho,
                       .steps = steps}};
}

void tabulate_learning_rates(Lab& lab, const Problem& problem, int64_t epochs) {
  const auto [train, validation] = problem.train.split(0.2, 1);
  const Problem tuning{
      .data = problem.data, .model = problem.model, .train = train, .test = validation, .batch = problem.batch};
  const int64_t steps = epochs * tuning.steps_per_epoch();
  std::vector<Session::Task> tasks;
  for (const double lr : {0.02, 0.05, 0.1, 0.2}) {
    tasks.push_back({&tuning, named_run("sgd", 0, "sgd", 1, steps).settings, {.every_epoch = false}});
    tasks.back().settings.lr = lr;
  }
  lab.begin_runs(steps * std::ssize(tasks));
  Table table{{"lr of sgd", "train loss", "validation loss", "validation acc %"}};
  for (const RunResult& run : lab.run_all(tasks)) {
    const Measurement& m = run.last();
    if (run.diverged())
      table.push_back({number_text(run.settings.lr), "diverged", "", ""});
    else
      table.push_back({number_text(run.settings.lr), fixed(m.train_loss, 3), fixed(m.test_loss, 3),
                       fixed(100 * m.test_accuracy, 2)});
  }
  lab.table(text("The learning rate, tried with SGD on ", train.size(), " training images and judged on the other ",
                 validation.size(), " (one seed, ", epochs,
                 " epochs). All methods here use 0.05, fixed beforehand: what is compared is where they end at one "
                 "learning rate."),
            table);
}

std::vector<Trained> train_all(Lab& lab, const Problem& problem, const std::vector<NamedRun>& methods, bool paths) {
  const auto file = [&](int64_t i) { return lab.out() + "/weights" + std::to_string(i) + ".safetensors"; };
  std::vector<Trained> trained;
  double work = 0;
  for (const NamedRun& m : methods)
    work += static_cast<double>(m.settings.steps) * optim::gradients_per_step(m.settings.optimizer);
  Progress progress(static_cast<int64_t>(work));
  const bool all_done = in_processes(
      num_threads(),
      {.count = std::ssize(methods),
       .work = [&](int64_t i, const Tick& tick) { return train(problem, methods[i], paths, file(i), tick); },
       .finished =
           [&](int64_t i, const std::string& result) {
             trained.push_back(collected(methods[i], result, file(i)));
             progress.plain_line(text("trained ", methods[i].name, ", seed ", methods[i].settings.seed));
           },
       .progress =
           [&](int64_t gradients) {
             progress.update(gradients, text(trained.size(), " of ", methods.size(), " networks trained"));
           }});
  progress.clear();
  if (!all_done) throw Interrupted{};
  return trained;
}

nn::AnyModule make_model(const Problem& problem) {
  return nn::make_model(problem.model, problem.train.input_shape(), problem.train.classes());
}

void put(nn::Module& model, const Tensor& weights, const Problem& problem) {
  optim::set_weights(model.parameters(), weights);
  refresh_batch_norm(model, problem.train, problem.batch);
  model.eval();
}

Tensor times(double factor, const Tensor& x) { return core::unary(UnaryOp::affine, x, factor, 0); }
Tensor times(const Tensor& x, const Tensor& y) { return core::binary(BinaryOp::multiply, x, y); }

std::string short_number(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.3g", value);
  return buffer;
}

std::vector<double> evenly_from(double low, double high, int count) {
  std::vector<double> values;
  for (int i = 0; i < count; ++i)  // symmetric, so that the middle of -1 to 1 is 0
    values.push_back((low * (count - 1 - i) + high * i) / (count - 1));
  return values;
}

}  // namespace minima::examples
