#include "examples/kit/data_report.h"

#include <algorithm>
#include <cmath>

#include "examples/kit/evaluation.h"

namespace minima::examples {

void report_data(Report& report, const std::string& name, const datasets::Loaded& data) {
  report.heading("Data");
  report.paragraph(data_text(name, data));
  if (const Table table = column_table(data, /*shortened=*/false); !table.empty())
    report.table(table, Report::Cells::words);
  for (const std::string& note : data.notes) report.paragraph("Note: " + note);
}

void note_quality(Run& run) {
  const datasets::Dataset& test = run.problem().test;
  if (test.has_targets()) {
    const auto& loaded = run.problem().loaded;
    const double deviation = loaded && loaded->table ? loaded->table->target_deviation : 1;
    run.note("root_mean_squared_error", deviation * std::sqrt(run.result().last().test_loss));
    return;
  }
  const Quality q = quality_of(outputs_of(run.model(), test, run.problem().device), test.labels(), test.classes());
  run.note("balanced_accuracy", q.balanced_accuracy);
  run.note("calibration_error", q.calibration_error);
  if (static_cast<size_t>(test.classes()) <= most_confusion_classes)
    for (const int64_t count : q.confusion) run.note("confusion", static_cast<double>(count));
}

namespace {

const std::vector<double>& seen(const RunResult& run, const std::string& name) {
  static const std::vector<double> none;
  const auto found = run.seen.find(name);
  return found == run.seen.end() ? none : found->second;
}

Interval mean_of(const Runs& runs, const std::string& name) {
  std::vector<double> values;
  for (const RunResult& run : runs.results)
    for (const double value : seen(run, name)) values.push_back(value);
  return interval_95(values);
}

/// Summed over the seeds; empty where nothing was noted.
std::vector<int64_t> confusion_of(const Runs& runs) {
  std::vector<int64_t> sum;
  for (const RunResult& run : runs.results) {
    const std::vector<double>& counts = seen(run, "confusion");
    sum.resize(std::max(sum.size(), counts.size()));
    for (size_t i = 0; i < counts.size(); ++i) sum[i] += static_cast<int64_t>(counts[i]);
  }
  return sum;
}

}  // namespace

Table quality_table(const std::vector<Runs>& all) {
  Table errors{{"optimizer", "root mean squared error, in the label's units"}};
  for (const Runs& runs : all)
    if (const Interval error = mean_of(runs, "root_mean_squared_error"); error.count > 0)
      errors.push_back({runs.name(), interval_text(error)});
  if (errors.size() > 1) return errors;
  Table table{{"optimizer", "balanced acc %", "calibration error"}};
  for (const Runs& runs : all)
    if (const Interval balanced = mean_of(runs, "balanced_accuracy"); balanced.count > 0)
      table.push_back({runs.name(), interval_text(balanced, 100), interval_text(mean_of(runs, "calibration_error"))});
  return table.size() > 1 ? table : Table{};
}

void report_quality(Report& report, const std::vector<Runs>& all, const datasets::Dataset& test) {
  const Table table = quality_table(all);
  if (table.empty()) return;
  report.heading("Quality on the test part");
  if (test.has_targets()) return report.table(table);
  report.paragraph(
      "Balanced accuracy is the mean over the classes of the share that is right. The calibration error (ECE) is how "
      "far "
      "the probability that a model gives its answer is from the share of such answers that are right. In a confusion "
      "matrix, a row is a label and a column what it was predicted as, summed over the runs.");
  report.table(table);
  for (const Runs& runs : all)
    if (const std::vector<int64_t> confusion = confusion_of(runs); !confusion.empty()) {
      report.paragraph(runs.name());
      report.table(confusion_table(confusion, test.class_names()));
    }
}

}  // namespace minima::examples
