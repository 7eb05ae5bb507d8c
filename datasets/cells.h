// SPDX-License-Identifier: MIT
// What one cell of a table of text holds: nothing, a number, or a date. Not here: what a column becomes
// (preparation.h).
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#pragma GCC visibility push(hidden)  // not public: docs/house.md
namespace minima::datasets::detail {

/// Whether a cell stands for a missing value: empty, NA, N/A, NaN, NULL in any case, or ?.
bool is_missing(std::string_view cell);

/// How the numbers of a column are written.
struct NumberFormat {
  char decimal = '.';
  char thousands = '\0';
};

/// The format that fits the numbers among a column's cells. `separator` is the table's: where it is no comma, 1,234
/// is 1.234.
NumberFormat number_format(const std::vector<std::string_view>& cells, char separator);

/// The number that a cell holds, all of it. A sign of percent after it and of dollar, euro or pound before it are
/// passed over. Infinite ones, NaN and those beyond float32 are none; one too small for a double is 0.
std::optional<double> number_in(std::string_view cell, NumberFormat format);

/// Whether 03/04/2020 is a day of April in these cells: one of them has a day above 12 in the first place.
bool day_first(const std::vector<std::string_view>& cells);

/// The days from 1970-01-01 to the date in a cell, its time of day as a fraction: 2020-04-03, 2020/04/03 12:30,
/// 03.04.2020, 04/03/2020, 3 April 2020, Apr 3, 2020, April 2020. Text that is no date gives none.
std::optional<double> days_in(std::string_view cell, bool day_first);

}  // namespace minima::datasets::detail
#pragma GCC visibility pop
