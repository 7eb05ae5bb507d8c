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
  int64_t count = 0;
  bool has_children = false;
};

// One row per module, in the order of visits; a parent precedes its children.
struct CollectRows : Visitor {
  std::vector<Row> rows;

  void on_module(const std::string& path, Module& module) override {
    if (Row* parent = owner(path)) parent->has_children = true;
    rows.push_back({path, module.describe(), "", 0, false});
  }
  void on_parameter(const std::string& path, Variable& parameter) override {
    Row* row = owner(path);
    const std::string name = path.substr(path.rfind('.') + 1);
    row->shapes += (row->shapes.empty() ? "" : ", ") + name + " " + parameter.shape().to_string();
    row->count += parameter.numel();
  }

  Row* owner(const std::string& path) {
    if (path.empty()) return nullptr;
    const size_t dot = path.rfind('.');
    const std::string parent = dot == std::string::npos ? "" : path.substr(0, dot);
    auto found = std::find_if(rows.rbegin(), rows.rend(), [&](const Row& row) { return row.path == parent; });
    return &*found;
  }
};

}  // namespace

std::string Module::summary() {
  CollectRows collect;
  collect.walk(*this);

  std::vector<std::array<std::string, 4>> table = {{"layer", "kind", "parameters", "count"}};
  for (const Row& row : collect.rows) {
    if (row.has_children && row.count == 0) continue;  // a container says nothing that its children do not
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
