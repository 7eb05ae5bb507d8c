// SPDX-License-Identifier: MIT
// The table that Module::summary() returns.
#include <algorithm>
#include <array>

#include "core/error.h"
#include "nn/module.h"

namespace minima::nn {
namespace {
// "235,146"
std::string with_thousands(int64_t number) {
  std::string digits = std::to_string(number);
  for (int i = static_cast<int>(digits.size()) - 3; i > 0; i -= 3) digits.insert(static_cast<size_t>(i), 1, ',');
  return digits;
}

struct Row {
  std::string path, kind, shapes;
  size_t depth;
  int64_t count = 0;
};

// One row per module, in the order of visits; a parent precedes its children.
struct CollectRows : Visitor {
  std::vector<Row> rows;

  void on_module(const std::string& path, Module& module) override {
    open.resize(depth());
    open.push_back(rows.size());
    rows.push_back({path, module.describe(), "", depth()});
  }
  void on_parameter(const std::string& path, Variable& parameter) override {
    Row& row = rows[open[depth()]];
    const std::string name = row.path.empty() ? path : path.substr(row.path.size() + 1);
    row.shapes += (row.shapes.empty() ? "" : ", ") + name + " " + parameter.shape().to_string();
    row.count += parameter.numel();
  }
  bool has_children(size_t i) const { return i + 1 < rows.size() && rows[i + 1].depth > rows[i].depth; }

 private:
  std::vector<size_t> open;  // the rows of the modules that are being visited, outermost first
};
}  // namespace

std::string Module::summary() {
  CollectRows collect;
  collect.walk(*this);

  std::vector<std::array<std::string, 4>> table = {{"layer", "kind", "parameters", "count"}};
  for (size_t i = 0; i < collect.rows.size(); ++i) {
    const Row& row = collect.rows[i];
    if (collect.has_children(i) && row.count == 0) continue;  // a container says nothing that its children do not
    table.push_back({row.path, row.kind, row.shapes, row.count ? with_thousands(row.count) : ""});
  }
  table.push_back({"total", "", "", with_thousands(parameter_count())});

  std::array<size_t, 4> width = {};
  for (const auto& row : table)
    for (size_t i = 0; i < 4; ++i) width[i] = std::max(width[i], row[i].size());
  std::string out;
  for (const auto& row : table) {
    for (size_t i = 0; i < 3; ++i) out += row[i] + std::string(width[i] - row[i].size() + 2, ' ');
    out += std::string(width[3] - row[3].size(), ' ') + row[3];
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
  }
  return out;
}

}  // namespace minima::nn
