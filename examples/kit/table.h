// Text for people: tables of cells, paragraphs, numbers with as many digits as they deserve. Not here: numbers for
// programs (metrics.h).
#pragma once

#include <string>
#include <vector>

#include "examples/kit/statistics.h"

namespace minima::examples {

/// The first row holds the column titles.
using Table = std::vector<std::vector<std::string>>;

/// The table with aligned columns, ready to print: the first to the left, the others to the right, or, if they are
/// words, to the left as well.
std::string aligned(const Table& table, bool words = false);

/// The text with lines of at most `width` characters, broken at spaces; its own line breaks stay.
std::string wrapped(const std::string& text, size_t width = 100);

/// value with so many significant digits at most: "1.2e-24"
std::string short_text(double value, int digits = 2);

/// value with so many digits after the point
std::string fixed(double value, int decimals);

/// "97.42 +- 0.21": as many decimals as show two digits of the half-width. Without a spread, four digits of the mean.
std::string interval_text(const Interval& interval, double scale = 1);

/// "+0.42": a difference with as many decimals.
std::string signed_text(const Interval& difference, double scale = 1);

/// "+0.42 [+0.10, +0.74]": a difference and its interval; "+0.42 (no spread)" if all seeds agree to the bit.
std::string difference_text(const Interval& difference, double scale = 1);

}  // namespace minima::examples
