// SPDX-License-Identifier: MIT
// CSV: the cells of a table as text, whatever program wrote it. Fields are separated by commas, semicolons, tabs, bars
// or spaces, which is found out; they may be quoted (RFC 4180); lines end in LF, CR LF or CR; a byte order mark and a
// line `sep=;` at the start are understood; text that is not UTF-8 is taken for Windows-1252.
// Not here: what the cells mean (table.h).
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"

namespace minima::datasets {

/// What is wrong with one file or folder, so that one error names all of it.
class Problems {
 public:
  explicit Problems(std::string file) : file_(std::move(file)) {}
  void add(const std::string& where, const std::string& got, const std::string& expected, const std::string& hint = "");
  /// Calls `part`; an error that it throws is one of the problems.
  template <class Part>
  void collect(Part&& part) {
    try {
      part();
    } catch (const Error& error) { add(error); }
  }
  /// Those of another file as well.
  void add(const Problems& others);
  bool empty() const { return lines_.empty(); }
  /// One error for all that was added, the first twenty in words; nothing if nothing was.
  void raise() const;

 private:
  void add(const Error& error);
  std::string file_;
  std::vector<std::string> lines_;
  size_t count_ = 0;
};

/// A table of text. The cells look into `buffers`, so that it moves but does not copy.
struct TextTable {
  TextTable() = default;
  TextTable(TextTable&&) = default;
  TextTable& operator=(TextTable&&) = default;

  std::string file;                                    ///< as errors name it
  std::vector<std::string> names;                      ///< of the columns; "" where the header has none
  std::vector<std::vector<std::string_view>> columns;  ///< [column][row], without blanks around
  std::vector<std::string> places;                     ///< of each row: "line 7"
  /// What numbers and dates are read by, as each file writes its own.
  struct File {
    int64_t first_row = 0;
    char separator = ',';
    char decimal = '\0';  ///< the mark before decimals that its columns show (cells.h); '\0': none does
  };
  std::vector<File> files;   ///< append() adds one
  bool windows1252 = false;  ///< it was not UTF-8

  int64_t rows() const { return static_cast<int64_t>(places.size()); }
  /// The position of a column; an error that lists the names if there is none, or two.
  size_t column(const std::string& name, const std::string& asked_by) const;

  /// Adds the rows of another table. A column that it lacks is a problem, unless its name is among `may_lack`: then its
  /// cells are empty. A column that it has in addition is left out.
  void append(TextTable other, Problems& problems, const std::vector<std::string>& may_lack = {});

  std::list<std::string> buffers;
};

/// Cuts the bytes of one file into cells; `name` stands for it in errors. Rows of another length than the header and
/// quotes that do not fit are added to `problems`, and the other rows are read.
TextTable parse_csv(std::vector<uint8_t> bytes, const std::string& name, Problems& problems);

/// A text as an error shows it: short, printable, quoted.
std::string shown(std::string_view text);

}  // namespace minima::datasets
