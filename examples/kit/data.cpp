#include "examples/kit/data.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <numeric>

namespace minima::examples {

namespace {

constexpr size_t most_listed = 40;  // columns on a terminal
constexpr size_t most_classes = 12;

/// The samples of each class, in the order of the classes.
std::vector<double> class_counts(const datasets::Dataset& data) {
  std::vector<double> counts(static_cast<size_t>(data.classes()));
  for (const int64_t label : data.labels()) ++counts[static_cast<size_t>(label)];
  return counts;
}

std::string classes_text(const datasets::Split& split) {
  const std::vector<std::string>& names = split.train.class_names();
  const std::vector<double> train = class_counts(split.train), test = class_counts(split.test);
  std::vector<std::pair<double, std::string>> shares;
  const auto rows = static_cast<double>(split.train.size() + split.test.size());
  for (size_t c = 0; c < names.size(); ++c) shares.emplace_back((train[c] + test[c]) / rows, names[c]);
  std::stable_sort(shares.begin(), shares.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<std::string> words;
  for (size_t c = 0; c < shares.size() && c < most_classes; ++c)
    words.push_back(shares[c].second + " " + fixed(100 * shares[c].first, 1) + "%");
  if (shares.size() > most_classes) words.push_back("...");
  const auto most = std::max_element(train.begin(), train.end()) - train.begin();
  return text(names.size(), " classes: ", joined(words), ". Always \"", names[static_cast<size_t>(most)],
              "\" is right in ", fixed(100 * majority_accuracy(split), 1), "% of the test part.");
}

}  // namespace

void add_data_options(CommandLine& line, datasets::LoadOptions& options) {
  line.option("--task", options.task, "classification or regression (default: by what the label holds)");
  line.option("--test", options.test, "another file, whose rows test (default: a fifth of the rows)");
  line.option("--group", options.group, "column: rows with the same value train or test together");
  line.option("--time", options.time, "column, a number or a date: the latest rows test");
  line.option("--drop", options.drop, "columns to leave out, with commas between");
  line.option("--split-seed", options.seed, "of the split into training and test part");
  line.option("--image-size", options.image_size, "of a folder's images, in pixels a side (0: as they are, or 64)");
}

std::map<std::string, std::string> data_configuration(const datasets::LoadOptions& options) {
  std::map<std::string, std::string> values;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) values[name] = value;
  };
  add("--task", options.task), add("--test", options.test), add("--group", options.group);
  add("--time", options.time), add("--drop", joined(options.drop, ","));
  if (options.seed != 1) add("--split-seed", std::to_string(options.seed));
  if (options.image_size != 0) add("--image-size", std::to_string(options.image_size));
  return values;
}

namespace {
/// FNV-1a (Fowler, Noll, Vo), eight bytes at a time.
struct Hash {
  uint64_t value = 0xcbf29ce484222325;

  void add(const void* data, size_t size) {
    const char* bytes = static_cast<const char*>(data);
    for (uint64_t word = 0; size > 0; word = 0) {
      const size_t taken = std::min(size, sizeof word);
      std::memcpy(&word, bytes, taken);
      value = (value ^ word) * 0x100000001b3;
      bytes += taken, size -= taken;
    }
  }
  void add(const datasets::Batch& batch) {
    for (const Tensor& values : {batch.x, batch.y})
      add(values.raw(), static_cast<size_t>(values.numel()) * size_of(values.dtype()));
  }
  std::string words() const {
    char words[17];
    std::snprintf(words, sizeof words, "%016llx", static_cast<unsigned long long>(value));
    return words;
  }
};
}  // namespace

std::string fingerprint(const datasets::Split& split) {
  Hash hash;
  for (const datasets::Dataset* part : {&split.train, &split.test})
    for (int64_t begin = 0; begin < part->size(); begin += 4096) {
      std::vector<int64_t> rows(static_cast<size_t>(std::min<int64_t>(4096, part->size() - begin)));
      std::iota(rows.begin(), rows.end(), begin);
      hash.add(part->batch(rows));
    }
  return hash.words();
}

std::string fingerprint_of_bytes(const std::string& bytes) {
  Hash hash;
  hash.add(bytes.data(), bytes.size());
  return hash.words();
}

std::string fingerprint(const datasets::Text& text) {
  constexpr int64_t length = 65536;
  Hash hash;
  hash.add(text.alphabet().data(), text.alphabet().size());
  for (int64_t begin = 0; begin + 1 < text.size(); begin += length) {
    const datasets::Text part = text.slice(begin, std::min(text.size(), begin + length + 1));
    hash.add(part.all_windows(part.size() - 1));
  }
  return hash.words();
}

double majority_accuracy(const datasets::Split& split) {
  const std::vector<double> train = class_counts(split.train), test = class_counts(split.test);
  if (train.empty() || split.test.size() == 0) return NAN;
  const auto most = std::max_element(train.begin(), train.end()) - train.begin();
  return test[static_cast<size_t>(most)] / static_cast<double>(split.test.size());
}

std::string data_text(const std::string& name, const datasets::Loaded& data) {
  const datasets::Dataset &train = data.split.train, &test = data.split.test;
  const Shape& shape = train.input_shape();
  std::string words =
      text(name, ": ", train.size() + test.size(), " samples (", train.size(), " training, ", test.size(), " test), ");
  if (shape.rank() == 3)
    words += text("images of ", shape[0], " x ", shape[1], shape[2] == 1 ? ", gray; " : " in colour; ");
  else
    words += text(shape.numel(),
                  data.table ? text(" features from ", data.table->columns.size(), " columns; ") : " features; ");
  if (!train.has_targets()) return words + classes_text(data.split);
  const datasets::Preparation& table = *data.table;
  return words + text("a quantity, \"", table.label, "\", of mean ", table.target_mean, " and deviation ",
                      table.target_deviation, " in the training part. Always the mean has R2 0.");
}

Table column_table(const datasets::Loaded& data, bool shortened) {
  if (!data.table) return {};
  Table table = data.table->report();
  if (!shortened || table.size() <= most_listed + 1) return table;
  // Columns of the same treatment without anything to look at are one line, below the others.
  Table out{table[0]};
  std::map<std::string, size_t> plain;
  for (size_t i = 1; i < table.size(); ++i) {
    const bool is_plain = table[i][3] == "standardised";
    if (is_plain)
      ++plain[table[i][3]];
    else if (out.size() <= most_listed)
      out.push_back(table[i]);
    else
      ++plain["(the report lists them)"];
  }
  for (const auto& [words, count] : plain) out.push_back({text("... ", count, " more"), "", "", words});
  return out;
}

void print_data(const std::string& name, const datasets::Loaded& data) {
  std::printf("%s\n", wrapped(data_text(name, data), 110).c_str());
  if (const Table table = column_table(data, /*shortened=*/true); !table.empty())
    std::printf("\n%s\n", aligned(table, /*words=*/true).c_str());
  for (const std::string& note : data.notes) std::printf("%s\n", wrapped("note: " + note, 110).c_str());
}

int64_t default_batch(int64_t samples) {
  int64_t batch = 64;
  while (batch > 8 && samples < 10 * batch) batch /= 2;
  return std::min(batch, samples);
}

int64_t default_epochs(int64_t samples, int64_t batch) {
  const int64_t steps = (samples + batch - 1) / batch;
  return std::clamp<int64_t>((700 + steps / 2) / steps, 10, 100);
}

}  // namespace minima::examples
