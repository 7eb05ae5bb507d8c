#include "examples/kit/json.h"

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"

namespace minima::examples {

nlohmann::ordered_json json_of(const Row& row) {
  auto json = nlohmann::ordered_json::object();
  for (const auto& [name, value] : row) std::visit([&, &key = name](const auto& v) { json[key] = v; }, value);
  return json;
}

std::string json_text(const nlohmann::ordered_json& json, int indent) {
  // A number that is not finite becomes null, and a byte that is no UTF-8 (in a file's name) the replacement character.
  return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

MetricsWriter::MetricsWriter(const std::string& directory, const std::string& name)
    : csv_path_(directory + "/" + name + ".csv") {
  make_output_directory(directory);
  csv_.open(core::file_to_write(csv_path_), std::ios::trunc);
  jsonl_.open(core::file_to_write(directory + "/" + name + ".jsonl"), std::ios::trunc);
  if (!csv_ || !jsonl_) fail(csv_path_, std::strerror(errno), "a file that can be written", "Choose another --out.");
}

void MetricsWriter::write(const Row& row) {
  const std::string header = csv_header(row);
  if (header_.empty()) {
    header_ = header;
    csv_ << header << '\n';
  } else if (header != header_) {
    fail(csv_path_, "a row with columns " + header, "the columns " + header_);
  }
  csv_ << csv_line(row) << std::endl;
  jsonl_ << json_text(json_of(row)) << std::endl;
  if (!csv_ || !jsonl_) fail(csv_path_, std::strerror(errno), "to append a row", "Is the disk full?");
}

}  // namespace minima::examples
