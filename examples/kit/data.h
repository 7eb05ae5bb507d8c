// The data that a program is given: the options that say what they are, and what is said about them before training and
// in the report. Not here: reading them (datasets/).
#pragma once

#include <string>
#include <vector>

#include "examples/kit/program.h"
#include "examples/kit/table.h"
#include "minima.h"

namespace minima::examples {

/// --task, --test, --group, --time, --drop, --split-seed and --image-size.
void add_data_options(CommandLine& line, datasets::LoadOptions& options);
/// The same as text, but for those that are not set.
std::map<std::string, std::string> data_configuration(const datasets::LoadOptions& options);

/// A number that is another one as soon as a sample, a label or the split is another: what a saved run belongs to.
std::string fingerprint(const datasets::Split& split);
/// The same of a text: of its alphabet and all its characters. At least 2.
std::string fingerprint(const datasets::Text& text);
/// The same kind of number for any bytes.
std::string fingerprint_of_bytes(const std::string& bytes);

/// The accuracy of always predicting the training part's most frequent class, on the test part.
double majority_accuracy(const datasets::Split& split);

/// "flowers.csv: 150 rows (120 training, 30 test), 4 features; 3 classes: a 33.3%, ...; always a is right in 33.3% of
/// the test rows."
std::string data_text(const std::string& name, const datasets::Loaded& data);
/// What each column of a table becomes, for the terminal (many plain columns in one line) and for a report (all); empty
/// for other data.
Table column_table(const datasets::Loaded& data, bool shortened);
/// Prints text, table, and notes.
void print_data(const std::string& name, const datasets::Loaded& data);

/// Where no batch or no length is given: 64 samples, fewer where an epoch would have less than ten steps (a power of
/// two, at least 8); and as many epochs as make 700 steps, between 10 and 100.
int64_t default_batch(int64_t samples);
int64_t default_epochs(int64_t samples, int64_t batch);

}  // namespace minima::examples
