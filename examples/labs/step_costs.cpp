#include "examples/labs/step_costs.h"

#include <algorithm>

#include "examples/kit/table.h"

namespace minima::examples {

namespace {

std::map<std::string, StepCost> measured(Lab& lab, const Problem& problem, const std::vector<RunSettings>& settings,
                                         int64_t repeats) {
  const int threads = num_threads();
  set_num_threads(1);
  std::map<std::string, std::vector<double>> seconds;
  std::map<std::string, StepCost> costs;
  for (int64_t repeat = 0; repeat < repeats; ++repeat)
    for (const RunSettings& s : settings) {
      const Measurement m = lab.run(problem, s, {.every_epoch = false}).last();
      const auto steps = static_cast<double>(m.step);
      seconds[s.optimizer].push_back(m.seconds / steps);
      costs[s.optimizer].gradients = static_cast<double>(m.gradient_evaluations) / steps;
      costs[s.optimizer].mebibytes = static_cast<double>(m.peak_memory_bytes) / (1 << 20);
    }
  set_num_threads(threads);
  for (auto& [name, values] : seconds) {
    std::sort(values.begin(), values.end());
    costs[name].seconds = values.front(), costs[name].median_seconds = values[values.size() / 2];
  }
  return costs;
}

}  // namespace

std::map<std::string, StepCost> show_step_costs(Lab& lab, const Problem& problem,
                                                const std::vector<RunSettings>& settings, int64_t repeats) {
  const std::map<std::string, StepCost> costs = measured(lab, problem, settings, repeats);
  const StepCost& sgd = costs.at("sgd");
  Table table{{"", "gradients/step", "ms/step, fastest", "median", "fastest / sgd", "median / sgd", "peak MiB"}};
  for (const RunSettings& s : settings) {
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
