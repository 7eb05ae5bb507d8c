#include "datasets/csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <string_view>

#include "datasets/files.h"
#include "datasets/sources.h"

namespace minima::datasets {
namespace {
/// A field as an error shows it: short, printable, quoted.
std::string shown(const std::string& field) {
  std::string out = "\"";
  for (const char c : field.substr(0, 40)) out += static_cast<unsigned char>(c) < ' ' || c == 127 ? '?' : c;
  return out + (field.size() > 40 ? "...\"" : "\"");
}

/// At most twenty of them.
std::string listed(const std::vector<std::string>& names) {
  std::vector<std::string> first;
  for (size_t i = 0; i < names.size() && i < 20; ++i) first.push_back(shown(names[i]));
  return joined(first) + (names.size() > 20 ? text(", ... (", names.size(), " in all)") : "");
}

/// Cuts bytes into records, one after the other.
class Records {
 public:
  Records(std::span<const uint8_t> bytes, const std::string& file)
      : text_(reinterpret_cast<const char*>(bytes.data()), bytes.size()), file_(file) {
    if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;  // UTF-8's byte order mark, which some spreadsheets write
  }

  std::vector<std::string> fields;  ///< of the current record
  int64_t line = 0;                 ///< on which it begins, counted from 1

  /// Moves to the next record that is not an empty line; false at the end of the file.
  bool next() {
    while (at_ < text_.size()) {
      line = next_line_;
      size_t count = 0;
      bool more = true;
      while (more) {
        if (count == fields.size()) fields.emplace_back();
        more = read_field(fields[count++]);
      }
      fields.resize(count);
      if (count > 1 || !fields[0].empty()) return true;
    }
    return false;
  }

 private:
  /// Reads one field and what ends it; true if that was a comma.
  bool read_field(std::string& field) {
    field.clear();
    if (at_ < text_.size() && text_[at_] == '"') {
      read_quoted(field);
    } else {
      const std::string_view raw = text_.substr(at_, text_.find_first_of(",\n\r", at_) - at_);
      at_ += raw.size();
      const size_t first = raw.find_first_not_of(" \t"), last = raw.find_last_not_of(" \t");
      if (first != raw.npos) field = raw.substr(first, last - first + 1);
    }
    if (at_ == text_.size()) return false;
    const char ending = text_[at_++];
    if (ending == ',') return true;
    if (ending == '\r' && at_ < text_.size() && text_[at_] == '\n') ++at_;
    ++next_line_;
    return false;
  }

  void read_quoted(std::string& field) {
    const int64_t opened = next_line_;
    for (++at_; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        if (at_ == text_.size() || std::string_view(",\n\r").find(text_[at_]) != std::string_view::npos) return;
        if (text_[at_] != '"')
          fail(text(file_, ", line ", next_line_), text("text after the closing quote of ", shown(field)),
               "a comma or the end of the line", "A quote inside a quoted field is written twice.");
      } else if (c == '\n') {
        ++next_line_;
      }
      field += c;
    }
    fail(text(file_, ", line ", opened), text("a quote that is never closed, before ", shown(field)),
         "a closing quote");
  }

