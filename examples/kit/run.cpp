#include "examples/kit/run.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "core/utf8.h"
#include "examples/kit/checkpoint.h"
#include "examples/kit/evaluation.h"

namespace minima::examples {

namespace {

constexpr int64_t evaluation_samples = 10000;    // of the training set; more would cost more than it tells
constexpr int64_t recalibration_samples = 2048;  // for batch norm
constexpr int64_t evaluation_batch = 500;

using Clock = std::chrono::steady_clock;

nn::AnyModule make_model_on(const Problem& problem, uint64_t seed) {
  manual_seed(seed);
  nn::AnyModule model = nn::make_model(problem.model, problem.train.input_shape(), outputs_for(problem.train));
  if (problem.device != Device::cpu) model->to(problem.device);
  return model;
}

/// Steps in which lr rises.
int64_t ramp_of(const Problem& problem, int64_t steps) { return std::min(problem.steps_per_epoch(), steps / 4); }

/// The step after which SWA averages, and the learning rate stays.
int64_t swa_from(const Setting& setting) { return setting.steps - setting.steps / 4; }

optim::Schedule ramp_and_cosine(const Problem& problem, const Setting& setting) {
  const double lr = setting.value("lr");
  const int64_t ramp = ramp_of(problem, setting.steps);
  optim::Schedule schedule = optim::cosine(lr, setting.steps - ramp);
  const double first = 1 / static_cast<double>(ramp);  // not 0: no step is wasted
  if (ramp > 0) schedule = optim::join({optim::linear_warmup(lr, ramp, first), schedule}, {ramp});
  if (setting.average() != "swa") return schedule;
  return [schedule, last = swa_from(setting)](int64_t step) { return schedule(std::min(step, last)); };
}

optim::WeightAverageOptions average_of(const Problem& problem, const Setting& setting) {
  if (setting.average() == "swa") return {};
  return {.decay = 1 - 1 / static_cast<double>(std::max<int64_t>(2, problem.steps_per_epoch()))};
}

}  // namespace

const Measurement& RunResult::last() const {
  static const Measurement none;
  return curve.empty() ? none : curve.back();
}

Run::Run(const Problem& problem, const Setting& setting, uint64_t seed)
    : problem_(problem),
      setting_(setting),
      memory_before_(memory_statistics(problem.device).bytes_in_use),
      model_(make_model_on(problem, seed)),
      optimizer_(optimizer_of(setting, model_->parameters(), ramp_and_cosine(problem, setting), seed,
                              layers_of(*model_), ramp_of(problem, setting.steps))),
      loader_(problem.augmentation.of(problem.train, seed),
              {.batch_size = problem.batch, .seed = seed, .device = problem.device}) {
  result_.seed = seed;
  result_.hyperparameters = setting.hyperparameters;
  result_.split_seed = problem.split_seed;
  result_.parameters = model_->parameter_count();
  if (!setting.average().empty()) average_.emplace(*optimizer_, average_of(problem, setting));
  if (setting_.prepare) setting_.prepare(*this);
}

bool Run::measurement_due() const { return finished() || (step_ > 0 && step_ % loader_.steps_per_epoch() == 0); }

double Run::step() {
  if (!epoch_) reset_peak_memory(problem_.device);
  const auto start = Clock::now();
  if (!epoch_) {
    epoch_ = loader_.epoch(step_ / loader_.steps_per_epoch());
    next_batch_ = epoch_->begin();
    for (int64_t i = step_ % loader_.steps_per_epoch(); i > 0; --i) ++*next_batch_;  // after load()
  }
  const datasets::Batch& batch = **next_batch_;
  const datasets::Batch on_device{batch.x.to(problem_.device), batch.y.to(problem_.device)};
  model_->train();
  const Variable loss = optimizer_step(problem_.augmentation.mixed(on_device, seed(), step_));
  last_loss_ = guard(loss.item(), "batch", step_ + 1);
  ++*next_batch_;
  ++step_;
  if (average_ && (setting_.average() == "ema" || step_ > swa_from(setting_) || finished())) average_->update();
  if (average_ && finished()) average_->adopt();
  if (measurement_due()) next_batch_.reset(), epoch_.reset();
  seconds_ += std::chrono::duration<double>(Clock::now() - start).count();
  return last_loss_;
}

Variable Run::optimizer_step(const datasets::MixedBatch& batch) {
  if (auto* esam = dynamic_cast<optim::ESAM*>(optimizer_.get()))  // which chooses among the samples
    return esam->step([&](const Tensor& rows) {
      const auto of = [&](const Tensor& all) {
        return rows.defined() && all.defined() ? core::gather_rows(all, rows) : all;
      };
      return losses_of((*model_)(of(batch.x)), {of(batch.x), of(batch.y), of(batch.other_y), batch.share});
    });
  return optimizer_->step([&] {
    Variable loss = loss_of((*model_)(batch.x), batch);
    loss.backward();
    return loss;
  });
}

double Run::guard(double loss, const char* what, int64_t step) const {
  if (std::isfinite(loss)) return loss;
  throw Diverged(text("[", setting_.optimizer, ", seed ", seed(), "] got ", what, " loss ", number_text(loss),
                      " at step ", step, " with learning rate ", ramp_and_cosine(problem_, setting_)(step - 1),
                      " (at most ", setting_.value("lr"),
                      "), expected a finite number. The run was stopped; try a smaller learning rate or rho."));
}

int64_t Run::peak_memory_bytes() const { return memory_statistics(problem_.device).peak_bytes_in_use - memory_before_; }

const Measurement& Run::measure() {
  Measurement m;
  m.peak_memory_bytes = std::max(result_.last().peak_memory_bytes, peak_memory_bytes());
  m.step = step_;
  m.epoch = static_cast<double>(step_) / static_cast<double>(loader_.steps_per_epoch());
  m.gradient_evaluations = optimizer_->gradient_evaluations();
  m.seconds = seconds_;
  std::optional<optim::AveragedWeights> averaged;
  if (average_ && average_->updates() > 0) averaged.emplace(*average_);
  refresh_batch_norm(*model_, problem_.train, problem_.batch, problem_.device);
  const Evaluation train = evaluate(*model_, evenly_spaced(problem_.train, evaluation_samples), problem_.device);
  const Evaluation test = evaluate(*model_, problem_.test, problem_.device);
  m.train_loss = guard(train.loss, "training", step_), m.train_accuracy = train.accuracy;
  m.test_loss = guard(test.loss, "test", step_), m.test_accuracy = test.accuracy;
  m.clean_fit = train.clean_fit, m.corrupted_fit = train.corrupted_fit;
  result_.curve.push_back(m);
  return result_.curve.back();
}

void Run::measure_curvature(int64_t samples) {
  refresh_batch_norm(*model_, problem_.train, problem_.batch, problem_.device);
  model_->eval();
  const datasets::Batch batch = evenly_spaced(problem_.train, samples).all();
  const Tensor x = batch.x.to(problem_.device), y = batch.y.to(problem_.device);
  const auto eigenvalue = optim::largest_eigenvalue([&] { return loss_of((*model_)(x), y); }, model_->parameters());
  result_.lambda_max = eigenvalue.value;
  result_.lambda_residual = eigenvalue.residual;
}

void Run::save(const std::string& path, Notes notes) {
  notes.merge(identity());
  notes["seconds"] = number_text(seconds_);
  save_training(path, *model_, *optimizer_, {.step = step_, .notes = notes});
}

void Run::load(const std::string& path, const RunResult& before) {
  TrainingPosition position = load_training(path, *model_, *optimizer_, identity());
  if (position.step > setting_.steps)
    fail(path, text("a run at step ", position.step), text("at most ", setting_.steps, " steps"));
  step_ = position.step;
  seconds_ = std::strtod(position.notes["seconds"].c_str(), nullptr);
  result_.curve = before.curve, result_.seen = before.seen;
}

RunResult train_to_end(Run& run, const Observer& observer, const Measures& measures) {
  const auto call = [&](const std::function<void(Run&)>& look) {
    if (look) look(run);
  };
  try {
    while (!run.finished()) {
      call(observer.before_step);
      run.step();
      call(observer.after_step);
      if (run.measurement_due() && (measures.every_epoch || run.finished())) {
        run.measure();
        call(observer.after_measurement);
      }
    }
    call(observer.at_end);
    if (measures.curvature_samples > 0) run.measure_curvature(measures.curvature_samples);
    return run.result();
  } catch (const Diverged& diverged) {
    RunResult result = run.result();
    result.divergence = diverged.what();
    return result;
  }
}

Evaluation evaluate(nn::Module& model, const datasets::Dataset& data, Device device) {
  if (data.has_targets()) {
    const Fit fit = fit_of(outputs_of(model, data, device), data.targets());
    return {.loss = fit.mean_squared_error, .accuracy = fit.r2};
  }
  NoGrad no_grad;
  const bool was_training = model.training;
  model.eval();
  const std::vector<int64_t> labels = data.labels(), truth = data.true_labels();
  double loss = 0, clean = 0, clean_hits = 0, corrupted = 0, corrupted_hits = 0;
  size_t sample = 0;
  const int64_t batch_size = std::min(evaluation_batch, data.size());
  for (const auto& batch : datasets::Loader(data, {.batch_size = batch_size, .shuffle = false}).epoch(0)) {
    const Variable logits = model(batch.x.to(device));
    loss += static_cast<double>(batch.y.numel()) * nn::cross_entropy(logits, batch.y.to(device)).item();
    for (const int64_t guess : core::argmax(logits.value()).to_vector<int64_t>()) {
      const bool is_clean = labels[sample] == truth[sample], hit = guess == labels[sample];
      (is_clean ? clean : corrupted) += 1;
      (is_clean ? clean_hits : corrupted_hits) += hit;
      ++sample;
    }
  }
  model.train(was_training);
  const double size = clean + corrupted;
  return {loss / size, (clean_hits + corrupted_hits) / size, clean_hits / clean, corrupted_hits / corrupted};
}

void refresh_batch_norm(nn::Module& model, const datasets::Dataset& train, int64_t batch, Device device) {
  if (!nn::has_batch_norm(model)) return;
  const datasets::Dataset sample = evenly_spaced(train, std::max(recalibration_samples, batch));
  const datasets::Loader loader(sample, {.batch_size = batch, .shuffle = false, .drop_last = true});
  std::vector<Tensor> batches;
  for (const auto& [x, y] : loader.epoch(0)) batches.push_back(x.to(device));
  nn::recalibrate_batch_norm(model, batches);
}

void check_label(const std::string& data, const std::string& label) {
  if (!label.empty() && datasets::is_named(data))
    fail("--label", "\"" + label + "\" for the data set " + data, "a label column for a FILE.csv only",
         "Leave out --label.");
}

datasets::Dataset evenly_spaced(const datasets::Dataset& data, int64_t count) {
  if (count >= data.size()) return data;
  std::vector<int64_t> indices(count);
  for (int64_t i = 0; i < count; ++i) indices[i] = i * data.size() / count;
  return data.subset(indices);
}

double label_noise_of(const datasets::Dataset& data) {
  const std::vector<int64_t> labels = data.labels(), truth = data.true_labels();
  double corrupted = 0;
  for (size_t i = 0; i < labels.size(); ++i) corrupted += labels[i] != truth[i];
  if (labels.empty()) return 0;  // quantities
  return corrupted / static_cast<double>(labels.size());
}

std::string schedule_text(const Problem& problem, const std::vector<Setting>& settings) {
  const bool an_epoch = std::all_of(settings.begin(), settings.end(), [&](const Setting& s) {
    return ramp_of(problem, s.steps) == problem.steps_per_epoch();
  });
  return std::string("lr rises for ") +
         (an_epoch ? "an epoch" : "an epoch or a quarter of the steps, if that is less") +
         ", then falls along a cosine to 0";
}

Row metrics_row(const Problem& problem, const Setting& s, uint64_t seed, const Measurement& m) {
  Row row{{"schema", schema_version},
          {"data", core::as_utf8(problem.data)},
          {"train_samples", problem.train.size()},
          {"label_noise", label_noise_of(problem.train)},
          {"model", problem.model},
          {"optimizer", s.optimizer},
          {"base", s.rule()},
          {"seed", static_cast<int64_t>(seed)}};
  for (const std::string& name : hyperparameter_options()) row.push_back({name, s.value(name)});
  for (const auto& [name, value] : s.hyperparameters)
    if (const auto& known = hyperparameter_options(); std::find(known.begin(), known.end(), name) == known.end())
      row.push_back({name, value});
  row.insert(row.end(), {{"batch", problem.batch},
                         {"steps", s.steps},
                         {"epoch", m.epoch},
                         {"step", m.step},
                         {"gradient_evaluations", m.gradient_evaluations},
                         {"seconds", m.seconds},
                         {"peak_memory_bytes", m.peak_memory_bytes},
                         {"train_loss", m.train_loss},
                         {"train_accuracy", m.train_accuracy},
                         {"test_loss", m.test_loss},
                         {"test_accuracy", m.test_accuracy},
                         {"clean_fit", m.clean_fit},
                         {"corrupted_fit", m.corrupted_fit}});
  return row;
}

}  // namespace minima::examples
