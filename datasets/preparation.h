// SPDX-License-Identifier: MIT
// How the columns of a table become the numbers that a network takes: learnt from the training rows alone, applied to
// any rows, shown as a table, and kept with a saved model.
// Not here: cutting a file into cells (csv.h), what one cell holds (cells.h), labels and splits (table.h).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "datasets/csv.h"

namespace minima::datasets {

using Words = std::vector<std::string>;

/// How a column's numbers and dates are written, which its cells do not always tell: 1,234 and 03/04/2020.
struct Written {
  char decimal = '\0';     ///< the mark before decimals; '\0': not known
  bool day_first = false;  ///< 03/04/2020 is a day of April
};

/// What one column becomes.
///   number    standardised; a missing one is the median, and a feature of its own says that it was missing;
///             that one alone, if the numbers do not differ
///   date      days since 1970, likewise; its place in the year (sine and cosine) where the dates span more than a year
///   category  a feature for each of the most frequent values, one for all others, and one for missing ones
struct ColumnPlan {
  enum class Kind { number, date, category, left_out };
  std::string name;
  Kind kind = Kind::left_out;
  bool yearly = false;   ///< of dates: their place in the year as well
  bool missing = false;  ///< a feature says so
  bool other = false;    ///< a feature for values that are not among `levels`
  double median = 0, mean = 0;
  double deviation = 1;  ///< 0: the values do not differ, and only the gaps are a feature
  Words levels{};
  std::string holds{}, becomes{};  ///< in words
  double missing_share = 0;        ///< of the training rows
  Written written{};               ///< in the training file

  Words feature_names() const;
};

/// How one file of a table writes a column. `usual` counts where neither the column nor the file's other ones tell.
Written written_in(const TextTable& table, size_t column, size_t file = 0, const Written& usual = {});

/// The numbers in a column of a table, or its dates as days since 1970; NaN where a cell is missing or holds none.
/// Where a file does not tell how they are written, it is as `usual` says, or as in the table's first file.
std::vector<double> numbers_of(const TextTable& table, size_t column, bool dates = false, const Written& usual = {});

/// Standardised values beyond this many deviations are cut to it.
inline constexpr double most_deviations = 10;

struct Preparation {
  std::string label;
  Words class_names;                             ///< none: the label is a quantity
  double target_mean = 0, target_deviation = 1;  ///< of a quantity, over the training rows
  Written label_written{};                       ///< in the training file
  std::vector<ColumnPlan> columns;

  bool regression() const { return class_names.empty(); }
  Words feature_names() const;
  /// [rows, features]. A column that the table lacks is an error that lists all of them; cells that a column of numbers
  /// cannot take are missing values, and `notes` says where.
  std::vector<float> features(const TextTable& table, Words& notes) const;
  /// A row a column: what it holds, how much is missing, what it becomes.
  std::vector<Words> report() const;

  /// As text, for the metadata of a saved model; and back. A damaged one is an error.
  std::map<std::string, std::string> saved() const;
  static Preparation from_saved(const std::map<std::string, std::string>& entries, const std::string& file);
};

/// How the pixels of images become the numbers that a network takes.
struct ImagePreparation {
  int height = 0, width = 0, channels = 0;
  double mean = 0, deviation = 1;  ///< of the training pixels in [0, 1]
};

/// What the training rows say about every column but the label and those in `left_out` (name -> why). `target` has a
/// number for each training row: its class or quantity. `notes` gets what a user should look at: columns that
/// alone predict the label, cells that are no number.
Preparation learn(const TextTable& table, const std::string& label, const std::map<std::string, std::string>& left_out,
                  const std::vector<int64_t>& train, const std::vector<double>& target, bool regression, Words& notes);

}  // namespace minima::datasets
