// SPDX-License-Identifier: MIT
// A table with a label: which rows train and which test, classes or a quantity to predict, and the columns as numbers.
// Not here: cells (csv.h), what a column becomes (preparation.h).
#pragma once

#include "datasets/loaded.h"

namespace minima::datasets {

/// A table in a text file, gz or not (csv.h). Everything about its columns is learnt from the training part alone. The
/// label's values are classes, sorted (as numbers if they all are); with the task "regression" they are numbers, which
/// the data set standardises. An error names all that is wrong with the file: rows of another length, quotes that do
/// not fit, missing labels, columns that are not there. A label of numbers with many values, or of more than a hundred
/// texts, is an error that asks for the task.
Loaded load_table(const std::string& path, const LoadOptions& options);

/// The cells of a file, for rows to be predicted. All of its problems are one error.
TextTable read_table(const std::string& path);

/// The labels of a table's rows in the numbering of a preparation: classes, -1 for one that it does not know or that is
/// missing; or standardised quantities, NaN for what is no number.
std::vector<double> labels_of(const TextTable& table, const Preparation& preparation);

}  // namespace minima::datasets
