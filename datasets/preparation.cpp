// SPDX-License-Identifier: MIT
#include "datasets/preparation.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "datasets/cells.h"

namespace minima::datasets {
namespace {
using detail::is_gap, detail::is_missing;
using Kind = ColumnPlan::Kind;
using Cells = std::vector<std::string_view>;

constexpr size_t most_levels = 20;     // of a category; the others are one level
constexpr double typical_share = 0.9;  // of a column's cells that must be numbers, or dates, for it to hold them
constexpr double days_of_year = 365.2425;

bool holds_values(Kind kind) { return kind == Kind::number || kind == Kind::date; }

std::string percent(double share) { return text(std::round(1000 * share) / 10, "%"); }

bool named_as_id(const std::string& name) {
  if (name.starts_with("Unnamed: ")) return true;  // what pandas calls the index that it wrote
  const size_t size = name.size();
  if (size < 2) return false;
  const std::string end = name.substr(size - 2);
  const bool apart = size == 2 || name[size - 3] == '_' || name[size - 3] == ' ' || name[size - 3] == '.' ||
                     (end == "Id" || (end == "ID" && std::islower(static_cast<unsigned char>(name[size - 3]))));
  return apart && (end == "id" || end == "Id" || end == "ID");
}

void leave_out(ColumnPlan& plan, const std::string& why) {
  plan.kind = Kind::left_out;
  plan.becomes = "left out: " + why;
}

/// A column's cells in one file of a table.
Cells cells_of(const TextTable& table, size_t column, size_t file) {
  const auto begin = table.columns[column].begin();
  const int64_t first = table.files[file].first_row,
                last = file + 1 < table.files.size() ? table.files[file + 1].first_row : table.rows();
  return {begin + first, begin + last};
}

/// How a file writes its numbers, or its dates.
Written written_as(const Cells& cells, const TextTable::File& file, bool dates, const Written& usual) {
  if (dates) return {.day_first = detail::day_first(cells).value_or(usual.day_first)};
  const detail::DecimalMarks marks = detail::decimal_marks(cells);
  if (marks.points + marks.commas == 0 && marks.either.empty()) return {};
  // Who writes 1.234 for a thousand writes decimal commas, and seldom puts commas between fields as well.
  const bool points = file.separator == ',' && marks.either.find('.') != marks.either.npos;
  const char others = file.decimal != '\0' ? file.decimal : points ? '.' : usual.decimal;
  return {.decimal = detail::decimal_of(marks, file.separator, others)};
}

// ---- learning one column

/// Why the numbers of a column are no feature; an empty text if there is none. `rows` are the positions in the file.
std::string no_feature(const ColumnPlan& plan, const std::vector<double>& values, const std::vector<int64_t>& rows) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const bool whole = std::all_of(values.begin(), values.end(), [](double v) { return v == std::floor(v); });
  if (*low == *high) return "one value only";
  // A quarter of the steps that float32 can show at this size.
  const double largest = std::max(std::abs(*low), std::abs(*high));
  if (!whole && *high - *low < 2e-7 * largest) return text("constant but for rounding, ", *low);
  if (!whole || values.size() != rows.size() || values.size() < 3) return "";
  bool counts = plan.kind == Kind::number;
  const double first = values[0] - static_cast<double>(rows[0]);
  for (size_t i = 0; i < values.size(); ++i) counts = counts && values[i] - static_cast<double>(rows[i]) == first;
  if (counts && (first == 0 || first == 1)) return "it counts the rows";
  const bool distinct = std::set<double>(values.begin(), values.end()).size() == values.size();
  return named_as_id(plan.name) && distinct && values.size() >= 20 ? "an identifier, another one in every row" : "";
}

/// Of values that do not differ only the gaps are a feature.
void keep_gaps_alone(ColumnPlan& plan, double value) {
  plan.median = plan.mean = value;
  plan.deviation = 0;
  plan.holds = plan.kind == Kind::date ? "one date, and gaps" : text("one number, ", value, ", and gaps");
  plan.becomes = "an indicator where missing";
}

/// `all` has the value of every row of the table.
void learn_values(ColumnPlan& plan, const std::vector<double>& all, const std::vector<int64_t>& train) {
  std::vector<double> values;
  for (const int64_t row : train)
    if (const double value = all[static_cast<size_t>(row)]; !std::isnan(value)) values.push_back(value);
  plan.missing = values.size() < train.size();
  plan.missing_share = 1 - static_cast<double>(values.size()) / static_cast<double>(train.size());
  if (const std::string why = no_feature(plan, values, train); !why.empty())
    return plan.missing ? keep_gaps_alone(plan, values[0]) : leave_out(plan, why);
  double sum = 0, squares = 0;
  const auto count = static_cast<double>(values.size());
  for (const double value : values) sum += value;
  plan.mean = sum / count;
  for (const double value : values) squares += (value - plan.mean) * (value - plan.mean);
  plan.deviation = std::sqrt(squares / count);
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  plan.median = values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  const bool dates = plan.kind == Kind::date;
  plan.yearly = dates && values.back() - values.front() > days_of_year;
  plan.holds = dates ? text("dates over ", values.back() - values.front(), " days")
                     : text("numbers, ", values.front(), " to ", values.back());
  plan.becomes = (dates ? "days, " : "") + std::string("standardised") +
                 (plan.yearly ? "; and the place in the year" : "") +
                 (plan.missing ? "; median where missing, and an indicator" : "");
}

/// Categories, or a reason why these texts are none.
void learn_levels(ColumnPlan& plan, const Cells& present) {
  std::map<std::string_view, size_t> counts;
  size_t blanks = 0;
  for (const std::string_view cell : present) {
    ++counts[cell];
    blanks += static_cast<size_t>(std::count(cell.begin(), cell.end(), ' '));
  }
  const size_t values = counts.size(), rows = present.size();
  plan.holds = text("text, ", values, values == 1 ? " value" : " values");
  if (values == 1 && !plan.missing) return leave_out(plan, "one value only, " + shown(counts.begin()->first));
  const bool many = values > most_levels && 2 * values > rows;
  if (many || (values > 2 && 10 * values > 9 * rows))
    return leave_out(plan,
                     blanks > 3 * rows ? "free text" : "an identifier, or text with a value of its own in most rows");
  std::vector<std::pair<std::string_view, size_t>> ranked(counts.begin(), counts.end());
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  for (const auto& [level, count] : ranked)
    if (plan.levels.size() < most_levels && (count > 1 || values <= 2)) plan.levels.emplace_back(level);
  plan.other = plan.levels.size() < values;
  Words first;
  for (size_t i = 0; i < plan.levels.size() && i < 4; ++i) first.push_back(shown(plan.levels[i]));
  plan.becomes =
      text("one-hot: ", joined(first), plan.levels.size() > 4 ? text(", ... (", plan.levels.size(), ")") : "",
           plan.other ? text(", and ", values - plan.levels.size(), " rarer ones together") : "",
           plan.missing ? ", and missing" : "");
}

/// Whether these values, NaN where there is none, are what a column holds: nearly all cells that are not missing have
/// one; or more than half of them do, and one and the same text stands in all others.
bool holds_mostly(const std::vector<double>& values, const Cells& cells, const std::vector<int64_t>& rows) {
  double count = 0, others = 0;
  std::set<std::string_view> texts;
  for (const int64_t row : rows) {
    const auto at = static_cast<size_t>(row);
    if (!std::isnan(values[at]))
      ++count;
    else if (!is_missing(cells[at]) && !is_gap(cells[at]))
      ++others, texts.insert(cells[at]);
  }
  return count > 0 && (count >= typical_share * (count + others) || (texts.size() == 1 && count > others));
}

struct Learnt {
  ColumnPlan plan;
  std::vector<double> values{};  ///< of all rows, NaN where there is none; empty for a category
};

Learnt learn_column(const TextTable& table, size_t column, const std::vector<int64_t>& train) {
  ColumnPlan plan{.name = table.names[column]};
  Cells present;
  for (const int64_t row : train)
    if (const std::string_view cell = table.columns[column][static_cast<size_t>(row)]; !is_missing(cell))
      present.push_back(cell);
  const auto rows = static_cast<double>(train.size()), there = static_cast<double>(present.size());
  plan.missing_share = 1 - there / rows;
  if (present.empty()) {
    leave_out(plan, "no value in any row");
    return {plan};
  }
  for (const Kind kind : {Kind::number, Kind::date}) {
    std::vector<double> values = numbers_of(table, column, kind == Kind::date);
    if (!holds_mostly(values, table.columns[column], train)) continue;
    plan.kind = kind;
    plan.written = written_as(cells_of(table, column, 0), table.files[0], kind == Kind::date, {});
    plan.holds = kind == Kind::date ? "dates" : "numbers";
    learn_values(plan, values, train);
    return {plan, std::move(values)};
  }
  plan.kind = Kind::category;
  plan.missing = present.size() < train.size();
  learn_levels(plan, present);
  return {plan};
}

// ---- what a user should look at

/// A number for each of these rows that is the same for the same value: the value itself, or, where there are no
/// values, the position of the text among all.
std::vector<double> codes_of(const Cells& cells, const std::vector<double>& values, const std::vector<int64_t>& rows) {
  std::map<std::string_view, double> levels;
  std::vector<double> codes;
  for (const int64_t row : rows) {
    const auto at = static_cast<size_t>(row);
    const double code =
        values.empty() ? levels.emplace(cells[at], static_cast<double>(levels.size())).first->second : values[at];
    codes.push_back(std::isnan(code) ? -1e300 : code);
  }
  return codes;
}

/// Whether the target can be told from these codes alone: every second row gets the target of the nearest other row,
/// and at most one in a hundred is wrong (or one in a thousand of the variance left), a tenth of what guessing gets.
bool predicts_alone(const std::vector<double>& codes, const std::vector<double>& target, bool regression) {
  if (codes.size() < 40) return false;
  std::vector<std::pair<double, double>> known;
  std::map<double, double> counts;
  double mean = 0;
  for (size_t i = 0; i < codes.size(); i += 2) {
    known.emplace_back(codes[i], target[i]);
    ++counts[target[i]], mean += target[i];
  }
  std::sort(known.begin(), known.end());
  mean /= static_cast<double>(known.size());
  double most = -1, guess = 0, wrong = 0, wrong_guess = 0, tested = 0;
  for (const auto& [value, count] : counts)
    if (count > most) most = count, guess = value;
  for (size_t i = 1; i < codes.size(); i += 2, ++tested) {
    auto near = std::lower_bound(known.begin(), known.end(), std::pair<double, double>{codes[i], -INFINITY});
    if (near == known.end() || (near != known.begin() && codes[i] - std::prev(near)->first < near->first - codes[i]))
      --near;
    const double miss = near->second - target[i];
    wrong += regression ? miss * miss : miss != 0;
    wrong_guess += regression ? (target[i] - mean) * (target[i] - mean) : target[i] != guess;
  }
  return regression ? wrong < 0.001 * wrong_guess : wrong <= 0.01 * tested && wrong <= 0.1 * wrong_guess;
}

/// Says how a file's column of numbers was read, where neither it nor the file tells whether 1,234 has decimals, unless
/// that is as `usual` says: how the training file writes it.
void note_two_meanings(const TextTable& table, size_t column, size_t file, const Written& usual, Words& notes) {
  const TextTable::File& own = table.files[file];
  if (own.decimal != '\0' || (own.separator == ',' && usual.decimal != ',')) return;
  const Cells cells = cells_of(table, column, file);
  const detail::DecimalMarks marks = detail::decimal_marks(cells);
  const char decimal = written_as(cells, own, /*dates=*/false, usual).decimal;
  if (marks.either.empty() || marks.decimal() != '\0' || decimal == usual.decimal) return;
  const double value = detail::number_in(marks.either, decimal).value_or(NAN);
  notes.push_back(text("Column ", shown(table.names[column]), ": ", marks.either, " is read as ", value,
                       ", and the file does not tell whether that is meant. Write it without a mark if it is not."));
}

/// The same of every file, for rows that a preparation is applied to.
void note_two_meanings(const TextTable& table, size_t column, const Written& usual, Words& notes) {
  for (size_t file = 0; file < table.files.size(); ++file) note_two_meanings(table, column, file, usual, notes);
}

/// Names the cells of a column of numbers or dates that are neither missing nor what the column holds.
void note_strays(const ColumnPlan& plan, const Cells& cells, const std::vector<double>& values, const TextTable& table,
                 Words& notes) {
  size_t count = 0, first = 0;
  for (size_t row = 0; row < cells.size(); ++row)
    if (!is_missing(cells[row]) && !is_gap(cells[row]) && std::isnan(values[row]) && count++ == 0) first = row;
  if (count > 0)
    notes.push_back(text("Column ", shown(plan.name), ": ", count, count == 1 ? " cell is no " : " cells are no ",
                         plan.kind == Kind::date ? "date" : "number", " and taken as missing, ", table.places[first],
                         ": ", shown(cells[first]), "."));
}
}  // namespace

