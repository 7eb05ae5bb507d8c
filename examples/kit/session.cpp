#include "examples/kit/session.h"

#include <cstdio>
#include <filesystem>

#include "examples/kit/interrupt.h"
#include "examples/kit/table.h"
#include "examples/kit/workers.h"

namespace minima::examples {

namespace {

std::string run_name(const RunSettings& s) {
  std::string name = s.optimizer + " lr " + number_text(s.lr);
  if (optim::is_wrapper(s.optimizer)) name += " rho " + number_text(s.rho);
  return name + text(" seed ", s.seed);
}

std::string measured(const Measurement& m, const Session::Measure& measure) {
  const char* set = measure.every_epoch ? "test" : "validation";
  return text("train loss ", fixed(m.train_loss, 4), "  ", set, " loss ", fixed(m.test_loss, 4), "  ", set,
              " accuracy ", fixed(100 * m.test_accuracy, 2), "%");
}

bool same_settings(const RunSettings& a, const RunSettings& b) {
  return a.optimizer == b.optimizer && a.base == b.base && a.seed == b.seed && a.lr == b.lr &&
         a.momentum == b.momentum && a.rho == b.rho && a.weight_decay == b.weight_decay && a.steps == b.steps;
}

ProgressFile read_earlier(const Session::Options& options) {
  if (!options.resume) return {};
  const std::string path = options.directory + "/state.json";
  ProgressFile earlier = load_progress(path);
  check_same_configuration(earlier, options.configuration, path);
  return earlier;
}

int64_t gradients_of(const ProgressFile& progress) {
  int64_t total = 0;
  for (const RunResult& run : progress.finished) total += run.last().gradient_evaluations;
  if (progress.interrupted) total += progress.interrupted->last().gradient_evaluations;
  return total;
}

/// A whole run without progress lines or files.
RunResult train_alone(const Session::Task& task, const Tick& tick) {
  Run run(*task.problem, task.settings);
  try {
    for (int64_t before = 0; !run.finished(); before = run.gradient_evaluations()) {
      run.step();
      tick(run.gradient_evaluations() - before);
      if (run.measurement_due() && (task.measure.every_epoch || run.finished())) run.measure();
    }
    if (task.measure.curvature_samples > 0) run.measure_curvature(task.measure.curvature_samples);
  } catch (const Diverged& diverged) {
    RunResult result = run.result();
    result.divergence = diverged.what();
    return result;
  }
  return run.result();
}

}  // namespace

Session::Session(const Options& options)
    : directory_(options.directory),
      resumable_(options.resumable),
      earlier_(read_earlier(options)),
      columns_(options.columns),
      metrics_(options.directory),
      progress_(options.gradient_evaluations, gradients_of(earlier_)) {
  state_.configuration = options.configuration;
  catch_interrupts();
}

void Session::write_row(const Problem& problem, const RunSettings& settings, const Measurement& m) {
  Row row = columns_;
  for (const auto& column : metrics_row(problem, settings, m)) row.push_back(column);
  metrics_.write(row);
}

void Session::write_rows(const Problem& problem, const RunResult& result, const Measure& measure) {
  if (!measure.every_epoch) return;
  for (const Measurement& m : result.curve) write_row(problem, result.settings, m);
}

RunResult Session::finish(RunResult result) {
  gradients_done_ += expected_gradients(result.settings);
  state_.finished.push_back(result);
  return result;
}

RunResult Session::run(const Problem& problem, const RunSettings& settings, const Measure& measure) {
  const size_t index = state_.finished.size();
  if (index < earlier_.finished.size() && same_settings(earlier_.finished[index].settings, settings)) {
    write_rows(problem, earlier_.finished[index], measure);
    return finish(earlier_.finished[index]);
  }
  Run run(problem, settings);
  if (earlier_.interrupted && same_settings(earlier_.interrupted->settings, settings)) {
    run.load(checkpoint_path(), earlier_.interrupted->curve);
    write_rows(problem, run.result(), measure);
    earlier_.interrupted.reset();
  }
  RunResult result;
  try {
    train(problem, run, measure);
    if (measure.curvature_samples > 0) run.measure_curvature(measure.curvature_samples);
    result = run.result();
  } catch (const Diverged& diverged) {
    result = run.result();
    result.divergence = diverged.what();
  }
  tell(result, measure);
  finish(result);
  save_state();
  return result;
}

void Session::tell(const RunResult& result, const Measure& measure) {
  if (result.diverged()) return progress_.line(result.divergence);
  if (measure.every_epoch)
    progress_.plain_line(text(run_name(result.settings), "  ", measured(result.last(), measure), "  ",
                              fixed(result.last().seconds, 2), " s"));
}

std::vector<RunResult> Session::run_all(const std::vector<Task>& tasks) {
  std::vector<RunResult> results;
  bool parallel = num_threads() > 1;
  for (const Task& task : tasks) parallel = parallel && task.problem->device == Device::cpu;
  if (!parallel) {
    for (const Task& task : tasks) results.push_back(run(*task.problem, task.settings, task.measure));
    return results;
  }
  Jobs jobs;
  jobs.count = static_cast<int64_t>(tasks.size());
  jobs.work = [&](int64_t index, const Tick& tick) { return run_text(train_alone(tasks[index], tick)); };
  jobs.finished = [&](int64_t index, const std::string& result) {
    const Task& task = tasks[index];
    results.push_back(finish(run_from_text(result)));
    write_rows(*task.problem, results.back(), task.measure);
    tell(results.back(), task.measure);
  };
  const int64_t before = gradients_done_;
  jobs.progress = [&](int64_t gradients) {
    const size_t done = results.size();
    progress_.update(before + gradients, text(done, " of ", tasks.size(), " runs done"));
  };
  const bool all_done = in_processes(num_threads(), jobs);
  progress_.clear();
  if (!all_done) throw Interrupted{};
  return results;
}

void Session::train(const Problem& problem, Run& run, const Measure& measure) {
  const RunSettings& settings = run.result().settings;
  while (!run.finished()) {
    const double loss = run.step();
    progress_.update(gradients_done_ + run.gradient_evaluations(),
                     text(run_name(settings), "  loss ", fixed(loss, 4),
                          measure.every_epoch && !run.result().curve.empty()
                              ? "  test accuracy " + fixed(100 * run.result().last().test_accuracy, 1) + "%"
                              : ""));
    if (run.measurement_due() && (measure.every_epoch || run.finished())) {
      const Measurement& m = run.measure();
      if (measure.every_epoch) write_row(problem, settings, m);
      progress_.plain_line(text(run_name(settings), "  epoch ", fixed(m.epoch, 0), "  ", measured(m, measure)));
    }
    if (interrupted() && !run.finished()) {
      progress_.clear();
      if (resumable_) run.save(checkpoint_path());
      state_.interrupted = run.result();
      save_state();
      throw Interrupted{};
    }
  }
}

void Session::save_state() {
  if (resumable_) save_progress(state_, state_path());
}

void Session::complete() {
  progress_.clear();
  std::filesystem::remove(state_path());
  std::filesystem::remove(checkpoint_path());
}

}  // namespace minima::examples
