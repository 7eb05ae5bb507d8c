// report.html: one file that opens offline and holds everything: text, tables, and figures inside the page.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "examples/kit/table.h"

namespace minima::examples {

class Report {
 public:
  explicit Report(const std::string& title);

  void heading(const std::string& text);
  void paragraph(const std::string& text);
  /// Lines as they are, in letters of one width; lines that are too long scroll.
  void code(const std::string& lines);
  /// A paragraph that stands out.
  void statement(const std::string& text);
  /// Questions and their answers in a box that stands out, in a language of their own ("en", "ja").
  void answers(const std::string& title, const std::vector<std::pair<std::string, std::string>>& answers,
               const std::string& language);
  /// The first row holds the column titles; numbers are set to the right, words to the left.
  enum class Cells { numbers, words };
  void table(const Table& rows, Cells cells = Cells::numbers);
  /// An svg file, copied into the page. Where the page is narrow, as on a phone, it keeps a width at which its text can
  /// be read, and scrolls, as a wide table does.
  void figure(const std::string& svg_path, const std::string& caption);
  /// Writes the page.
  void save(const std::string& path) const;

 private:
  std::string title_, body_;
};

}  // namespace minima::examples
