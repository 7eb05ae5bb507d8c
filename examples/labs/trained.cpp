#include "examples/labs/trained.h"

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>

namespace minima::examples {

namespace {

/// The file in which a run leaves its weights, from a worker's process to this one.
std::string file_of(const Lab& lab, const Setting& setting, uint64_t seed) {
  return lab.out() + text("/weights ", setting.name(), ", seed ", seed, ".safetensors");
}

/// Keeps the weights at the start and after each epoch, or at the end alone, and the momentum at the end.
Observe keeping(const Lab& lab, bool paths) {
  return [&lab, paths](Run& run) {
    const auto left = std::make_shared<Archive>();
    const auto keep = [left](Run& run) {
      left->tensors["weights." + std::to_string(left->tensors.size())] = optim::flat_weights(run.model().parameters());
    };
    if (paths) keep(run);
    Observer observer;
    observer.after_step = [=](Run& run) {
      if (run.finished() || (paths && run.measurement_due())) keep(run);
    };
    observer.at_end = [=, &lab](Run& run) {
      left->tensors["momentum"] = run.optimizer().momentum();
      save_safetensors(*left, file_of(lab, run.setting(), run.seed()));
    };
    return observer;
  };
}

Trained collected(const Lab& lab, const Setting& setting, const RunResult& run) {
  if (run.diverged()) throw Diverged(run.divergence);
  const std::string file = file_of(lab, setting, run.seed);
  const Archive left = load_safetensors(file);
  std::filesystem::remove(file);
  Trained trained{.setting = setting, .seed = run.seed, .last = run.last(), .momentum = left.tensor("momentum")};
  for (size_t i = 0; i + 1 < left.tensors.size(); ++i) trained.path.push_back(left.tensor(text("weights.", i)));
  return trained;
}

}  // namespace

Setting lab_setting(const std::string& optimizer, double rho, const std::string& style, int64_t steps) {
  Setting setting{.optimizer = optimizer, .hyperparameters = {{"lr", 0.05}}, .steps = steps, .style = style};
  if (rho != 0) setting.hyperparameters["rho"] = rho, setting.label = optimizer + " " + number_text(rho);
  return setting;
}

void initialise_as_he(Run& run) {
  manual_seed(run.seed());
  for (const auto& [name, parameter] : run.model().named_parameters()) {
    Tensor value = parameter.value();
    if (value.rank() >= 2) value.copy_from(nn::kaiming_normal()(value.shape()));
    if (value.rank() < 2 && name.ends_with("bias")) value.fill(0);
  }
}

void tabulate_learning_rates(Lab& lab, const Problem& problem, int64_t epochs) {
  const auto [train, validation] = problem.train.split(0.2, 1);
  const Problem tuning{
      .data = problem.data, .model = problem.model, .train = train, .test = validation, .batch = problem.batch};
  std::vector<Setting> settings;
  for (const double lr : {0.02, 0.05, 0.1, 0.2}) {
    settings.push_back(lab_setting("sgd", 0, "sgd", epochs * tuning.steps_per_epoch()));
    settings.back().hyperparameters["lr"] = lr;
  }
  Table table{{"lr of sgd", "train loss", "validation loss", "validation acc %"}};
  for (const Runs& runs :
       lab.run({.problems = tuning, .settings = settings, .seeds = {1}, .measures = {.every_epoch = false}})) {
    const Measurement& m = runs.results.front().last();
    if (runs.diverged() > 0)
      table.push_back({runs.setting.value_text("lr"), "diverged", "", ""});
    else
      table.push_back({runs.setting.value_text("lr"), fixed(m.train_loss, 3), fixed(m.test_loss, 3),
                       fixed(100 * m.test_accuracy, 2)});
  }
  lab.table(text("The learning rate, tried with SGD on ", train.size(), " training images and judged on the other ",
                 validation.size(), " (one seed, ", epochs,
                 " epochs). All methods here use 0.05, fixed beforehand: what is compared is where they end at one "
                 "learning rate."),
            table);
}

std::vector<Trained> train_all(Lab& lab, const Problem& problem, const std::vector<Setting>& settings,
                               const std::vector<uint64_t>& seeds, bool paths) {
  const std::vector<Runs> all = lab.run({.problems = problem,
                                         .settings = settings,
                                         .seeds = seeds,
                                         .measures = {.every_epoch = false},
                                         .observe = keeping(lab, paths)});
  std::vector<Trained> trained;
  for (size_t seed = 0; seed < seeds.size(); ++seed)
    for (const Runs& runs : all) trained.push_back(collected(lab, runs.setting, runs.results[seed]));
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

Tensor times(double factor, const Tensor& x) { return core::unary(core::UnaryOp::affine, x, factor, 0); }
Tensor times(const Tensor& x, const Tensor& y) { return core::binary(core::BinaryOp::multiply, x, y); }

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
