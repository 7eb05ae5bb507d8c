#include "examples/kit/probed_runs.h"

#include <cmath>
#include <cstdlib>
#include <numeric>
#include <sstream>

#include "core/ops.h"
#include "core/parallel.h"
#include "examples/kit/interrupt.h"
#include "examples/kit/progress.h"
#include "examples/kit/progress_file.h"
#include "examples/kit/workers.h"

namespace minima::examples {

namespace {

/// Calls f with each number of a probe, for writing and for reading.
template <class P, class F>
void for_each_number(P& probe, F f) {
  for (auto* number : {&probe.of.loss, &probe.of.lr, &probe.of.momentum, &probe.of.rho, &probe.of.gradient_norm,
                       &probe.of.velocity_norm, &probe.of.cosine, &probe.of.perturbation_norm, &probe.of.loss_clean,
                       &probe.of.loss_perturbed, &probe.last_step_norm})
    f(*number);
}

/// The run and its validation on a line each, then a line a probe.
std::string text_of(const ProbedRun& probed) {
  std::ostringstream out;
  out << run_text(probed.run) << "\n"
      << number_text(probed.validation.loss) << " " << number_text(probed.validation.accuracy) << "\n";
  for (const Probe& probe : probed.probes) {
    out << probe.of.step;
    for_each_number(probe, [&](double number) { out << " " << number_text(number); });
    out << "\n";
  }
  return out.str();
}

double next_number(std::istream& in) {
  std::string word;  // by way of strtod, for a stream does not read "nan"
  in >> word;
  return std::strtod(word.c_str(), nullptr);
}

ProbedRun from_text(const std::string& text) {
  std::istringstream in(text);
  std::string run;
  std::getline(in, run);
  ProbedRun probed;
  probed.run = run_from_text(run);
  probed.validation.loss = next_number(in), probed.validation.accuracy = next_number(in);
  for (Probe probe; in >> probe.of.step;) {
    for_each_number(probe, [&](double& number) { number = next_number(in); });
    probed.probes.push_back(probe);
  }
  return probed;
}

/// Trains to the end. The weights before a step are kept where the step after it is looked at.
void train(Run& run, int64_t every, std::vector<Probe>& probes, const Tick& tick) {
  optim::Optimizer& optimizer = run.optimizer();
  const Tensor weights = optimizer.base().flat().weights();
  Tensor before;
  while (!run.finished()) {
    const int64_t step = run.steps_done() + 1, gradients = run.gradient_evaluations();
    const bool look = step % every == 0;
    if ((step + 1) % every == 0) before = weights.clone();
    double last_step_norm = 0;
    if (look) {
      core::add_scaled(before, -1, weights);
      last_step_norm = core::norm(before);
    }
    optimizer.measure(look ? optim::Measure::losses : optim::Measure::nothing);
    run.step();
    if (look) probes.push_back({optimizer.last_step(), last_step_norm});
    tick(run.gradient_evaluations() - gradients);
  }
}

ProbedRun probe(const Problem& problem, const datasets::Dataset& validation, const ProbeTask& task, int64_t every,
                const Tick& tick) {
  Run run(problem, task.settings);
  if (task.prepare) task.prepare(run);
  ProbedRun probed;
  try {
    train(run, every, probed.probes, tick);
    run.measure();
    probed.validation = evaluate(run.model(), validation);
    probed.run = run.result();
  } catch (const Diverged& diverged) {
    probed.run = run.result();
    probed.run.divergence = diverged.what();
  }
  return probed;
}

void record(Lab& lab, const ProbedRun& probed) {
  const RunSettings& s = probed.run.settings;
  const Measurement& last = probed.run.last();
  lab.record("runs", {{"kind", probed.kind},
                      {"optimizer", s.optimizer},
                      {"seed", static_cast<int64_t>(s.seed)},
                      {"rho", s.rho},
                      {"lr", s.lr},
                      {"momentum", s.momentum},
                      {"steps", s.steps},
                      {"gradient_evaluations", last.gradient_evaluations},
                      {"seconds", last.seconds},
                      {"train_loss", last.train_loss},
                      {"train_accuracy", last.train_accuracy},
                      {"test_loss", last.test_loss},
                      {"test_accuracy", last.test_accuracy},
                      {"validation_loss", probed.validation.loss},
                      {"validation_accuracy", probed.validation.accuracy},
                      {"diverged", probed.run.divergence}});
}

Rung& rung_of(const ProbedRun& probed, std::vector<Rung>& rungs) {
  const RunSettings& b = probed.run.settings;
  for (Rung& rung : rungs) {
    const RunSettings& a = rung.settings;
    if (rung.kind == probed.kind && a.optimizer == b.optimizer && a.rho == b.rho && a.lr == b.lr &&
        a.momentum == b.momentum && a.steps == b.steps)
      return rung;
  }
  return rungs.emplace_back(Rung{b, probed.kind, {}});
}

}  // namespace

double readings::train_loss(const ProbedRun& run) { return run.run.last().train_loss; }
double readings::test_loss(const ProbedRun& run) { return run.run.last().test_loss; }
double readings::test_accuracy(const ProbedRun& run) { return run.run.last().test_accuracy; }
double readings::validation_loss(const ProbedRun& run) { return run.validation.loss; }

Reading mean_of_probes(const std::function<double(const Probe&)>& f) {
  return [f](const ProbedRun& run) {
    double sum = 0, count = 0;
    for (const Probe& probe : run.probes) {
      const double value = f(probe);
      if (!std::isnan(value)) sum += value, count += 1;
    }
    return sum / count;
  };
}

bool Rung::diverged() const {
  for (const ProbedRun& probed : runs)
    if (probed.run.diverged()) return true;
  return false;
}

std::vector<double> Rung::values(const Reading& reading) const {
  std::vector<double> all;
  for (const ProbedRun& probed : runs) all.push_back(reading(probed));
  return all;
}

Interval Rung::minus(const Rung& other, const Reading& reading) const {
  return paired_difference(values(reading), other.values(reading));
}

std::vector<Rung> run_probed(Lab& lab, const Problem& problem, const datasets::Dataset& validation,
                             const std::vector<ProbeTask>& tasks, int64_t every) {
  if (every < 2) fail("run_probed", text("every = ", every), "at least 2", "Each look needs the step before it.");
  lab.stop_if_interrupted();
  int64_t gradients = 0;
  for (const ProbeTask& task : tasks) gradients += expected_gradients(task.settings);
  Progress progress(gradients);
  std::vector<Rung> rungs;
  int64_t done = 0;
  Jobs jobs;
  jobs.count = static_cast<int64_t>(tasks.size());
  jobs.work = [&](int64_t i, const Tick& tick) { return text_of(probe(problem, validation, tasks[i], every, tick)); };
  jobs.finished = [&](int64_t i, const std::string& result) {
    ProbedRun probed = from_text(result);
    probed.kind = tasks[i].kind;
    record(lab, probed);
    rung_of(probed, rungs).runs.push_back(std::move(probed));
    ++done;
  };
  jobs.progress = [&](int64_t gradients_done) {
    const std::string note = text(done, " of ", tasks.size(), " runs done");
    progress.update(gradients_done, note);
    progress.plain_line(note);
  };
  if (!in_processes(num_threads(), jobs)) throw Interrupted{};
  return rungs;
}

}  // namespace minima::examples
