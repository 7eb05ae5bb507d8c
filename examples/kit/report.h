// report.html: one file that opens offline and holds everything: text, tables, and figures inside the page.
#pragma once

#include <string>

#include "examples/kit/table.h"

namespace minima::examples {

class Report {
 public:
  explicit Report(const std::string& title);

  void heading(const std::string& text);
  void paragraph(const std::string& text);
  /// A paragraph that stands out.
  void statement(const std::string& text);
  /// The first row holds the column titles; numbers are set to the right, words to the left.
  enum class Cells { numbers, words };
  void table(const Table& rows, Cells cells = Cells::numbers);
  /// An svg file, copied into the page.
  void figure(const std::string& svg_path, const std::string& caption);
  /// Writes the page.
  void save(const std::string& path) const;

 private:
  std::string title_, body_;
};

}  // namespace minima::examples
