// SPDX-License-Identifier: MIT
#include "datasets/table.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "core/random.h"
#include "datasets/cells.h"
#include "datasets/files.h"

namespace minima::datasets {
namespace {
using Cells = std::vector<std::string_view>;
using detail::Positions;

constexpr size_t most_text_classes = 100, most_number_classes = 20;

/// "line 3, line 7 and 5 more"
std::string listed(const Words& places) {
  constexpr size_t most = 5;
  const Words first(places.begin(), places.begin() + static_cast<ptrdiff_t>(std::min(most, places.size())));
  return joined(first) + (places.size() > most ? text(" and ", places.size() - most, " more") : "");
}

/// Two columns of one name would be one; the second becomes "name (2)", or the next number that no other name has.
void name_apart(TextTable& table) {
  std::set<std::string> taken(table.names.begin(), table.names.end()), seen;
  for (std::string& name : table.names) {
    if (name.empty() || seen.insert(name).second) continue;
    int n = 2;
    while (!taken.insert(text(name, " (", n, ")")).second) ++n;
    name += text(" (", n, ")");
    seen.insert(name);
  }
}

TextTable read(const std::string& path, Problems& problems) {
  constexpr size_t largest_file = size_t{1} << 32;
  Problems own(path);
  TextTable table = parse_csv(detail::read_file(path, largest_file), path, own);
  problems.add(own);
  table.files[0].decimal = detail::usual_decimal(table.columns);
  return table;
}

/// Refuses columns that are asked for and not there, all in one, and those whose option would not count.
void check_columns(const TextTable& table, const LoadOptions& options, Problems& problems) {
  const auto check = [&](const std::string& name, const std::string& option) {
    problems.collect([&] {
      table.column(name, option);
      if (name == options.label) fail(option, "the label, " + shown(name), "another column");
    });
  };
  for (const std::string& name : options.drop) check(name, "--drop");
  if (!options.group.empty()) check(options.group, "--group");
  if (!options.time.empty()) check(options.time, "--time");
}

// ---- labels

struct Labels {
  Words class_names;  // none: quantities
  std::vector<int32_t> classes;
  std::vector<double> values;  // of quantities
};

Words missing_labels(const TextTable& table, const Cells& cells) {
  Words places;
  for (size_t row = 0; row < cells.size(); ++row)
    if (detail::is_missing(cells[row])) places.push_back(table.places[row]);
  return places;
}

/// What asks for the task, where a label may be a quantity or was not meant to be one.
void ask_for_task(const TextTable& table, const std::string& label, const std::set<double>& values, size_t texts) {
  const std::string where = text(table.file, ", label ", shown(label));
  const bool whole = std::all_of(values.begin(), values.end(), [](double v) { return v == std::floor(v); });
  if (!values.empty() && (values.size() > most_number_classes || (!whole && values.size() > most_number_classes / 2)))
    fail(where, text(values.size(), " different numbers, ", *values.begin(), " to ", *values.rbegin()),
         "a class in each row, or to be told that it is a quantity",
         "Predict the quantity with --task regression; take each number for a class with --task classification.");
  if (values.empty() && (texts > most_text_classes || (texts > 20 && 2 * static_cast<int64_t>(texts) > table.rows())))
    fail(where, text(texts, " different texts in ", table.rows(), " rows"), "a class in each row",
         "Is it the right column? If each of them is a class: --task classification.");
}

Labels read_labels(const TextTable& table, const std::string& label, const std::string& task, Problems& problems) {
  const size_t column = table.column(label, "the label");
  const Cells& cells = table.columns[column];
  if (const Words places = missing_labels(table, cells); !places.empty())
    problems.add(text("label ", shown(label)), text("none in ", listed(places)), "one in every row",
                 "Fill it in or leave the row out; a class that is called NA needs another name.");
  problems.raise();

  Labels out;
  out.values = numbers_of(table, column);
  Words places;  // of cells that are no number
  for (size_t row = 0; row < cells.size(); ++row)
    if (std::isnan(out.values[row])) places.push_back(table.places[row] + " " + shown(cells[row]));
  if (!places.empty()) out.values.clear();
  if (task == "regression") {
    if (places.empty()) return out;
    fail(text(table.file, ", label ", shown(label)), "text in " + listed(places), "a number in every row",
         "Leave out --task regression to predict classes.");
  }
  // "2" and "2.0" are one class if all are numbers.
  if (task.empty())
    ask_for_task(table, label, {out.values.begin(), out.values.end()},
                 std::set<std::string_view>(cells.begin(), cells.end()).size());
  const auto number_classes = [&]<class Value>(const std::vector<Value>& values) {
    std::map<Value, int32_t> numbers;  // the first row with this value, then its class
    for (size_t row = 0; row < values.size(); ++row) numbers.emplace(values[row], static_cast<int32_t>(row));
    for (auto& [value, number] : numbers) {
      out.class_names.emplace_back(cells[static_cast<size_t>(number)]);
      number = static_cast<int32_t>(out.class_names.size()) - 1;
    }
    for (const Value& value : values) out.classes.push_back(numbers[value]);
  };
  out.values.empty() ? number_classes(cells) : number_classes(out.values);
  if (out.class_names.size() < 2)
    fail(text(table.file, ", label ", shown(label)), text("one class only, ", shown(out.class_names[0])),
         "at least two");
  return out;
}

// ---- splits

/// Numbers or dates, one for each row.
std::vector<double> times_of(const TextTable& table, const std::string& column) {
  const size_t position = table.column(column, "--time");
  std::vector<double> times = numbers_of(table, position);
  const std::vector<double> dates = numbers_of(table, position, /*dates=*/true);
  for (size_t row = 0; row < times.size(); ++row) {
    if (std::isnan(times[row])) times[row] = dates[row];
    if (std::isnan(times[row]))
      fail(text(table.file, ", ", table.places[row], ", column ", shown(column)), shown(table.columns[position][row]),
           "a number or a date", "--time needs one in every row.");
  }
  return times;
}

/// The group of each row: the rank of its text among the column's.
std::vector<int64_t> groups_of(const TextTable& table, const std::string& column) {
  const Cells& cells = table.columns[table.column(column, "--group")];
  std::map<std::string_view, int64_t> ranks;
  for (const std::string_view cell : cells) ranks[cell] = 0;
  int64_t rank = 0;
  for (auto& [name, number] : ranks) number = rank++;
  std::vector<int64_t> groups;
  for (const std::string_view cell : cells) groups.push_back(ranks[cell]);
  return groups;
}

Positions split_rows(const TextTable& table, const Labels& labels, int64_t own_rows, const LoadOptions& options) {
  const int given = !options.test.empty() + !options.group.empty() + !options.time.empty();
  if (given > 1) fail(table.file, "more than one of --test, --group and --time", "one of them, or none");
  if (!options.test.empty()) return {detail::counting(0, own_rows), detail::counting(own_rows, table.rows())};
  const std::string where = text(table.file, ", column ", shown(options.time + options.group));
  if (!options.time.empty()) return detail::split_by_time(where, times_of(table, options.time), options.test_fraction);
  if (!options.group.empty())
    return detail::split_by_group(where, groups_of(table, options.group), options.test_fraction, options.seed);
  const bool regression = labels.class_names.empty();
  return detail::split_positions(table.file, regression ? std::vector<int32_t>(labels.values.size()) : labels.classes,
                                 regression ? Words{"row"} : labels.class_names, options.test_fraction, options.seed);
}

std::map<std::string, std::string> columns_to_leave_out(const LoadOptions& options) {
  std::map<std::string, std::string> out;
  for (const std::string& name : options.drop) out[name] = "asked for";
  if (!options.group.empty()) out[options.group] = "it says what stays together";
  if (!options.time.empty()) out[options.time] = "later rows would lie outside of what was learnt";
  return out;
}
}  // namespace

TextTable read_table(const std::string& path) {
  Problems problems(path);
  TextTable table = read(path, problems);
  problems.raise();
  name_apart(table);
  return table;
}

Loaded load_table(const std::string& path, const LoadOptions& options) {
  if (!options.task.empty() && options.task != "classification" && options.task != "regression")
    fail("--task", options.task, "classification or regression");
  if (options.image_size != 0) fail("--image-size", text(options.image_size, " for a table"), "it for images only");
  Problems problems(path);
  TextTable table = read(path, problems);
  const bool labelled = std::count(table.names.begin(), table.names.end(), options.label) == 1;
  problems.collect([&] { table.column(options.label, "the label (--label)"); });
  name_apart(table);
  check_columns(table, options, problems);
  const int64_t own_rows = table.rows();
  if (!options.test.empty()) {
    TextTable test = read(options.test, problems);
    name_apart(test);
    Words may_lack = options.drop;
    may_lack.emplace_back();  // columns without a name are left out
    table.append(std::move(test), problems, may_lack);
  }
  if (!labelled) problems.raise();
  Labels labels = read_labels(table, options.label, options.task, problems);
  const Positions positions = split_rows(table, labels, own_rows, options);

  Loaded out{.own_test_part = !options.test.empty() || !options.time.empty()};
  if (table.windows1252) out.notes.push_back(path + " is not UTF-8; it was read as Windows-1252.");
  const bool regression = labels.class_names.empty();
  std::vector<double> target;
  for (const int64_t row : positions.train)
    target.push_back(regression ? labels.values[static_cast<size_t>(row)] : labels.classes[static_cast<size_t>(row)]);
  Preparation& preparation = out.table.emplace(
      learn(table, options.label, columns_to_leave_out(options), positions.train, target, regression, out.notes));
  preparation.class_names = labels.class_names;
  preparation.label_written = {.decimal = written_in(table, table.column(options.label, "the label")).decimal};

  std::vector<float> values = preparation.features(table, out.notes);
  const Shape input{static_cast<int64_t>(preparation.feature_names().size())};
  Dataset all;
  if (regression) {
    const auto count = static_cast<double>(target.size());
    double squares = 0;
    preparation.target_mean = std::accumulate(target.begin(), target.end(), 0.0) / count;
    for (const double value : target) squares += std::pow(value - preparation.target_mean, 2);
    if (squares == 0)
      fail(text(path, ", label ", shown(options.label)), "the same number in all training rows", "others");
    preparation.target_deviation = std::sqrt(squares / count);
    std::vector<float> scaled;
    for (const double value : labels.values)
      scaled.push_back(static_cast<float>((value - preparation.target_mean) / preparation.target_deviation));
    all = Dataset::from_targets(std::move(values), input, std::move(scaled));
  } else {
    all = Dataset::from_values(std::move(values), input, std::move(labels.classes), std::move(labels.class_names));
  }
  // Whoever splits the training part again, as tuning does, follows the same rule.
  if (!options.group.empty()) all = all.grouped(groups_of(table, options.group));
  if (!options.time.empty()) all = all.timed(times_of(table, options.time));
  out.split = {all.subset(positions.train), all.subset(positions.test)};
  if (const std::vector<float>& tested = out.split.test.targets();
      !tested.empty() && std::ranges::count(tested, tested[0]) == std::ssize(tested))
    fail(text(path, ", label ", shown(options.label)), text("the same number in all ", tested.size(), " test rows"),
         "others, with whose spread R2 compares the errors", "Choose another test part, or give more rows.");
  detail::note_classes(out.split, out.notes);
  return out;
}

std::vector<double> labels_of(const TextTable& table, const Preparation& preparation) {
  const size_t column = table.column(preparation.label, "the label");
  const std::vector<double> numbers = numbers_of(table, column, /*dates=*/false, preparation.label_written);
  std::map<std::string_view, double> by_text;
  std::map<double, double> by_number;
  for (size_t c = 0; c < preparation.class_names.size(); ++c) {
    by_text[preparation.class_names[c]] = static_cast<double>(c);
    if (const auto number = detail::number_in(preparation.class_names[c], preparation.label_written.decimal))
      by_number[*number] = static_cast<double>(c);
  }
  std::vector<double> out;
  for (size_t row = 0; row < numbers.size(); ++row) {
    if (preparation.regression()) {
      out.push_back((numbers[row] - preparation.target_mean) / preparation.target_deviation);
      continue;
    }
    const auto named = by_text.find(table.columns[column][row]);
    const auto numbered = std::isnan(numbers[row]) ? by_number.end() : by_number.find(numbers[row]);
    out.push_back(named != by_text.end() ? named->second : numbered != by_number.end() ? numbered->second : -1);
  }
  return out;
}

}  // namespace minima::datasets
