#include "examples/kit/difference.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "examples/kit/evaluation.h"

namespace minima::examples {

namespace {

double normal_below(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

double variance(const std::vector<double>& values, double mean) {
  double squares = 0;
  for (const double x : values) squares += (x - mean) * (x - mean);
  return squares / static_cast<double>(values.size() - 1);
}

/// The variance of the mean over test rows, of what a row does in every replicate. A row's mean over n replicates holds
/// 1 / n of the variance of what the row does in one of them alone, too, which the replicates' spread has already: this
/// part is taken out.
double rows_variance(const std::vector<std::vector<double>>& by_row) {
  const size_t count = by_row.size(), rows = count == 0 ? 0 : by_row[0].size();
  if (rows < 2) return 0;
  std::vector<double> row_means(rows), means(count);
  for (size_t s = 0; s < count; ++s)
    for (size_t i = 0; i < rows; ++i) {
      row_means[i] += by_row[s][i] / static_cast<double>(count);
      means[s] += by_row[s][i] / static_cast<double>(rows);
    }
  const double mean = interval_95(row_means).mean;
  double squares = 0;
  for (size_t s = 0; s < count; ++s)
    for (size_t i = 0; i < rows; ++i) squares += std::pow(by_row[s][i] - row_means[i] - means[s] + mean, 2);
  const double in_one = squares / static_cast<double>(std::max<size_t>(1, count - 1) * (rows - 1));
  const double lasting = variance(row_means, mean) - in_one / static_cast<double>(count);
  return std::max(0.0, lasting) / static_cast<double>(rows);
}

}  // namespace

Difference difference_of(const Replicates& r) {
  Difference d;
  d.interval = interval_95(r.differences);
  d.median = median(r.differences);
  const int n = d.interval.count;
  double better = 0;
  for (const double x : r.differences) better += x > 0 ? 1 : x == 0 ? 0.5 : 0;
  d.improved = better / n;
  const double of_rows = rows_variance(r.by_row);
  if (of_rows > 0) d.rows = student_t_975(static_cast<double>(r.by_row[0].size() - 1)) * std::sqrt(of_rows);
  const bool spread = d.interval.half_width > 0;
  if (n < 2 || (!spread && of_rows == 0)) return d;
  const double of_replicates = spread ? variance(r.differences, d.interval.mean) * (1.0 / n + r.test_per_train) : 0;
  const double all = of_replicates + of_rows;
  // Welch and Satterthwaite: the degrees of freedom of a sum of two variances
  const double rows = of_rows > 0 ? static_cast<double>(r.by_row[0].size()) : 2;
  const double degrees = all * all / (of_replicates * of_replicates / (n - 1) + of_rows * of_rows / (rows - 1));
  d.replicates = student_t_975(n - 1) * std::sqrt(of_replicates);
  d.error = std::sqrt(all), d.degrees = degrees;
  d.interval.half_width = student_t_975(degrees) * d.error;
  d.p = student_t_p(d.interval.mean / d.error, degrees);
  return d;
}

double verdict_probability(double mean, double error, double half_width, double margin, double of_several) {
  const auto between = [&](double low, double high) {
    return low >= high ? 0.0 : normal_below((high - mean) / error) - normal_below((low - mean) / error);
  };
  const double enough = std::max({margin, half_width, of_several}), little = margin - half_width;
  return between(-INFINITY, -enough) + between(-little, little) + between(enough, INFINITY);
}

double detectable(const Difference& spread) {
  constexpr double four_of_five = 0.8416;  // the point of the normal distribution
  return spread.interval.half_width + four_of_five * spread.error;
}

namespace {

struct RowNotes {
  std::vector<double> correct{}, loss{};
};

/// The means over the rows are R2 and the mean squared error. A row's part in R2 has a second term, whose mean is 0:
/// the spread of the targets, to which R2 compares the error, comes from the same rows.
RowNotes rows_of_quantities(Run& run) {
  const std::vector<float>& targets = run.problem().test.targets();
  const std::vector<float> outputs = outputs_of(run.model(), run.problem().test, run.problem().device);
  double mean = 0, variance = 0;
  for (const double target : targets) mean += target / static_cast<double>(targets.size());
  for (const double target : targets) variance += std::pow(target - mean, 2) / static_cast<double>(targets.size());
  const double all_errors = fit_of(outputs, targets).mean_squared_error;
  RowNotes rows;
  for (size_t i = 0; i < targets.size(); ++i) {
    const double error = std::pow(double{outputs[i]} - targets[i], 2);
    const double spread = std::pow(targets[i] - mean, 2) / variance;
    rows.correct.push_back(1 - error / variance + all_errors / variance * (spread - 1));
    rows.loss.push_back(error);
  }
  return rows;
}

RowNotes rows_of_classes(Run& run) {
  RowNotes rows;
  NoGrad no_grad;
  nn::Module& model = run.model();
  const Problem& problem = run.problem();
  const bool was_training = model.training;
  model.eval();
  const int64_t batch = std::min<int64_t>(500, problem.test.size());
  for (const auto& [x, y] : datasets::Loader(problem.test, {.batch_size = batch, .shuffle = false}).epoch(0)) {
    const Tensor log_probabilities = log_softmax(model(x.to(problem.device))).value().to(Device::cpu);
    const std::vector<double> values = log_probabilities.to_vector<double>();
    const auto classes = static_cast<size_t>(log_probabilities.shape()[1]);
    for (size_t i = 0; i < static_cast<size_t>(y.numel()); ++i) {
      const auto row = values.begin() + static_cast<std::ptrdiff_t>(i * classes);
      const auto label = static_cast<std::ptrdiff_t>(y.at(static_cast<int64_t>(i)));
      rows.loss.push_back(-row[label]);
      rows.correct.push_back(std::max_element(row, row + static_cast<std::ptrdiff_t>(classes)) - row == label);
    }
  }
  model.train(was_training);
  return rows;
}

}  // namespace

void note_rows(Run& run) {
  const datasets::Dataset& test = run.problem().test;
  const RowNotes rows = test.has_targets() ? rows_of_quantities(run) : rows_of_classes(run);
  const auto note = [&](const char* name, const std::vector<double>& values) {
    for (const double value : test.groups().empty() ? values : by_group(values, test.groups())) run.note(name, value);
  };
  note(row_correct, rows.correct), note(row_loss, rows.loss);
}

std::vector<double> by_group(const std::vector<double>& rows, const std::vector<int64_t>& groups) {
  struct Sum {
    double value = 0, count = 0;
  };
  std::map<int64_t, Sum> sums;
  double mean = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    Sum& sum = sums[groups[i]];
    sum.value += rows[i], sum.count += 1;
    mean += rows[i] / static_cast<double>(rows.size());
  }
  const double usual_size = static_cast<double>(rows.size()) / static_cast<double>(sums.size());
  std::vector<double> out;
  for (const auto& [group, sum] : sums) out.push_back(mean + (sum.value - mean * sum.count) / usual_size);
  return out;
}

Replicates replicates_of(const Runs& runs, const Runs& reference, Judged judged, double test_per_train,
                         const ReplicateOf& replicate_of) {
  struct Sum {
    double difference = 0, size = 0, count = 0;
    std::vector<double> by_row;
  };
  const auto of_run = at_end(judged == Judged::accuracy ? &Measurement::test_accuracy : &Measurement::test_loss);
  const std::string noted = judged == Judged::accuracy ? row_correct : row_loss;
  std::map<uint64_t, Sum> sums;
  bool with_rows = test_per_train == 0;
  for (const RunResult& run : runs.results)
    for (const RunResult& other : reference.results) {
      if (run.seed != other.seed || run.diverged() || other.diverged()) continue;
      Sum& sum = sums[replicate_of(run.seed)];
      sum.difference += of_run(run) - of_run(other), sum.count += 1;
      sum.size += std::abs(of_run(run)) + std::abs(of_run(other));
      with_rows = with_rows && run.seen.count(noted) > 0 && other.seen.count(noted) > 0;
      if (!with_rows) continue;
      const std::vector<double>&ours = run.seen.at(noted), &theirs = other.seen.at(noted);
      sum.by_row.resize(ours.size());
      for (size_t i = 0; i < ours.size(); ++i) sum.by_row[i] += ours[i] - theirs[i];
    }
  Replicates result{.test_per_train = test_per_train};
  for (auto& [replicate, sum] : sums) {
    const bool is_rounding = std::abs(sum.difference) < 1e-12 * sum.size;  // of sums in another order: a tie
    result.differences.push_back(is_rounding ? 0 : sum.difference / sum.count);
    for (double& row : sum.by_row) row /= sum.count;
    if (with_rows) result.by_row.push_back(std::move(sum.by_row));
  }
  return result;
}

int64_t collapsed(const Runs& runs, const std::vector<Runs>& all, double guessing) {
  const OfRun accuracy = at_end(&Measurement::test_accuracy);
  std::vector<double> accuracies;
  for (const Runs& one : all)
    for (const double value : one.values(accuracy)) accuracies.push_back(value);
  constexpr double least_gap = 0.1;  // a smaller one is the usual scatter of runs
  const double usual = median(accuracies), gap = usual - guessing, far = gap > least_gap ? 0.75 * gap : 0;
  const std::vector<double> ours = runs.values(accuracy);
  return far > 0 ? std::count_if(ours.begin(), ours.end(), [&](double a) { return a < usual - far; }) : 0;
}

double largest_share(const datasets::Dataset& data) {
  if (data.has_targets()) return 0;
  std::map<int64_t, int64_t> counts;
  for (const int64_t label : data.labels()) ++counts[label];
  int64_t largest = 0;
  for (const auto& [label, count] : counts) largest = std::max(largest, count);
  return static_cast<double>(largest) / static_cast<double>(data.size());
}

}  // namespace minima::examples