  std::string_view text_;
  const std::string& file_;
  size_t at_ = 0;
  int64_t next_line_ = 1;
};

/// The number that a field holds, all of it; infinities and NaN included.
std::optional<double> number_in(const std::string& field) {
  const char* begin = field.data() + (field.size() > 1 && field[0] == '+' && field[1] != '-' ? 1 : 0);
  const char* end = field.data() + field.size();
  double value = 0;
  const auto [parsed, problem] = std::from_chars(begin, end, value);
  if (parsed != end || begin == end) return std::nullopt;
  if (problem == std::errc::result_out_of_range) return std::numeric_limits<double>::infinity();
  return value;
}

double read_number(const std::string& field, const std::string& file, int64_t line, const std::string& column) {
  const std::optional<double> value = number_in(field);
  if (value && std::abs(*value) <= double{std::numeric_limits<float>::max()}) return *value;
  fail(text(file, ", line ", line, ", column ", shown(column)), field.empty() ? "an empty field" : shown(field),
       value ? "a finite number within float32's range" : "a number",
       field.empty() ? "Fill in missing values or leave the row out."
       : value       ? ""
                     : "Fill in missing values; turn text into numbers, one column a category; write 1.5, not 1,5.");
}

/// The position of the label's column; checks the names on the way.
size_t find_label(const std::vector<std::string>& columns, const std::string& label, const std::string& file,
                  int64_t line) {
  const std::string where = text(file, ", line ", line);
  const auto nameless = std::find(columns.begin(), columns.end(), "");
  if (nameless != columns.end())
    fail(where, text("no name for column ", nameless - columns.begin() + 1), "a name for every column",
         "A column of row numbers should be left out.");
  const auto found = std::find(columns.begin(), columns.end(), label);
  if (found == columns.end()) {
    const bool semicolons = columns.size() == 1 && columns[0].find(';') != std::string::npos;
    fail(where, label.empty() ? "no name of a label column" : text("no column ", shown(label)),
         text("the label to be one of the columns ", listed(columns)),
         semicolons ? "Fields are separated by commas, not semicolons." : "The first row names the columns.");
  }
  if (std::count(columns.begin(), columns.end(), label) > 1)
    fail(where, text("column ", shown(label), " twice"), "the label once");
  if (columns.size() < 2) fail(where, "no column but the label", "at least one column of numbers to learn from");
  return static_cast<size_t>(found - columns.begin());
}

/// Gives every distinct text a class, in sorted order; "2" and "2.0" are one class if all are numbers.
void number_classes(const std::vector<std::string>& texts, const std::string& label, const std::string& file,
                    Table& table) {
  std::map<std::string, int32_t> by_text;
  for (const std::string& value : texts) by_text.emplace(value, 0);
  std::map<double, std::vector<std::string>> by_number;
  bool numbers = true;
  for (const auto& [value, unused] : by_text) {
    const std::optional<double> number = number_in(value);
    numbers = numbers && number && std::isfinite(*number);
    if (numbers) by_number[*number].push_back(value);
  }
  const auto add_class = [&](const std::vector<std::string>& spellings) {
    for (const std::string& value : spellings) by_text[value] = static_cast<int32_t>(table.class_names.size());
    table.class_names.push_back(spellings[0]);
  };
  if (numbers)
    for (const auto& [unused, spellings] : by_number) add_class(spellings);
  else
    for (const auto& [value, unused] : by_text) add_class({value});
  if (table.class_names.size() < 2)
    fail(text(file, ", column ", shown(label)), text("one class only, ", shown(table.class_names[0])), "at least two");
  for (const std::string& value : texts) table.labels.push_back(by_text[value]);
}

/// Subtracts each feature's mean over the training rows and divides by its deviation there; constant ones become 0.
std::vector<float> standardised(const Table& table, const std::vector<int64_t>& train, const std::string& file) {
  const size_t columns = table.features.size(), rows = table.labels.size();
  std::vector<float> out(table.values.size());
  for (size_t c = 0; c < columns; ++c) {
    const auto value = [&](size_t row) { return table.values[row * columns + c]; };
    double sum = 0, squares = 0;
    bool constant = true;
    for (const int64_t row : train) {
      sum += value(static_cast<size_t>(row));
      constant = constant && value(static_cast<size_t>(row)) == value(static_cast<size_t>(train[0]));
    }
    const double mean = sum / static_cast<double>(train.size());
    for (const int64_t row : train) squares += std::pow(value(static_cast<size_t>(row)) - mean, 2);
    const double deviation = std::sqrt(squares / static_cast<double>(train.size()));
    if (constant || deviation == 0) continue;  // nothing to learn from; it stays 0
    for (size_t row = 0; row < rows; ++row) {
      const double scaled = (value(row) - mean) / deviation;
      if (!(std::abs(scaled) < 1e6))
        fail(text(file, ", column ", shown(table.features[c])), text("the value ", value(row)),
             text("values near the training rows' mean ", mean, " and deviation ", deviation), "Is it an outlier?");
      out[row * columns + c] = static_cast<float>(scaled);
    }
  }
  return out;
}
}  // namespace

Table parse_csv(std::span<const uint8_t> bytes, const std::string& label, const std::string& name) {
  Records records(bytes, name);
  if (!records.next()) fail(name, "an empty file", "a header row with the names of the columns, then one sample a row");
  const std::vector<std::string> columns = records.fields;
  const size_t label_column = find_label(columns, label, name, records.line);
  Table table;
  for (size_t i = 0; i < columns.size(); ++i)
    if (i != label_column) table.features.push_back(columns[i]);
  std::vector<std::string> label_texts;
  while (records.next()) {
    if (records.fields.size() != columns.size())
      fail(text(name, ", line ", records.line), text(records.fields.size(), " fields"),
           text(columns.size(), ", as in the header"), "A field with a comma in it must be quoted.");
    for (size_t i = 0; i < columns.size(); ++i) {
      const std::string& field = records.fields[i];
      if (i != label_column)
        table.values.push_back(read_number(field, name, records.line, columns[i]));
      else if (field.empty())
        fail(text(name, ", line ", records.line, ", column ", shown(label)), "an empty field", "a label");
      else
        label_texts.push_back(field);
    }
  }
  if (label_texts.empty()) fail(name, "a header and no rows", "one sample a row");
  number_classes(label_texts, label, name, table);
  return table;
}

Split csv(const std::string& path, const CsvOptions& options) {
  constexpr size_t largest_file = size_t{1} << 32;
  Table table = parse_csv(detail::read_file(path, largest_file), options.label, path);
  const auto positions =
      detail::split_positions(path, table.labels, table.class_names, options.test_fraction, options.seed);
  std::vector<float> values = standardised(table, positions.train, path);
  const Dataset all = Dataset::from_values(std::move(values), {static_cast<int64_t>(table.features.size())},
                                           std::move(table.labels), std::move(table.class_names));
  return {all.subset(positions.train), all.subset(positions.test)};
}

}  // namespace minima::datasets
