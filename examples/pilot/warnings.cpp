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

Problems problems_of(const Task& task, uint64_t judged_on) {
  return {[task, judged_on](uint64_t seed) { return problem_of(task, seed, judged_on); }};
}

/// lr and rho by the mean validation loss of the trials.
Setting tuned(const Task& task, const std::string& optimizer, const WarningOptions& options, Session& session) {
  Setting start{.optimizer = optimizer,
                .hyperparameters = {{"lr", 0.05 * std::sqrt(static_cast<double>(task.batch) / 50)}},
                .steps = options.epochs * problem_of(task, 1, validation).steps_per_epoch()};
  if (optimizer == "msam") start.hyperparameters["rho"] = 1;
  const Tuning tuning{session.run({.problems = problems_of(task, validation),
                                   .settings = tuning_grid(start),
                                   .seeds = seeds_from(first_tuning_seed, options.tuning_seeds),
                                   .measures = {.every_epoch = false}})};
  return tuning.chosen(optimizer).setting;
}

struct Test {
  std::string setting, short_name;
  ClusterOptions data;
};

/// Notes the accuracy on each test set at the end, and cos(v, g) in each step after the first epoch.
Observe judging(const std::vector<Test>& tests) {
  return [tests](Run& run) {
    run.optimizer().measure(optim::Measure::norms);
    Observer observer;
    observer.after_step = [](Run& run) {
      if (run.steps_done() > run.problem().steps_per_epoch()) run.note("cosine", run.optimizer().last_step().cosine);
    };
    observer.at_end = [tests](Run& run) {
      for (Test test : tests) {
        test.data.seed = run.seed(), test.data.draw = testing;
        run.note(test.setting, evaluate(run.model(), clusters(test.data)).accuracy);
      }
    };
    return observer;
  };
}

/// Both optimizers on one task, judged on several test sets.
std::vector<WarningCase> compare(const Task& task, const std::vector<Test>& tests, const WarningOptions& options,
                                 Session& session) {
  const std::vector<Setting> settings{tuned(task, "sgd", options, session), tuned(task, "msam", options, session)};
  const std::vector<Runs> runs = session.run({.problems = problems_of(task, testing),
                                              .settings = settings,
                                              .seeds = seeds_from(1, options.seeds),
                                              .measures = {.every_epoch = false},
                                              .observe = judging(tests)});
  for (const Runs& of_one : runs)
    for (const RunResult& run : of_one.results)
      if (run.diverged()) throw Diverged(run.divergence);  // these examples are known not to
  const Runs &sgd = runs[0], &msam = runs[1];
  std::vector<WarningCase> cases;
  for (const Test& test : tests) {
    const OfRun accuracy = mean_seen(test.setting);
    const std::vector<double> of_sgd = sgd.values(accuracy), of_msam = msam.values(accuracy);
    std::vector<double> differences;
    for (size_t seed = 0; seed < of_sgd.size(); ++seed) differences.push_back(of_msam[seed] - of_sgd[seed]);
    cases.push_back({test.setting, test.short_name, sgd.setting, msam.setting, interval_95(of_sgd),
                     interval_95(of_msam), differences, interval_95(differences), sgd.mean(mean_seen("cosine"))});
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

Warning shift_warning(const WarningOptions& options, Session& session) {
  Warning warning{
      "Distribution shift",
      text("600 training points in ", classes * clusters_per_class, " clusters of ", classes,
           " classes; a tenth of each cluster is a rare group, a little apart from the rest and of another class. The "
           "same trained networks are tested with the rare group as rare as in training, and more common. The radius "
           "decides: on other clusters tuning chose 1 instead of 4, and the advantage stayed (lab 11)."),
      {},
      ""};
  const auto test = [](double rare) { return ClusterOptions{.samples = test_samples, .scatter = 1, .rare = rare}; };
  warning.cases = compare({{.scatter = 1, .rare = 0.1}, 50},
                          {{"rare group 10%, as in training", "rare 1/10", test(0.1)},
                           {"rare group 25%", "1/4", test(0.25)},
                           {"rare group 50%", "1/2", test(0.5)},
                           {"rare group alone", "all", test(1)}},
                          options, session);
  warning.reading = reading_of(warning.cases, 0, warning.cases.size());
  return warning;
}

Warning variance_warning(const WarningOptions& options, Session& session) {
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
    warning.cases.push_back(compare(task, {test}, options, session)[0]);
  }
  warning.reading = reading_of(warning.cases, 0, without_noise) + " " +
                    reading_of(warning.cases, without_noise, warning.cases.size());
  return warning;
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
    table.push_back({c.setting, c.sgd.value_text("lr"), c.msam.value_text("lr"), c.msam.value_text("rho"),
                     interval_text(c.sgd_accuracy, 100), interval_text(c.msam_accuracy, 100),
                     difference_text(c.difference, 100), interval_text(c.cosine)});
  return table;
}

}  // namespace minima::examples