Written written_in(const TextTable& table, size_t column, size_t file, const Written& usual) {
  const Cells cells = cells_of(table, column, file);
  return {.decimal = written_as(cells, table.files[file], /*dates=*/false, usual).decimal,
          .day_first = written_as(cells, table.files[file], /*dates=*/true, usual).day_first};
}

std::vector<double> numbers_of(const TextTable& table, size_t column, bool dates, const Written& usual) {
  std::vector<double> values;
  Written known = usual;
  for (size_t f = 0; f < table.files.size(); ++f) {
    const Cells cells = cells_of(table, column, f);
    const Written written = written_as(cells, table.files[f], dates, known);
    if (f == 0) known = written;
    for (const std::string_view cell : cells) {
      const auto value = dates ? detail::days_in(cell, written.day_first) : detail::number_in(cell, written.decimal);
      values.push_back(value && !is_missing(cell) ? *value : NAN);
    }
  }
  return values;
}

Words ColumnPlan::feature_names() const {
  Words names;
  if (holds_values(kind) && deviation > 0) names.push_back(name);
  if (yearly) names.push_back(name + " (sine of the year)"), names.push_back(name + " (cosine of the year)");
  for (const std::string& level : levels) names.push_back(name + " = " + level);
  if (other) names.push_back(name + " is another");
  if (missing && kind != Kind::left_out) names.push_back(name + " is missing");
  return names;
}

