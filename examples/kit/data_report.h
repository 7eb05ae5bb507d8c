// The part of a report that is about the data, and about how good the models are on it beyond accuracy and loss.
// Not here: what of that is printed (data.h), differences between optimizers.
#pragma once

#include "examples/kit/data.h"
#include "examples/kit/report.h"
#include "examples/kit/runs.h"

namespace minima::examples {

/// A heading "Data", what they are, what each column of a table became, and notes.
void report_data(Report& report, const std::string& name, const datasets::Loaded& data);

/// For an observer: at the end of a run, balanced accuracy, calibration error and the confusion matrix on the test
/// part. Of quantities: the root mean squared error, in the label's own units.
void note_quality(Run& run);

/// What note_quality noted: a row a setting with means over the runs, and, where the classes are few, a confusion
/// matrix each, summed over the runs. Nothing if nothing was noted.
void report_quality(Report& report, const std::vector<Runs>& all, const datasets::Dataset& test);
/// The first of these tables, for the terminal; empty if nothing was noted.
Table quality_table(const std::vector<Runs>& all);

}  // namespace minima::examples
