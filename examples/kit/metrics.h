// Rows of named numbers as comma-separated values, and small files. Every row repeats its configuration (schema
// version, seed, hyperparameters): rows of several runs, or of a whole class of students, can be pooled by
// concatenation. Not here: what is measured (run.h), rows in files (json.h), tables and figures.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace minima::examples {

/// Version of the columns in metrics files and of the keys in summary.json.
inline constexpr int64_t schema_version = 2;

/// Named values in the order of their columns.
using Value = std::variant<int64_t, double, std::string>;
using Row = std::vector<std::pair<std::string, Value>>;

/// The shortest decimal that reads back as the same double; "nan", "inf" and "-inf" as such.
std::string number_text(double value);

/// The header and a line of comma-separated values (RFC 4180: quoted where needed).
std::string csv_header(const Row& row);
std::string csv_line(const Row& row);
/// Makes the directory (and its parents), checks that files can be made in it, or fails with the system's reason, and
/// keeps other processes out of it until this one ends: that another one writes to it is an error, which names it. So
/// is one of the files that the program reads (`inputs`) if results in the directory would replace it.
void make_output_directory(const std::string& path, const std::vector<std::string>& inputs = {});

/// Fails with the system's reason if no file can be made there, before hours of training; so it does for no name, for
/// what is no regular file, and for one of the files that the program reads (`inputs`). `option` is for the message.
void check_writable(const std::string& option, const std::string& path, const std::vector<std::string>& inputs = {});

/// Writes a small text file, or fails naming it.
void write_text(const std::string& path, const std::string& contents);

}  // namespace minima::examples
