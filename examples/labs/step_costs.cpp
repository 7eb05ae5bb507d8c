#include "examples/labs/step_costs.h"

#include <algorithm>

#include "examples/kit/table.h"

namespace minima::examples {

namespace {

std::map<std::string, StepCost> measured(Lab& lab, const Problem& problem, const std::vector<Setting>& settings,
                                         int64_t repeats) {
  const int threads = num_threads();
  set_num_threads(1);
  const std::vector<Runs> all = lab.run({.problems = problem,
                                         .settings = settings,
                                         .seeds = std::vector<uint64_t>(static_cast<size_t>(repeats), 1),
                                         .measures = {.every_epoch = false},
                                         .one_after_another = true});
  set_num_threads(threads);
  std::map<std::string, StepCost> costs;
  for (const Runs& runs : all) {
    const auto a_step = [](double total, const RunResult& run) { return total / static_cast<double>(run.last().step); };
    std::vector<double> seconds = runs.values([&](const RunResult& run) { return a_step(run.last().seconds, run); });
    std::sort(seconds.begin(), seconds.end());
    const RunResult& last = runs.results.back();
    costs[runs.name()] = {.seconds = seconds.front(),
                          .median_seconds = seconds[seconds.size() / 2],
                          .gradients = a_step(gradients_at_end(last), last),
                          .mebibytes = static_cast<double>(last.last().peak_memory_bytes) / (1 << 20)};
  }
  return costs;
}

}  // namespace

std::map<std::string, StepCost> show_step_costs(Lab& lab, const Problem& problem, const std::vector<Setting>& settings,
                                                int64_t repeats) {
  const std::map<std::string, StepCost> costs = measured(lab, problem, settings, repeats);
  const StepCost& sgd = costs.at("sgd");
  Table table{{"", "gradients/step", "ms/step, fastest", "median", "fastest / sgd", "median / sgd", "peak MiB"}};
  for (const Setting& s : settings) {
    const StepCost& cost = costs.at(s.optimizer);
    table.push_back({s.optimizer, number_text(cost.gradients), fixed(1000 * cost.seconds, 2),
                     fixed(1000 * cost.median_seconds, 2), fixed(cost.seconds / sgd.seconds, 2),
                     fixed(cost.median_seconds / sgd.median_seconds, 2), fixed(cost.mebibytes, 1)});
    lab.record("costs", {{"optimizer", s.optimizer},
                         {"gradients_per_step", cost.gradients},
                         {"seconds_fastest", cost.seconds},
                         {"seconds_median", cost.median_seconds},
                         {"peak_mebibytes", cost.mebibytes}});
  }
  lab.table(text("Of ", repeats,
                 " interleaved repeats in one thread. Gradients are counted, and are a stated figure; "
                 "seconds depend on what else the machine does, and are not:"),
            table);
  return costs;
}

}  // namespace minima::examples
