// SPDX-License-Identifier: MIT
// What one cell of a table of text holds: nothing, a number, or a date. Not here: what a column becomes
// (preparation.h).
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::datasets::detail {

/// Whether a cell stands for a missing value: empty, ?, NA, N/A, #N/A, <NA>, n.a., NaN, NaT, NULL in any case, or \N.
bool is_missing(std::string_view cell);

/// Whether a cell stands for a missing number or date, where the others are such; in a column of text it is a value:
/// -, --, ., none, unknown, missing.
bool is_gap(std::string_view cell);

/// What a column's cells say about the mark before their decimals: 1,5 and 1.234,5 can be meant in one way only, 1,234
/// in two.
struct DecimalMarks {
  size_t points = 0, commas = 0;  ///< cells that can be meant with this mark alone
  size_t numbers = 0, texts = 0;  ///< cells of both kinds in all
  std::string_view either{};      ///< the first cell that can be meant with both

  /// The mark of most cells that have one; '\0' if there is none.
  char decimal() const { return points + commas == 0 ? '\0' : commas > points ? ',' : '.'; }
};
DecimalMarks decimal_marks(const std::vector<std::string_view>& cells);

/// The mark before the decimals that most columns of numbers show; '\0' if none does.
char usual_decimal(const std::vector<std::vector<std::string_view>>& columns);

/// The mark before the decimals of a column: what its cells show; else `usual`, unless that is '\0'; else a comma in a
/// table that is not separated by commas, if the column has one.
char decimal_of(const DecimalMarks& marks, char separator, char usual);

/// The number that a cell holds, all of it. `decimal` counts where the cell can be meant in two ways. A sign of percent
/// after it and of dollar, euro, pound or yen around it are passed over; spaces that do not break, and apostrophes, may
/// part groups of three digits; (5.00) is -5. Infinite ones, NaN and those beyond float32 are none; one too small for a
/// double is 0.
std::optional<double> number_in(std::string_view cell, char decimal = '.');

/// Whether 03/04/2020 is a day of April in these cells: more of them have a day above 12 in the first place than in the
/// second. None if no cell tells, or as many tell the one as the other.
std::optional<bool> day_first(const std::vector<std::string_view>& cells);

/// The days from 1970-01-01 to the date in a cell, its time of day as a fraction: 2020-04-03, 2020/04/03 12:30,
/// 03.04.2020, 04/03/2020 03:09 PM, 3 April 2020, Apr 3, 2020, Fri Apr 3 15:09:00 2020, April 2020. Names of days and
/// of time zones are passed over. Text that is no date gives none.
std::optional<double> days_in(std::string_view cell, bool day_first);

}  // namespace minima::datasets::detail
#pragma GCC visibility pop
