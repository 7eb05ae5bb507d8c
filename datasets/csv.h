// CSV: a header row, then one sample a row, fields separated by commas and optionally quoted (RFC 4180), lines ended by
// LF, CR LF or CR. Every column but the label holds finite numbers.
// Not here: splitting and standardising (sources.h: csv).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/error.h"

namespace minima::datasets {

struct Table {
  std::vector<std::string> features;     ///< names of the columns but the label
  std::vector<double> values;            ///< [rows, features], as read
  std::vector<int32_t> labels;           ///< [rows], each an index into class_names
  std::vector<std::string> class_names;  ///< sorted, as numbers if they all are
};

/// Parses the bytes of one file; `name` stands for it in errors, which name line and column.
Table parse_csv(std::span<const uint8_t> bytes, const std::string& label, const std::string& name);

}  // namespace minima::datasets
