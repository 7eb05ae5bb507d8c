// SPDX-License-Identifier: MIT
#include "datasets/cells.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>
#include <span>
#include <string>

#include "datasets/files.h"

namespace minima::datasets::detail {
namespace {
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

using Texts = std::span<const std::string_view>;

bool take_prefix(std::string_view& text, Texts prefixes) {
  for (const std::string_view prefix : prefixes)
    if (text.starts_with(prefix)) return text.remove_prefix(prefix.size()), true;
  return false;
}
bool take_suffix(std::string_view& text, Texts suffixes) {
  for (const std::string_view suffix : suffixes)
    if (text.ends_with(suffix)) return text.remove_suffix(suffix.size()), true;
  return false;
}

/// "1,234,567": groups of three digits after each mark.
bool is_grouped(std::string_view digits, char mark) {
  size_t at = digits.find(mark);
  if (at < 1 || at > 3) return false;
  for (; at < digits.size(); at += 4) {
    const std::string_view group = digits.substr(at + 1, 3);
    if (digits[at] != mark || group.size() < 3 || !std::all_of(group.begin(), group.end(), is_digit)) return false;
  }
  return true;
}

constexpr std::string_view no_break = "\xc2\xa0", narrow = "\xe2\x80\xaf", thin = "\xe2\x80\x89";
constexpr std::string_view before_number[] = {" ", no_break, narrow, "$", "\xe2\x82\xac", "\xc2\xa3", "\xc2\xa5"};
constexpr std::string_view after_number[] = {" ", no_break, narrow, "%", "$", "\xe2\x82\xac", "\xc2\xa3", "\xc2\xa5"};
constexpr std::string_view minus[] = {"-", "\xe2\x88\x92"}, plus[] = {"+"}, signs[] = {"-", "+"};
constexpr std::string_view group_marks[] = {no_break, narrow, thin, "\xe2\x80\x99", "'"};  // the last two: apostrophes

/// A number without what may stand around and within it: "-1234.5" for "(1'234.5)", "-$1234.5" and "\u2212 1234.5 €".
/// What is no number comes back as a text that is none.
std::string plain_number(std::string_view cell) {
  constexpr size_t longest = 60;
  if (cell.size() > longest || std::none_of(cell.begin(), cell.end(), is_digit)) return "";
  bool sign = false, negative = cell.size() > 2 && cell.front() == '(' && cell.back() == ')';
  if (negative) cell = cell.substr(1, cell.size() - 2), sign = true;
  for (bool more = true; more;) {
    more = take_prefix(cell, before_number) || take_suffix(cell, after_number);
    if (!more && !sign) {
      negative = take_prefix(cell, minus);
      more = sign = negative || take_prefix(cell, plus);
    }
  }
  std::string digits;
  while (!cell.empty())
    if (take_prefix(cell, group_marks))
      digits += '\'';
    else
      digits += cell.front(), cell.remove_prefix(1);
  if (digits.find('\'') != digits.npos) {
    if (!is_grouped(std::string_view(digits).substr(0, digits.find_first_of(".,")), '\'')) return "";
    std::erase(digits, '\'');
  }
  return negative ? "-" + digits : digits;
}

/// What the marks in a number mean, as far as the number itself tells.
enum class Marks : uint8_t { text, none, point, comma, either };

/// Of a plain number without its sign: "1.234.567,8".
Marks marks_in(std::string_view number) {
  int points = 0, commas = 0;
  size_t last = 0, end = 0;
  for (; end < number.size() && number[end] != 'e' && number[end] != 'E'; ++end) {
    const char c = number[end];
    if (!is_digit(c) && c != '.' && c != ',') return Marks::text;
    points += c == '.', commas += c == ',';
    if (!is_digit(c)) last = end;
  }
  if (points + commas == static_cast<int>(end)) return Marks::text;  // no digit
  if (points + commas == 0) return Marks::none;
  const std::string_view digits = number.substr(0, end);
  const bool comma = digits[last] == ',';
  const Marks as_decimal = comma ? Marks::comma : Marks::point, as_group = comma ? Marks::point : Marks::comma;
  if (points > 0 && commas > 0)
    return (comma ? commas : points) == 1 && is_grouped(digits.substr(0, last), comma ? '.' : ',') ? as_decimal
                                                                                                   : Marks::text;
  const bool grouped = end == number.size() && is_grouped(digits, digits[last]);
  if (points + commas > 1) return grouped ? as_group : Marks::text;
  return grouped && digits[0] != '0' ? Marks::either : as_decimal;
}

/// A cell as plain_number makes it, which needs not look at what is plain already.
std::string_view as_plain(std::string_view cell, std::string& buffer) {
  static constexpr auto is_plain = [] {  // a look-up is several times as fast as comparisons
    std::array<bool, 256> out{};
    for (const char c : std::string_view("0123456789.,-+eE")) out[static_cast<unsigned char>(c)] = true;
    return out;
  }();
  if (std::all_of(cell.begin(), cell.end(), [](unsigned char c) { return is_plain[c]; })) return cell;
  return buffer = plain_number(cell);
}

std::string_view without_sign(std::string_view number) {
  take_prefix(number, signs);
  return number;
}
}  // namespace

bool is_missing(std::string_view cell) {
  if (cell.empty() || cell == "?" || cell == "\\N") return true;
  if (cell.size() > 4 || is_digit(cell[0])) return false;
  return is_one_of(lower(cell), {"na", "n/a", "#n/a", "#na", "<na>", "n.a.", "n.a", "nan", "nat", "null"});
}

bool is_gap(std::string_view cell) {
  if (cell.empty() || cell.size() > 7 || is_digit(cell[0])) return false;
  return is_one_of(lower(cell), {"-", "--", "---", ".", "..", "none", "nil", "unknown", "missing"});
}

DecimalMarks decimal_marks(const std::vector<std::string_view>& cells) {
  DecimalMarks out;
  std::string buffer;
  for (const std::string_view cell : cells) {
    if (is_missing(cell) || is_gap(cell)) continue;
    const Marks marks = marks_in(without_sign(as_plain(cell, buffer)));
    out.points += marks == Marks::point, out.commas += marks == Marks::comma;
    marks == Marks::text ? ++out.texts : ++out.numbers;
    if (marks == Marks::either && out.either.empty()) out.either = cell;
  }
  return out;
}

char usual_decimal(const std::vector<std::vector<std::string_view>>& columns) {
  DecimalMarks votes;
  for (const auto& cells : columns) {
    const DecimalMarks marks = decimal_marks(cells);
    if (marks.texts > marks.numbers / 10) continue;
    votes.points += marks.decimal() == '.', votes.commas += marks.decimal() == ',';
  }
  return votes.decimal();
}

char decimal_of(const DecimalMarks& marks, char separator, char usual) {
  if (marks.decimal() != '\0') return marks.decimal();
  if (usual != '\0') return usual;
  return separator != ',' && marks.either.find(',') != marks.either.npos ? ',' : '.';
}

std::optional<double> number_in(std::string_view cell, char decimal) {
  std::string buffer;
  const std::string_view plain = as_plain(cell, buffer), digits = without_sign(plain);
  Marks marks = marks_in(digits);
  if (marks == Marks::text) return std::nullopt;
  if (marks == Marks::either) marks = decimal == ',' ? Marks::comma : Marks::point;
  const bool as_it_is = marks == Marks::none || (marks == Marks::point && digits.find(',') == digits.npos);
  std::string changed = plain.starts_with('-') ? "-" : "";
  for (const char c : as_it_is ? std::string_view() : digits) {
    const bool mark = c == '.' || c == ',';
    if (!mark) changed += c;
    if (mark && (c == ',') == (marks == Marks::comma)) changed += '.';
  }
  const std::string_view number = !as_it_is ? changed : plain.starts_with('+') ? digits : plain;
  double value = 0;
  const auto [end, problem] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (end != number.data() + number.size()) return std::nullopt;
  // What is out of range is too large or too small; it is too small where its exponent is negative, or has none.
  if (problem == std::errc::result_out_of_range) {
    const size_t exponent = number.find_first_of("eE");
    if (exponent == number.npos ? number.find('.') > 40 : number[exponent + 1] != '-') return std::nullopt;
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
  bool am = false, pm = false;
};

/// Names of days, in full or cut to three letters or more, and of time zones: they say nothing about the date.
bool is_passed_over(const std::string& word) {
  constexpr size_t shortest = 3;
  for (const std::string_view day : {"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"})
    if (word.size() >= shortest && day.starts_with(word)) return true;
  return is_one_of(word, {"t",   "z",   "utc",  "gmt", "est", "edt", "cst", "cdt", "mst",  "mdt", "pst",
                          "pdt", "cet", "cest", "bst", "ist", "jst", "kst", "eet", "eest", "msk", "aest"});
}

std::optional<DateParts> date_parts(std::string_view cell) {
  DateParts parts;
  char before = '\0';
  if (cell.size() > 60) return std::nullopt;
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
      } else if (word == "am" || word == "pm") {
        (word == "am" ? parts.am : parts.pm) = true;
      } else if (!is_passed_over(word) &&
                 !(i > 0 && is_digit(cell[i - 1]) && is_one_of(word, {"st", "nd", "rd", "th"}))) {  // "14th March"
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

/// The positions of year, month and day among the numbers, -1 where no day is given; and that of the hour, if any.
struct DateOrder {
  int year, month, day, hour = day < 0 ? 2 : 3;
};

std::optional<DateOrder> date_order(const DateParts& p, bool day_first) {
  if (p.count < 2) return std::nullopt;
  const bool three = p.count > 2 && p.before[2] != ':';
  if (p.named_month == 0 && p.digits[1] < 3 && p.before[3] == ':') {  // "Mar 14 15:09:00 2019"
    const int year = p.count - 1;
    return p.digits[year] == 4 && year > 3 ? std::optional(DateOrder{year, 0, 1, 2}) : std::nullopt;
  }
  if (p.named_month == 0) return p.digits[1] == 4 ? DateOrder{1, 0, -1} : DateOrder{2, 0, 1};
  if (p.named_month == 1) return p.digits[0] == 4 ? DateOrder{0, 1, 2} : DateOrder{2, 1, 0};
  if (p.before[1] != '-' && p.before[1] != '/' && p.before[1] != '.') return std::nullopt;
  if (p.digits[0] == 4) return three ? DateOrder{0, 1, 2} : DateOrder{0, 1, -1};
  if (!three || p.before[2] != p.before[1] || (p.digits[2] != 4 && p.digits[2] != 2)) return std::nullopt;
  return p.before[1] == '.' || day_first ? DateOrder{2, 1, 0} : DateOrder{2, 0, 1};
}
}  // namespace

std::optional<bool> day_first(const std::vector<std::string_view>& cells) {
  constexpr int months = 12;
  size_t days_first = 0, months_first = 0;
  for (const std::string_view cell : cells) {
    const auto parts = date_parts(cell);
    if (!parts || parts->count < 3 || parts->digits[0] > 2 || parts->named_month >= 0) continue;
    const bool first = parts->numbers[0] > months, second = parts->numbers[1] > months;
    days_first += first && !second;
    months_first += second && !first && (parts->before[1] == '/' || parts->before[1] == '-');
  }
  return days_first == months_first ? std::nullopt : std::optional(days_first > months_first);
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
  // chrono keeps 8 bits of a month or a day
  if (parts->digits[order->month] > 2 || (order->day >= 0 && parts->digits[order->day] > 2)) return std::nullopt;
  if (!date.ok()) return std::nullopt;
  const int first = order->hour;
  double seconds = 0, unit = 3600;
  for (int i = first; i < std::min(parts->count, first + 3); ++i, unit /= 60) {
    if (i > first && parts->before[i] != ':') break;  // the distance to Greenwich
    int number = parts->numbers[i];
    if (i == first && (parts->am || parts->pm)) {
      if (number < 1 || number > 12) return std::nullopt;
      number = number % 12 + (parts->pm ? 12 : 0);
    }
    if (number >= (i == first ? 25 : 61)) return std::nullopt;
    seconds += unit * number;
  }
  if ((parts->am || parts->pm) && parts->count <= first) return std::nullopt;
  return static_cast<double>(std::chrono::sys_days(date).time_since_epoch().count()) + seconds / 86400;
}

}  // namespace minima::datasets::detail
