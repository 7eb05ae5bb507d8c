#include "examples/kit/cost.h"

#include <algorithm>

namespace minima::examples {

namespace {
constexpr int64_t share = 20, least_steps = 5, most_steps = 200, untimed_steps = 2;
}

Cost cost_of(const Problem& problem, const Setting& setting, uint64_t seed, const std::function<void()>& before_step) {
  Run run(problem, setting, seed);
  const int64_t steps = untimed_steps + std::clamp(setting.steps / share, least_steps, most_steps);
  double before = 0;
  int64_t untimed = 0, gradients = 0;
  try {
    while (!run.finished() && run.steps_done() < steps) {
      if (before_step) before_step();
      run.step();
      gradients = run.gradient_evaluations();
      if (run.steps_done() == untimed_steps && !run.finished()) before = run.seconds(), untimed = gradients;
    }
  } catch (const Diverged&) {}  // so will the run itself; the seconds of this step are not known
  const int64_t timed = gradients - untimed;
  return {timed > 0 ? (run.seconds() - before) / static_cast<double>(timed) : 0, run.peak_memory_bytes()};
}

int64_t memory_of_steps(const Problem& problem, const Setting& setting, uint64_t seed) {
  Run run(problem, setting, seed);
  try {
    while (!run.finished() && run.steps_done() < untimed_steps) run.step();
  } catch (const Diverged&) {}
  return run.peak_memory_bytes();
}

Measurement with_cost(Measurement m, const Cost& cost) {
  m.seconds = cost.gradient_seconds * static_cast<double>(m.gradient_evaluations);
  m.peak_memory_bytes = std::max(m.peak_memory_bytes, cost.peak_memory_bytes);
  return m;
}

std::string costs_text(const std::vector<Runs>& all) {
  const bool apart = std::any_of(all.begin(), all.end(), [](const Runs& runs) {
    return std::any_of(runs.results.begin(), runs.results.end(), [](const RunResult& r) { return r.costs_apart; });
  });
  if (!apart) return "Seconds and memory are those of training.";
  return text(
      "Runs were done side by side. Seconds and memory are those of training. Seconds were measured in a part of its ",
      "own while this program did nothing else: of each run the first steps, one in ", share, " and at most ",
      most_steps,
      ", and what their gradients took counts for all gradients of the run. Memory is the larger one of that part's ",
      "and the run's own.");
}

}  // namespace minima::examples
