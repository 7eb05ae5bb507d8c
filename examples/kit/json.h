// JSON, by nlohmann-json, and metrics: one row a measurement, written at once to a .csv and a .jsonl file, so that an
// interrupted program keeps what it wrote. Not here: what is measured (run.h), tables and figures.
#pragma once

#include <fstream>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "examples/kit/metrics.h"

namespace minima::examples {

/// The row as a JSON object, and JSON as text, in which a number that is not finite is null.
nlohmann::ordered_json json_of(const Row& row);
std::string json_text(const nlohmann::ordered_json& json, int indent = -1);

class MetricsWriter {
 public:
  /// Starts NAME.csv and NAME.jsonl anew in a directory, which is made if need be. A directory that cannot be written
  /// is an error.
  explicit MetricsWriter(const std::string& directory, const std::string& name = "metrics");
  /// Appends a row; the columns are those of the first row.
  void write(const Row& row);

 private:
  std::string csv_path_, header_;
  std::ofstream csv_, jsonl_;
};

}  // namespace minima::examples
