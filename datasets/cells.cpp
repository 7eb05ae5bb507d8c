// SPDX-License-Identifier: MIT
#include "datasets/cells.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>
#include <string>

#include "datasets/files.h"

namespace minima::datasets::detail {
namespace {
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// The signs around a number: "$ 12", "45%".
std::string_view without_signs(std::string_view cell) {
  for (const std::string_view sign : {"$", "\xe2\x82\xac", "\xc2\xa3"})
    if (cell.starts_with(sign)) cell.remove_prefix(sign.size());
  if (cell.ends_with('%')) cell.remove_suffix(1);
  while (cell.starts_with(' ')) cell.remove_prefix(1);
  while (cell.ends_with(' ')) cell.remove_suffix(1);
  return cell;
}

/// "1,234,567.8": groups of three digits after each mark.
bool is_grouped(std::string_view number, char mark) {
  size_t at = number.find(mark);
  if (at == 0 || at > 4) return false;
  while (at != number.npos) {
    const size_t next = number.find_first_not_of("0123456789", at + 1);
    if ((next == number.npos ? number.size() : next) - at != 4) return false;
    at = next != number.npos && number[next] == mark ? next : number.npos;
  }
  return true;
}
}  // namespace

bool is_missing(std::string_view cell) {
  if (cell.empty() || cell == "?") return true;
  if (cell.size() > 4) return false;
  const std::string word = lower(cell);
  return word == "na" || word == "n/a" || word == "nan" || word == "null";
}

NumberFormat number_format(const std::vector<std::string_view>& cells, char separator) {
  bool comma = false, comma_groups = true, point_groups = true, both = false;
  for (std::string_view cell : cells) {
    cell = without_signs(cell);
    // Text with a comma in it says nothing about numbers.
    if (cell.find(',') == cell.npos || cell.find_first_not_of("0123456789.,+-") != cell.npos) continue;
    comma = true;
    comma_groups = comma_groups && is_grouped(cell, ',');
    const size_t point = cell.find('.');
    both = both || point != cell.npos;
    point_groups = point_groups && (point == cell.npos || (point < cell.find(',') && is_grouped(cell, '.')));
  }
  if (!comma) return {};
  if (comma_groups && (separator == ',' || (both && !point_groups))) return {'.', ','};
  return {',', both ? '.' : '\0'};
}

std::optional<double> number_in(std::string_view cell, NumberFormat format) {
  cell = without_signs(cell);
  std::string changed;
  if (format.decimal != '.' || format.thousands != '\0') {
    for (const char c : cell)
      if (c != format.thousands) changed += c == format.decimal ? '.' : c;
    cell = changed;
  }
  if (cell.size() > 1 && cell[0] == '+' && cell[1] != '-') cell.remove_prefix(1);
  double value = 0;
  const auto [end, problem] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (cell.empty() || end != cell.data() + cell.size()) return std::nullopt;
  // What is out of range is too large or too small; it is too small where its exponent is negative, or has none.
  if (problem == std::errc::result_out_of_range) {
    const size_t exponent = cell.find_first_of("eE");
    if (exponent == cell.npos ? cell.find('.') > 40 : cell[exponent + 1] != '-') return std::nullopt;
    return 0.0;
  }
  if (!(std::abs(value) <= double{std::numeric_limits<float>::max()})) return std::nullopt;
  return value;
}

// ---- dates

namespace {
constexpr const char* month_names[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                       "jul", "aug", "sep", "oct", "nov", "dec"};

/// The numbers of a date and what stands before each of them; a month's name is its number.
struct DateParts {
  int numbers[8] = {}, digits[8] = {};
  char before[8] = {};
  int count = 0, named_month = -1;  ///< the position of a month given by name
};

std::optional<DateParts> date_parts(std::string_view cell) {
  DateParts parts;
  char before = '\0';
  if (cell.size() > 40) return std::nullopt;
  for (size_t i = 0; i < cell.size();) {
    size_t end = i;
    if (is_digit(cell[i])) {
      while (end < cell.size() && is_digit(cell[end])) ++end;
      if (before == '.' && parts.count >= 6) break;  // fractions of a second are not needed
      if (parts.count == 8 || end - i > 4) return std::nullopt;
      parts.before[parts.count] = before;
      parts.digits[parts.count] = static_cast<int>(end - i);
      std::from_chars(cell.data() + i, cell.data() + end, parts.numbers[parts.count++]);
      before = '\0';
    } else if (is_letter(cell[i])) {
      while (end < cell.size() && is_letter(cell[end])) ++end;
      const std::string word = lower(cell.substr(i, end - i));
      const auto month = std::find_if(std::begin(month_names), std::end(month_names),
                                      [&](const char* name) { return word.substr(0, 3) == name; });
      if (month != std::end(month_names)) {
        if (parts.named_month >= 0 || parts.count == 8) return std::nullopt;
        parts.named_month = parts.count;
        parts.digits[parts.count] = 2;
        parts.numbers[parts.count++] = static_cast<int>(month - month_names) + 1;
      } else if (word != "t" && word != "z" && word != "utc" && word != "gmt") {
        return std::nullopt;
      }
      before = '\0';
    } else {
      if (std::string_view("-/. ,:+").find(cell[i]) == std::string_view::npos) return std::nullopt;
      if (before == '\0' || before == ' ') before = cell[i];
      end = i + 1;
    }
    i = end;
  }
  return parts;
}

/// The positions of year, month and day among the numbers; the last is -1 where no day is given.
struct DateOrder {
  int year, month, day;
};

std::optional<DateOrder> date_order(const DateParts& p, bool day_first) {
  if (p.count < 2) return std::nullopt;
  const bool three = p.count > 2 && p.before[2] != ':';
  if (p.named_month == 0) return p.digits[1] == 4 ? DateOrder{1, 0, -1} : DateOrder{2, 0, 1};
  if (p.named_month == 1) return p.digits[0] == 4 ? DateOrder{0, 1, 2} : DateOrder{2, 1, 0};
  if (p.before[1] != '-' && p.before[1] != '/' && p.before[1] != '.') return std::nullopt;
  if (p.digits[0] == 4) return three ? DateOrder{0, 1, 2} : DateOrder{0, 1, -1};
  if (!three || p.before[2] != p.before[1] || (p.digits[2] != 4 && p.digits[2] != 2)) return std::nullopt;
  return p.before[1] == '.' || day_first ? DateOrder{2, 1, 0} : DateOrder{2, 0, 1};
}
}  // namespace

bool day_first(const std::vector<std::string_view>& cells) {
  return std::any_of(cells.begin(), cells.end(), [](std::string_view cell) {
    const auto parts = date_parts(cell);
    return parts && parts->count > 2 && parts->digits[0] <= 2 && parts->numbers[0] > 12;
  });
}

std::optional<double> days_in(std::string_view cell, bool day_first) {
  const auto parts = date_parts(cell);
  if (!parts) return std::nullopt;
  const auto order = date_order(*parts, day_first);
  if (!order || std::max(order->year, order->day) >= parts->count) return std::nullopt;
  int year = parts->numbers[order->year];
  if (parts->digits[order->year] < 4) year += year < 69 ? 2000 : 1900;  // as POSIX has it
  const std::chrono::year_month_day date{
      std::chrono::year(year), std::chrono::month(static_cast<unsigned>(parts->numbers[order->month])),
      std::chrono::day(order->day < 0 ? 1 : static_cast<unsigned>(parts->numbers[order->day]))};
  if (!date.ok()) return std::nullopt;
  const int first = order->day < 0 ? 2 : 3;
  double seconds = 0, unit = 3600;
  for (int i = first; i < std::min(parts->count, first + 3); ++i, unit /= 60) {
    if (i > first && parts->before[i] != ':') break;  // the distance to Greenwich
    if (parts->numbers[i] >= (i == first ? 25 : 61)) return std::nullopt;
    seconds += unit * parts->numbers[i];
  }
  return static_cast<double>(std::chrono::sys_days(date).time_since_epoch().count()) + seconds / 86400;
}

}  // namespace minima::datasets::detail
