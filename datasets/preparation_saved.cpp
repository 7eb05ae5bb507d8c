// SPDX-License-Identifier: MIT
// A preparation as text for the metadata of a saved model, and back; declared in preparation.h.
#include <sstream>

#include "datasets/cells.h"
#include "datasets/preparation.h"

namespace minima::datasets {

namespace {
using Kind = ColumnPlan::Kind;

/// Writes what it is given as text under a name; and Reader, which reads the same.
struct Writer {
  std::map<std::string, std::string>& entries;
  void operator()(const std::string& name, const std::string& value) { entries[name] = value; }
  void operator()(const std::string& name, double value) {
    std::ostringstream out;
    out.precision(17);
    out << value;
    entries[name] = out.str();
  }
  void operator()(const std::string& name, bool value) { entries[name] = value ? "yes" : "no"; }
  void operator()(const std::string& name, Kind value) { (*this)(name, static_cast<double>(value)); }
  void operator()(const std::string& name, const Written& value) {
    const std::string decimal = value.decimal == '\0' ? "" : value.decimal == ',' ? "decimal comma" : "decimal point";
    const std::string words = value.day_first ? "day first" : decimal;
    if (!words.empty()) entries[name] = words;
  }
  template <class T>
  size_t resize(const std::string& name, std::vector<T>& list) {
    (*this)(name, static_cast<double>(list.size()));
    return list.size();
  }
};

struct Reader {
  const std::map<std::string, std::string>& entries;
  const std::string& file;

  const std::string& entry(const std::string& name) const {
    const auto found = entries.find(name);
    if (found == entries.end()) fail(file, "no entry \"" + name + "\"", "what `train --save` writes", "Is it damaged?");
    return found->second;
  }
  void operator()(const std::string& name, std::string& value) { value = entry(name); }
  void operator()(const std::string& name, double& value) {
    const auto number = detail::number_in(entry(name), {});
    if (!number) fail(file, "\"" + entry(name) + "\" as \"" + name + "\"", "a number", "Is it damaged?");
    value = *number;
  }
  void operator()(const std::string& name, bool& value) { value = entry(name) == "yes"; }
  /// Files of earlier versions have none.
  void operator()(const std::string& name, Written& value) {
    const auto found = entries.find(name);
    if (found == entries.end()) return;
    if (found->second == "day first")
      value.day_first = true;
    else if (found->second == "decimal comma" || found->second == "decimal point")
      value.decimal = found->second == "decimal comma" ? ',' : '.';
    else
      fail(file, "\"" + found->second + "\" as \"" + name + "\"", "day first, decimal comma or decimal point",
           "Is it damaged?");
  }
  void operator()(const std::string& name, Kind& value) { value = static_cast<Kind>(whole(name, 4)); }
  size_t whole(const std::string& name, double limit) {
    double value = 0;
    (*this)(name, value);
    if (!(value >= 0 && value < limit))
      fail(file, text(value, " as \"", name, "\""), text("below ", limit), "Is it damaged?");
    return static_cast<size_t>(value);
  }
  template <class T>
  size_t resize(const std::string& name, std::vector<T>& list) {
    list.resize(whole(name, 1e6));
    return list.size();
  }
};

template <class Visitor>
void visit(Preparation& p, Visitor&& entry) {
  const auto words = [&](const std::string& name, Words& list) {
    const size_t count = entry.resize(name, list);
    for (size_t i = 0; i < count; ++i) entry(text(name, ".", i), list[i]);
  };
  entry("label", p.label);
  words("classes", p.class_names);
  entry("target.mean", p.target_mean), entry("target.deviation", p.target_deviation);
  entry("label.written", p.label_written);
  const size_t columns = entry.resize("columns", p.columns);
  for (size_t c = 0; c < columns; ++c) {
    const std::string at = text("columns.", c, ".");
    ColumnPlan& plan = p.columns[c];
    entry(at + "name", plan.name), entry(at + "kind", plan.kind);
    entry(at + "holds", plan.holds), entry(at + "becomes", plan.becomes),
        entry(at + "missing_share", plan.missing_share);
    if (plan.kind == Kind::left_out) continue;
    entry(at + "missing", plan.missing), entry(at + "other", plan.other);
    entry(at + "yearly", plan.yearly);
    entry(at + "written", plan.written);
    entry(at + "median", plan.median), entry(at + "mean", plan.mean), entry(at + "deviation", plan.deviation);
    words(at + "levels", plan.levels);
  }
}
}  // namespace

std::map<std::string, std::string> Preparation::saved() const {
  std::map<std::string, std::string> entries;
  Preparation copy = *this;
  visit(copy, Writer{entries});
  return entries;
}

Preparation Preparation::from_saved(const std::map<std::string, std::string>& entries, const std::string& file) {
  Preparation out;
  visit(out, Reader{entries, file});
  if (out.label.empty()) fail(file, "no name of the label", "what `train --save` writes", "Is it damaged?");
  return out;
}

}  // namespace minima::datasets
