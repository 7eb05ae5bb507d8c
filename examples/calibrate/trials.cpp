#include "examples/calibrate/trials.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "examples/compare/comparison.h"
#include "examples/pilot/report.h"

namespace minima::examples {

namespace {

constexpr double test_share = 0.2;
constexpr uint64_t other_seeds = 500;  // of the second arm of two that are the same; a trial has 1000 seeds

/// The same samples with other labels.
datasets::Dataset with_labels(const datasets::Dataset& data, const std::vector<int64_t>& labels) {
  const std::vector<double> values = data.all().x.to_vector<double>();
  return datasets::Dataset::from_values({values.begin(), values.end()}, data.input_shape(),
                                        {labels.begin(), labels.end()}, data.class_names());
}

/// Equally many samples of each class, as many as the rarest has.
datasets::Dataset balanced(const datasets::Dataset& data) {
  const std::vector<int64_t> labels = data.labels();
  std::vector<int64_t> counts(static_cast<size_t>(data.classes())), taken(counts.size()), positions;
  for (const int64_t label : labels) ++counts[static_cast<size_t>(label)];
  const int64_t each = *std::min_element(counts.begin(), counts.end());
  for (size_t i = 0; i < labels.size(); ++i)
    if (taken[static_cast<size_t>(labels[i])]++ < each) positions.push_back(static_cast<int64_t>(i));
  return data.subset(positions);
}

/// A small table drawn from a larger one, with the labels that the truth wants.
datasets::Dataset drawn(const datasets::Dataset& table, Truth truth, int64_t rows, uint64_t number) {
  const double share = std::min(0.5, static_cast<double>(rows) / static_cast<double>(table.size()));
  const datasets::Dataset sample = table.split(share, number).test;
  if (truth != Truth::permuted) return sample;
  const datasets::Dataset even = balanced(sample);
  const std::vector<int64_t> labels = even.labels();
  std::vector<int64_t> permuted;
  for (const int64_t i : Generator{number, 0}.permutation(even.size()))
    permuted.push_back(labels[static_cast<size_t>(i)]);
  return with_labels(even, permuted);
}

/// The data of a trial, replicate by replicate, and its two arms.
class Data {
 public:
  Data(const Kind& kind, const datasets::Dataset& table, const TrialOptions& options, uint64_t number)
      : kind_(kind), options_(options), number_(number), sample_(drawn(table, kind.truth, options.rows, number)) {}

  /// No two trials share a split or a seed: what is lucky in one would be so in all.
  uint64_t replicate(int64_t i) const { return 1000 * number_ + static_cast<uint64_t>(i); }
  Problem first(uint64_t replicate) const {
    const auto [train, test] = sample_.split(test_share, kind_.splits_anew ? replicate : number_);
    return {.data = "drawn", .model = options_.model, .train = train, .test = test, .batch = options_.batch};
  }
  Problem second(uint64_t replicate) const {
    Problem problem = first(replicate);
    if (kind_.truth == Truth::planted) problem.train = problem.train.label_noise(planted_noise, replicate);
    return problem;
  }
  double test_per_train() const { return kind_.splits_anew ? examples::test_per_train(first(replicate(1))) : 0; }

