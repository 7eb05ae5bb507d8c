#include "examples/labs/probes.h"

#include <cmath>
#include <memory>

namespace minima::examples {

namespace {

void note(Run& run, const optim::StepStatistics& step, double last_step_norm) {
  const double rise = step.loss_perturbed - step.loss_clean;
  run.note("step", static_cast<double>(step.step));
  run.note("cosine", step.cosine);
  run.note("perturbation_norm", step.perturbation_norm);
  run.note("rise", rise);
  run.note("rises", step.perturbation_norm > 0 ? static_cast<double>(rise > 0) : NAN);
  run.note("against", std::isnan(step.cosine) ? NAN : static_cast<double>(step.cosine < 0));
  run.note("steps_ahead", step.perturbation_norm / last_step_norm);
}

void record(Lab& lab, const Setting& setting, const RunResult& run) {
  const Measurement& last = run.last();
  Row row{{"kind", setting.label}, {"optimizer", setting.optimizer}, {"seed", static_cast<int64_t>(run.seed)}};
  for (const char* name : {"rho", "lr", "momentum"}) row.push_back({name, setting.value(name)});
  row.insert(row.end(), {{"steps", setting.steps},
                         {"gradient_evaluations", last.gradient_evaluations},
                         {"seconds", last.seconds},
                         {"train_loss", last.train_loss},
                         {"train_accuracy", last.train_accuracy},
                         {"test_loss", last.test_loss},
                         {"test_accuracy", last.test_accuracy},
                         {"validation_loss", validation_loss_of(run)},
                         {"validation_accuracy", validation_accuracy_of(run)},
                         {"diverged", run.divergence}});
  lab.record("runs", row);
}

}  // namespace

Observe probing(int64_t every, const datasets::Dataset& validation) {
  if (every < 2) fail("probing", text("every = ", every), "at least 2", "Each look needs the step before it.");
  return [=](Run& run) {
    struct Look {
      bool now = false;
      double last_step_norm = NAN;
      Tensor before;  // the weights before the step that comes before a look
    };
    const auto look = std::make_shared<Look>();
    const Tensor weights = run.optimizer().kept().flat.weights();
    Observer observer;
    observer.before_step = [=](Run& run) {
      const int64_t step = run.steps_done() + 1;
      look->now = step % every == 0;
      run.optimizer().measure(look->now ? optim::Measure::losses : optim::Measure::nothing);
      if (look->now) {
        core::add_scaled(look->before, -1, weights);
        look->last_step_norm = core::norm(look->before).item();
      }
      if ((step + 1) % every == 0) look->before = weights.clone();
    };
    observer.after_step = [=](Run& run) {
      if (look->now) note(run, run.optimizer().last_step(), look->last_step_norm);
    };
    observer.at_end = [=](Run& run) {
      const Evaluation held_out = evaluate(run.model(), validation);
      run.note("validation_loss", held_out.loss), run.note("validation_accuracy", held_out.accuracy);
    };
    return observer;
  };
}

double validation_loss_of(const RunResult& run) { return mean_seen("validation_loss")(run); }
double validation_accuracy_of(const RunResult& run) { return mean_seen("validation_accuracy")(run); }

std::vector<Runs> run_probed(Lab& lab, const Problem& problem, const datasets::Dataset& validation,
                             const std::vector<Setting>& settings, const std::vector<uint64_t>& seeds, int64_t every) {
  const std::vector<Runs> all = lab.run({.problems = problem,
                                         .settings = settings,
                                         .seeds = seeds,
                                         .measures = {.every_epoch = false},
                                         .observe = probing(every, validation)});
  for (size_t seed = 0; seed < seeds.size(); ++seed)
    for (const Runs& runs : all) record(lab, runs.setting, runs.results[seed]);
  return all;
}

}  // namespace minima::examples
