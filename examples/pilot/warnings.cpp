#include "examples/pilot/warnings.h"

#include <algorithm>
#include <cmath>

#include "examples/kit/tuning.h"

namespace minima::examples {

namespace {

constexpr int64_t dimensions = 40, classes = 5, clusters_per_class = 6;
constexpr double rare_distance =
    0.7;  // of a rare group from its cluster's centre, as a share of the centres' own spread
constexpr int64_t test_samples = 2000;
constexpr uint64_t training = 0, validation = 1, testing = 2;  // draws

/// Training data of one kind, and how it is trained on.
struct Task {
  ClusterOptions data;
  int64_t batch;
};

Problem problem_of(const Task& task, uint64_t seed, uint64_t judged_on) {
  ClusterOptions data = task.data;
  data.seed = seed, data.draw = training;
  Problem problem{.data = "clusters", .model = "mlp:128", .train = clusters(data), .batch = task.batch};
  data.draw = judged_on;
  if (judged_on == testing) data.samples = test_samples, data.label_noise = 0;
  problem.test = clusters(data);
  return problem;
}

RunResult trained(const Problem& problem, const RunSettings& settings) {
  Run run(problem, settings);
  try {
    while (!run.finished()) run.step();
    run.measure();
    return run.result();
  } catch (const Diverged& diverged) {
    RunResult result = run.result();
    result.divergence = diverged.what();
    return result;
  }
}

/// lr and rho by the mean validation loss of 15 trials.
RunSettings tuned(const Task& task, const std::string& optimizer, const WarningOptions& options,
                  const std::function<void()>& tick) {
  RunSettings start{
      .optimizer = optimizer, .base = "sgd", .lr = 0.05 * std::sqrt(static_cast<double>(task.batch) / 50)};
  if (optimizer == "msam") start.rho = 1;
  std::vector<RunResult> runs;
  for (RunSettings trial : tuning_grid(start)) {
    for (int64_t i = 0; i < options.tuning_seeds; ++i, tick()) {
      trial.seed = first_tuning_seed + static_cast<uint64_t>(i);
      const Problem problem = problem_of(task, trial.seed, validation);
      trial.steps = options.epochs * problem.steps_per_epoch();
      runs.push_back(trained(problem, trial));
    }
  }
  return chosen_trial(judge_trials(runs), optimizer).settings;
}

/// A finished final run: accuracy on each of several test sets, and what its momentum said.
struct Final {
  std::vector<double> accuracies;
  double cosine = 0;
};

Final final_run(const Task& task, RunSettings settings, uint64_t seed, const std::vector<ClusterOptions>& tests,
                int64_t epochs) {
  const Problem problem = problem_of(task, seed, testing);
  settings.seed = seed, settings.steps = epochs * problem.steps_per_epoch();
  Run run(problem, settings);
  run.optimizer().measure(optim::Measure::norms);
  Final result;
  int64_t counted = 0;
  while (!run.finished()) {
    run.step();
    const double cosine = run.optimizer().last_step().cosine;
    if (run.steps_done() > problem.steps_per_epoch() && std::isfinite(cosine)) result.cosine += cosine, ++counted;
  }
  result.cosine /= static_cast<double>(std::max<int64_t>(1, counted));
  for (ClusterOptions test : tests) {
    test.seed = seed, test.draw = testing;
    result.accuracies.push_back(evaluate(run.model(), clusters(test)).accuracy);
  }
  return result;
}

struct Test {
  std::string setting, short_name;
  ClusterOptions data;
};

/// Both optimizers on one task, judged on several test sets.
std::vector<WarningCase> compare(const Task& task, const std::vector<Test>& tests, const WarningOptions& options,
                                 const std::function<void()>& tick) {
  const RunSettings sgd = tuned(task, "sgd", options, tick), msam = tuned(task, "msam", options, tick);
  std::vector<ClusterOptions> data;
  for (const Test& test : tests) data.push_back(test.data);
  std::vector<std::vector<double>> of_sgd(tests.size()), of_msam(tests.size());
  std::vector<double> cosines;
  for (int64_t seed = 1; seed <= options.seeds; ++seed) {
    const Final a = final_run(task, sgd, static_cast<uint64_t>(seed), data, options.epochs);
    tick();
    const Final b = final_run(task, msam, static_cast<uint64_t>(seed), data, options.epochs);
    tick();
    cosines.push_back(a.cosine);
    for (size_t i = 0; i < tests.size(); ++i)
      of_sgd[i].push_back(a.accuracies[i]), of_msam[i].push_back(b.accuracies[i]);
  }
  std::vector<WarningCase> cases;
  for (size_t i = 0; i < tests.size(); ++i) {
    std::vector<double> differences = of_msam[i];
    for (size_t seed = 0; seed < differences.size(); ++seed) differences[seed] -= of_sgd[i][seed];
    cases.push_back({tests[i].setting, tests[i].short_name, sgd, msam, interval_95(of_sgd[i]), interval_95(of_msam[i]),
                     differences, interval_95(differences), interval_95(cosines)});
  }
  return cases;
}

/// The differences of cases first .. end - 1 in words.
std::string reading_of(const std::vector<WarningCase>& cases, size_t first, size_t end) {
  const WarningCase& start = cases[first];
  const bool advantage = start.difference.separated() && start.difference.mean > 0;
  std::string result = text("MSAM minus SGD in points of test accuracy: ", difference_text(start.difference, 100), " (",
                            start.setting, ")");
  if (!advantage) result += ", which is no advantage that could go away";
  for (size_t i = first + 1; i < end; ++i) {
    result += text("; ", difference_text(cases[i].difference, 100), " (", cases[i].setting, ")");
    if (advantage) result += ": " + fate_of_advantage(start.differences, cases[i].differences);
  }
  return result + ".";
}

struct BatchTask {
  int64_t batch;
  double label_noise;
};
constexpr BatchTask batch_tasks[] = {{50, 0}, {10, 0}, {2, 0}, {50, 0.2}, {2, 0.2}};
constexpr size_t without_noise = 3;  // of them

}  // namespace

datasets::Dataset clusters(const ClusterOptions& options) {
  const int64_t count = classes * clusters_per_class;
  Generator fixed{options.seed, 0}, random{options.seed, (options.draw + 1) << 40};
  const auto centres = fixed.normal({count * dimensions}, 0, 1, DType::float64).to_vector<double>();
  const auto apart = fixed.normal({count * dimensions}, 0, rare_distance, DType::float64).to_vector<double>();
  const auto noise = random.normal({options.samples * dimensions}, 0, options.scatter).to_vector<double>();
  const auto rare = random.bernoulli({options.samples}, options.rare).to_vector<double>();
  std::vector<float> values;
  std::vector<int32_t> labels;
  for (int64_t i = 0; i < options.samples; ++i) {
    const auto cluster = static_cast<int64_t>(random.below(static_cast<uint64_t>(count)));
    const double is_rare = rare[static_cast<size_t>(i)];
    labels.push_back(static_cast<int32_t>((cluster + (is_rare > 0 ? 1 : 0)) % classes));
    for (int64_t j = 0; j < dimensions; ++j) {
      const auto at = static_cast<size_t>(cluster * dimensions + j);
      values.push_back(
          static_cast<float>(centres[at] + is_rare * apart[at] + noise[static_cast<size_t>(i * dimensions + j)]));
    }
  }
  std::vector<std::string> names;
  for (int64_t c = 0; c < classes; ++c) names.push_back(std::to_string(c));
  const auto data =
      datasets::Dataset::from_values(std::move(values), {dimensions}, std::move(labels), std::move(names));
  return options.label_noise > 0 ? data.label_noise(options.label_noise, options.seed + options.draw) : data;
}

Warning shift_warning(const WarningOptions& options, const std::function<void()>& tick) {
  Warning warning{
      "Distribution shift",
      text("600 training points in ", classes * clusters_per_class, " clusters of ", classes,
           " classes; a tenth of each cluster is a rare group, a little apart from the rest and of another class. The "
           "same trained networks are tested with the rare group as rare as in training, and more common."),
      {},
      ""};
  const auto test = [](double rare) { return ClusterOptions{.samples = test_samples, .scatter = 1, .rare = rare}; };
  warning.cases = compare({{.scatter = 1, .rare = 0.1}, 50},
                          {{"rare group 10%, as in training", "rare 1/10", test(0.1)},
                           {"rare group 25%", "1/4", test(0.25)},
                           {"rare group 50%", "1/2", test(0.5)},
                           {"rare group alone", "all", test(1)}},
                          options, tick);
  warning.reading = reading_of(warning.cases, 0, warning.cases.size());
  return warning;
}

Warning variance_warning(const WarningOptions& options, const std::function<void()>& tick) {
  Warning warning{
      "High batch variance",
      text("600 training points in ", classes * clusters_per_class, " clusters of ", classes,
           " classes, in smaller and smaller batches; as many epochs, lr and rho tuned anew for each. Then the same, a "
           "little less scattered, with a fifth of the training labels wrong."),
      {},
      ""};
  for (const BatchTask& t : batch_tasks) {
    const bool noisy = t.label_noise > 0;
    const Task task{{.scatter = noisy ? 0.8 : 1, .label_noise = t.label_noise}, t.batch};
    const Test test{text("batches of ", t.batch, noisy ? ", a fifth of the labels wrong" : ""),
                    text(noisy ? "noisy, " : "batch ", t.batch),
                    {.samples = test_samples, .scatter = task.data.scatter}};
    warning.cases.push_back(compare(task, {test}, options, tick)[0]);
  }
  warning.reading = reading_of(warning.cases, 0, without_noise) + " " +
                    reading_of(warning.cases, without_noise, warning.cases.size());
  return warning;
}

int64_t warning_runs(const WarningOptions& options) {
  const int64_t tasks = 1 + static_cast<int64_t>(std::size(batch_tasks));
  return tasks * 2 * (trials_per_optimizer * options.tuning_seeds + options.seeds);
}

std::string fate_of_advantage(const std::vector<double>& differences, const std::vector<double>& elsewhere) {
  const Interval change = paired_difference(elsewhere, differences), there = interval_95(elsewhere);
  if (!change.separated()) return "no change is shown";
  if (change.mean > 0) return "larger";
  if (!there.separated()) return "smaller, and no longer shown to be there";
  return there.mean < 0 ? "reversed, SGD is better" : "smaller, but it does not go away";
}

Table warning_table(const Warning& warning) {
  Table table{
      {"setting", "sgd: lr", "msam: lr", "rho", "sgd acc %", "msam acc %", "msam minus sgd, points", "cos(v, g)"}};
  for (const WarningCase& c : warning.cases)
    table.push_back({c.setting, number_text(c.sgd.lr), number_text(c.msam.lr), number_text(c.msam.rho),
                     interval_text(c.sgd_accuracy, 100), interval_text(c.msam_accuracy, 100),
                     difference_text(c.difference, 100), interval_text(c.cosine)});
  return table;
}

}  // namespace minima::examples