Words Preparation::feature_names() const {
  Words names;
  for (const ColumnPlan& plan : columns)
    for (const std::string& name : plan.feature_names()) names.push_back(name);
  return names;
}

std::vector<float> Preparation::features(const TextTable& table, Words& notes) const {
  const size_t width = feature_names().size();
  std::vector<float> out(static_cast<size_t>(table.rows()) * width);
  Problems problems(table.file);
  size_t at = 0, cut = 0;
  for (const ColumnPlan& plan : columns) {
    if (plan.kind == Kind::left_out) continue;
    const auto found = std::find(table.names.begin(), table.names.end(), plan.name);
    if (found == table.names.end()) {
      problems.add("", "no column " + shown(plan.name), "every column that the model was trained with");
      continue;
    }
    const auto column = static_cast<size_t>(found - table.names.begin());
    const Cells& cells = table.columns[column];
    const std::vector<double> values = holds_values(plan.kind)
                                           ? numbers_of(table, column, plan.kind == Kind::date, plan.written)
                                           : std::vector<double>{};
    size_t unseen = 0, first_unseen = 0;  // of a category without a feature for them
    std::map<std::string_view, size_t> positions;
    for (size_t i = 0; i < plan.levels.size(); ++i) positions.emplace(plan.levels[i], i);
    for (size_t row = 0; row < cells.size(); ++row) {
      const std::string_view cell = cells[row];
      float* to = out.data() + row * width + at;
      bool missing = is_missing(cell);
      if (plan.kind == Kind::category) {
        const auto level = positions.find(cell);
        if (!missing && level != positions.end()) to[level->second] = 1;
        if (!missing && level == positions.end()) {
          if (plan.other)
            to[plan.levels.size()] = 1;
          else if (unseen++ == 0)
            first_unseen = row;
        }
      } else {
        double value = values[row];
        if ((missing = std::isnan(value))) value = plan.median;
        if (plan.deviation == 0) {  // the gaps alone are a feature
          if (missing && plan.missing) to[0] = 1;
          continue;
        }
        const double scaled = (value - plan.mean) / plan.deviation;
        cut += std::abs(scaled) > most_deviations;
        to[0] = static_cast<float>(std::clamp(scaled, -most_deviations, most_deviations));
        const double angle = 2 * 3.14159265358979323846 * value / days_of_year;
        if (plan.yearly) to[1] = static_cast<float>(std::sin(angle)), to[2] = static_cast<float>(std::cos(angle));
      }
      if (missing && plan.missing) to[plan.feature_names().size() - 1] = 1;
    }
    if (unseen > 0)
      notes.push_back(text("Column ", shown(plan.name), ": ", unseen, unseen == 1 ? " value is" : " values are",
                           " in no training row and taken as none of those that are, ", table.places[first_unseen],
                           ": ", shown(cells[first_unseen]), "."));
    if (plan.kind == Kind::number) note_two_meanings(table, column, plan.written, notes);
    if (holds_values(plan.kind)) note_strays(plan, cells, values, table, notes);
    at += plan.feature_names().size();
  }
  problems.raise();
  const auto labels = std::find(table.names.begin(), table.names.end(), label);
  if (regression() && labels != table.names.end())
    note_two_meanings(table, static_cast<size_t>(labels - table.names.begin()), label_written, notes);
  if (cut > 0)
    notes.push_back(text(cut, cut == 1 ? " value" : " values", " beyond ", most_deviations,
                         " deviations from the training rows' mean, cut to that."));
  return out;
}

