#include "examples/common/session.h"

#include <cstdio>
#include <filesystem>

#include "examples/common/interrupt.h"
#include "examples/common/table.h"

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

}  // namespace

Session::Session(const Options& options)
    : directory_(options.directory),
      earlier_(read_earlier(options)),
      metrics_(options.directory),
      progress_(options.gradient_evaluations, gradients_of(earlier_)) {
  state_.configuration = options.configuration;
  catch_interrupts();
}

void Session::write_rows(const Problem& problem, const RunResult& result, const Measure& measure) {
  if (!measure.every_epoch) return;
  for (const Measurement& m : result.curve) metrics_.write(metrics_row(problem, result.settings, m));
}

RunResult Session::finish(RunResult result) {
  gradients_done_ += result.settings.steps * gradients_per_step(result.settings.optimizer);
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
    const std::string line = run_name(settings) + "  " + measured(result.last(), measure);
    if (measure.every_epoch) progress_.plain_line(line + "  " + fixed(result.last().seconds, 2) + " s");
  } catch (const Diverged& diverged) {
    result = run.result();
    result.divergence = diverged.what();
    progress_.line(diverged.what());
  }
  finish(result);
  save_progress(state_, state_path());
  return result;
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
      if (measure.every_epoch) metrics_.write(metrics_row(problem, settings, m));
      progress_.plain_line(text(run_name(settings), "  epoch ", fixed(m.epoch, 0), "  ", measured(m, measure)));
    }
    if (interrupted() && !run.finished()) {
      progress_.clear();
      run.save(checkpoint_path());
      state_.interrupted = run.result();
      save_progress(state_, state_path());
      throw Interrupted{};
    }
  }
}

void Session::complete() {
  progress_.clear();
  std::filesystem::remove(state_path());
  std::filesystem::remove(checkpoint_path());
}

}  // namespace minima::examples