 private:
  Kind kind_;
  TrialOptions options_;
  uint64_t number_;
  datasets::Dataset sample_;
};

/// Runs of SGD under the name and with the seeds that the runs of another optimizer would have.
Runs as_msam(Runs runs, uint64_t seeds_before) {
  runs.setting.label = "msam";
  for (RunResult& run : runs.results) run.seed -= seeds_before;
  return runs;
}

Verdict compare_once(const Kind& kind, const Data& data, const TrialOptions& options) {
  Comparison comparison = comparison_of(data.first(1), 0);
  comparison.test_per_train = data.test_per_train();
  const auto run = [&](const std::string& optimizer, bool second, uint64_t seeds_before) {
    Runs runs{{.optimizer = optimizer, .steps = options.epochs * data.first(1).steps_per_epoch()}};
    for (int64_t i = 1; i <= options.seeds; ++i) {
      const uint64_t seed = data.replicate(i);
      Run one(second ? data.second(seed) : data.first(seed), runs.setting, seed + seeds_before);
      runs.results.push_back(train_to_end(one, {.at_end = note_rows}, {.every_epoch = false}));
    }
    return runs;
  };
  comparison.runs.push_back(run("sgd", false, 0));
  if (kind.truth == Truth::permuted)
    for (const std::string name : {"sam", "msam"}) comparison.runs.push_back(run(name, false, 0));
  else
    comparison.runs.push_back(as_msam(run("sgd", true, other_seeds), other_seeds));
  Verdict verdict;
  for (size_t i = 1; i < comparison.runs.size(); ++i) {
    const Difference d = difference_to_reference(comparison, comparison.runs[i], Judged::accuracy);
    verdict.difference = 100 * d.interval.mean;
    verdict.error = 100 * d.error, verdict.half_width = 100 * d.interval.half_width;
    if (d.separated()) verdict.better = d.interval.mean > 0 ? 1 : -1;
  }
  return verdict;
}

Verdict pilot_once(const Kind& kind, const Data& data, const TrialOptions& options) {
  PilotClock endless(std::numeric_limits<double>::infinity());
  PilotSession session(endless, {});
  Pilot pilot{.comparison = comparison_of(data.first(1), 0)};
  pilot.comparison.compared_with = "sgd";
  pilot.comparison.test_per_train = data.test_per_train();
  pilot.plan = {.grid = {2, 2, 2}, .epochs = options.epochs, .seeds = 1, .studies = options.studies};
  const auto study = [&](const Problem& problem, int64_t number, const std::vector<std::string>& optimizers) {
    return session.study(problem, pilot.plan, pilot.rule.tuned_by(), 0, number, optimizers);
  };
  for (int64_t i = 1; i <= options.studies; ++i) {
    const uint64_t replicate = data.replicate(i);
    const auto number = static_cast<int64_t>(replicate);
    if (kind.truth == Truth::permuted) {
      pilot.studies.push_back(study(data.first(replicate), number, {"sgd", "msam"}));
      continue;
    }
    Study sgd = study(data.first(replicate), number, {"sgd"});
    const Study other = study(data.second(replicate), number + static_cast<int64_t>(other_seeds), {"sgd"});
    sgd.runs.push_back(as_msam(other.runs[0], study_seed(static_cast<int64_t>(other_seeds), 0)));
    pilot.studies.push_back(sgd);
  }
  pilot.comparison.runs = runs_of(pilot.studies);
  const PilotVerdict v = judge(evidence_of(pilot), pilot.rule);
  return {v.better, v.difference.interval.mean, v.difference.error, v.difference.interval.half_width,
          pilot.rule.margin};
}

}  // namespace

std::vector<Kind> kinds() {
  std::vector<Kind> all;
  for (const bool pilot : {false, true})
    for (const Truth truth : {Truth::permuted, Truth::same, Truth::planted})
      for (const bool splits_anew : {true, false})
        if (truth != Truth::planted || splits_anew) all.push_back({pilot, truth, splits_anew});
  return all;
}

std::string words(const Kind& kind) {
  const char* truth = kind.truth == Truth::permuted ? "labels permuted"
                      : kind.truth == Truth::same   ? "same optimizer"
                                                    : "planted difference";
  return text(truth, kind.splits_anew ? ", splits anew" : ", one test part");
}

Verdict trial(const Kind& kind, const datasets::Dataset& table, const TrialOptions& options, uint64_t number) {
  const Data data(kind, table, options, number);
  return kind.pilot ? pilot_once(kind, data, options) : compare_once(kind, data, options);
}

}  // namespace minima::examples