std::vector<Words> Preparation::report() const {
  std::vector<Words> table{{"column", "holds", "missing", "becomes"}};
  for (const ColumnPlan& plan : columns)
    table.push_back({plan.name.empty() ? "(no name)" : plan.name, plan.holds,
                     plan.missing_share > 0 ? percent(plan.missing_share) : "", plan.becomes});
  return table;
}

Preparation learn(const TextTable& table, const std::string& label, const std::map<std::string, std::string>& left_out,
                  const std::vector<int64_t>& train, const std::vector<double>& target, bool regression, Words& notes) {
  Preparation out;
  out.label = label;
  std::map<Cells, std::string> seen;  // training cells -> the column that has them
  Words leaks;
  for (size_t c = 0; c < table.names.size(); ++c) {
    const std::string& name = table.names[c];
    const Cells& cells = table.columns[c];
    if (name == label && regression) note_two_meanings(table, c, /*file=*/0, {}, notes);
    if (name == label) continue;
    if (const auto found = left_out.find(name); found != left_out.end() || name.empty()) {
      ColumnPlan plan{.name = name};
      leave_out(plan, name.empty() ? "it has no name: row names or numbers" : found->second);
      out.columns.push_back(plan);
      continue;
    }
    auto [plan, values] = learn_column(table, c, train);
    if (plan.kind != Kind::left_out) {
      Cells of_train;
      for (const int64_t row : train) of_train.push_back(cells[static_cast<size_t>(row)]);
      const auto [same, added] = seen.emplace(std::move(of_train), name);
      if (!added) leave_out(plan, "the same as " + shown(same->second));
    }
    if (plan.kind == Kind::number) note_two_meanings(table, c, /*file=*/0, {}, notes);
    if (plan.kind != Kind::left_out && predicts_alone(codes_of(cells, values, train), target, regression))
      leaks.push_back(shown(name));
    if (plan.kind == Kind::left_out) plan.levels.clear(), plan.yearly = plan.other = false;
    out.columns.push_back(std::move(plan));
  }
  if (!leaks.empty())
    notes.push_back(
        text(leaks.size() == 1 ? "Column " : "Columns ", joined(leaks),
             leaks.size() == 1 ? " alone predicts" : " each alone predict",
             " the label almost without error. Is it known before the label is? Else leave it out: --drop."));
  if (out.feature_names().empty()) {
    Words reasons;
    for (const ColumnPlan& plan : out.columns) reasons.push_back(shown(plan.name) + " is " + plan.becomes);
    fail(table.file, "no column that can be learnt from" + (reasons.empty() ? "" : " (" + joined(reasons, "; ") + ")"),
         "at least one besides the label");
  }
  return out;
}

}  // namespace minima::datasets
