// SPDX-License-Identifier: MIT
#include "datasets/csv.h"

#include <algorithm>

#include "core/utf8.h"
#include "datasets/files.h"

namespace minima::datasets {
namespace {
constexpr size_t most_shown = 20;

/// What Windows-1252 has at 0x80 to 0x9f, as the WHATWG lists it; elsewhere it is Latin-1.
constexpr char16_t windows1252[32] = {0x20ac, 0x0081, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
                                      0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x008d, 0x017d, 0x008f,
                                      0x0090, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
                                      0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x009d, 0x017e, 0x0178};

std::vector<uint8_t> windows1252_to_utf8(const std::vector<uint8_t>& bytes) {
  std::vector<uint8_t> out;
  const auto put = [&](int byte) { out.push_back(static_cast<uint8_t>(byte)); };
  for (const uint8_t byte : bytes) {
    const int code = byte >= 0x80 && byte < 0xa0 ? windows1252[byte - 0x80] : byte;
    if (code < 0x80) {
      put(code);
    } else if (code < 0x800) {
      put(0xc0 | code >> 6), put(0x80 | (code & 0x3f));
    } else {
      put(0xe0 | code >> 12), put(0x80 | (code >> 6 & 0x3f)), put(0x80 | (code & 0x3f));
    }
  }
  return out;
}

/// Cuts text into records, one after the other.
class Records {
 public:
  Records(std::string_view text, char separator, std::list<std::string>& unquoted, Problems& problems,
          int64_t first_line = 1)
      : text_(text), separator_(separator), unquoted_(unquoted), problems_(problems), next_line_(first_line) {}

  std::vector<std::string_view> fields;  ///< of the current record
  int64_t line = 0;                      ///< on which it begins, counted from 1
  bool sound = true;                     ///< its quotes fit

  /// Moves to the next record that is not an empty line; false at the end of the file.
  bool next() {
    while (at_ < text_.size()) {
      line = next_line_;
      sound = true;
      fields.clear();
      skip_spaces();
      do fields.push_back(read_field());
      while (separated_);
      if (fields.size() > 1 || !fields[0].empty() || !sound) return true;
    }
    return false;
  }

 private:
  bool ends_field(char c) const { return c == separator_ || c == '\n' || c == '\r'; }
  bool is_blank(char c) const { return (c == ' ' || c == '\t') && c != separator_; }
  void skip_blanks() {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
  }
  /// Columns set with spaces have any number of them between and around.
  void skip_spaces() {
    while (separator_ == ' ' && at_ < text_.size() && text_[at_] == ' ') ++at_;
  }

  /// Reads one field and what ends it.
  std::string_view read_field() {
    skip_blanks();
    std::string_view field;
    if (at_ < text_.size() && text_[at_] == '"') {
      field = read_quoted();
      while (!field.empty() && is_blank(field.front())) field.remove_prefix(1);
      while (!field.empty() && is_blank(field.back())) field.remove_suffix(1);
    } else {
      const size_t begin = at_;
      while (at_ < text_.size() && !ends_field(text_[at_])) ++at_;
      size_t end = at_;
      while (end > begin && is_blank(text_[end - 1])) --end;
      field = text_.substr(begin, end - begin);
    }
    separated_ = at_ < text_.size() && text_[at_] == separator_;
    skip_spaces();
    if (separator_ == ' ' && separated_ && (at_ == text_.size() || text_[at_] == '\n' || text_[at_] == '\r'))
      separated_ = false;
    if (at_ == text_.size()) return field;
    if (separated_ && separator_ == ' ') return field;
    const char ending = text_[at_++];
    if (separated_) return field;
    if (ending == '\r' && at_ < text_.size() && text_[at_] == '\n') ++at_;
    ++next_line_;
    return field;
  }

  std::string_view read_quoted() {
    const int64_t opened = next_line_;
    const size_t begin = ++at_;
    bool doubled = false;
    while (at_ < text_.size() && !(text_[at_] == '"' && (at_ + 1 == text_.size() || text_[at_ + 1] != '"'))) {
      if (text_[at_] == '\n') ++next_line_;
      if (text_[at_] == '"') ++at_, doubled = true;
      ++at_;
    }
    const std::string_view raw = text_.substr(begin, std::min(at_, text_.size()) - begin);
    if (at_ >= text_.size()) {
      at_ = text_.size();
      broken(opened, "a quote that is never closed, before " + shown(raw), "a closing quote");
    } else {
      ++at_;
      skip_blanks();
      if (at_ < text_.size() && !ends_field(text_[at_])) {
        broken(next_line_, "text after the closing quote of " + shown(raw), "a separator or the end of the line",
               "A quote inside a quoted field is written twice.");
        while (at_ < text_.size() && !ends_field(text_[at_])) ++at_;
      }
    }
    if (!doubled) return raw;
    std::string& out = unquoted_.emplace_back();
    for (size_t i = 0; i < raw.size(); ++i) {
      out += raw[i];
      if (raw[i] == '"') ++i;
    }
    return out;
  }

  void broken(int64_t where, const std::string& got, const std::string& expected, const std::string& hint = "") {
    problems_.add(text("line ", where), got, expected, hint);
    sound = false;
  }

  std::string_view text_;
  char separator_;
  std::list<std::string>& unquoted_;
  Problems& problems_;
  size_t at_ = 0;
  int64_t next_line_;
  bool separated_ = false;
};

/// The separator that cuts the most of the first records into as many fields as the header; of equals, the one with
/// more fields.
char find_separator(std::string_view text) {
  constexpr int looked_at = 30;
  char best = ',';
  std::pair<int, size_t> most{0, 1};
  for (const char separator : {',', ';', '\t', '|', ' '}) {
    if (separator == ' ' && most.first > 0) break;  // a last resort, as texts have spaces in them
    std::list<std::string> unquoted;
    Problems ignored("");
    Records records(text, separator, unquoted, ignored);
    if (!records.next()) break;
    const size_t width = records.fields.size();
    int agreeing = 0;
    for (int i = 0; i < looked_at && records.next(); ++i) agreeing += records.fields.size() == width;
    if (width > 1 && std::pair{agreeing, width} > most) best = separator, most = {agreeing, width};
  }
  return best;
}

/// What rows have that are one field longer than the header.
enum class ExtraField : uint8_t {
  none,
  first,  ///< the names of the rows: a program may leave the name of that column out
  last,   ///< nothing: every row ends with a separator
};

ExtraField extra_field(std::string_view text, char separator, size_t width) {
  constexpr int looked_at = 30;
  std::list<std::string> unquoted;
  Problems ignored("");
  Records records(text, separator, unquoted, ignored);
  records.next();
  int rows = 0;
  bool all_empty = true;
  for (; rows < looked_at && records.next(); ++rows) {
    if (records.fields.size() != width + 1) {
      if (rows < 2) return ExtraField::none;
      break;
    }
    all_empty = all_empty && records.fields.back().empty();
  }
  return rows == 0 ? ExtraField::none : all_empty ? ExtraField::last : ExtraField::first;
}

/// Takes a line `sep=;`, quoted or not, off the text, which spreadsheets write and read.
char take_separator_line(std::string_view& text) {
  const size_t end = text.find_first_of("\r\n");
  if (end == text.npos) return '\0';
  std::string_view line = text.substr(0, end);
  if (line.size() > 1 && line.front() == '"' && line.back() == '"') line = line.substr(1, line.size() - 2);
  if (line.size() != 5 || detail::lower(line.substr(0, 4)) != "sep=") return '\0';
  text.remove_prefix(text.substr(end, 2) == "\r\n" ? end + 2 : end + 1);
  return line[4];
}

/// Copies the cells of a column, one after the other, to a buffer. In the file they lie row by row, and each look at
/// the column would fetch each of its cells from far away.
void move_together(std::vector<std::string_view>& cells, std::string& buffer) {
  size_t length = 0;
  for (const std::string_view cell : cells) length += cell.size();
  buffer.reserve(length);  // it must not move while it grows
  for (std::string_view& cell : cells) {
    const size_t begin = buffer.size();
    buffer += cell;
    cell = std::string_view(buffer).substr(begin);
  }
}
}  // namespace

void Problems::add(const std::string& where, const std::string& got, const std::string& expected,
                   const std::string& hint) {
  try {
    fail(where.empty() ? file_ : file_ + ", " + where, got, expected, hint);
  } catch (const Error& error) { add(error); }
}

void Problems::add(const Error& error) {
  if (++count_ <= most_shown) lines_.push_back(error.what());
}

void Problems::add(const Problems& others) {
  for (const std::string& line : others.lines_)
    if (lines_.size() < most_shown) lines_.push_back(line);
  count_ += others.count_;
}

void Problems::raise() const {
  if (lines_.empty()) return;
  if (count_ == 1) throw Error(lines_[0]);
  throw Error(text("[", file_, "] ", count_, " problems:\n  ", joined(lines_, "\n  "),
                   count_ > most_shown ? text("\n  ... and ", count_ - most_shown, " more") : ""));
}

std::string shown(std::string_view text) {
  std::string out = "\"";
  size_t end = std::min<size_t>(text.size(), 40);
  while (end < text.size() && static_cast<unsigned char>(text[end]) >> 6 == 2) ++end;  // no half of a character
  for (const char c : text.substr(0, end)) out += static_cast<unsigned char>(c) < ' ' || c == 127 ? '?' : c;
  return out + (end < text.size() ? "...\"" : "\"");
}

size_t TextTable::column(const std::string& name, const std::string& asked_by) const {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end() && !name.empty() && std::count(names.begin(), names.end(), name) == 1)
    return static_cast<size_t>(found - names.begin());
  std::vector<std::string> listed;
  for (size_t i = 0; i < names.size() && i < most_shown; ++i) listed.push_back(shown(names[i]));
  const std::string known =
      joined(listed) + (names.size() > most_shown ? text(", ... (", names.size(), " in all)") : "");
  if (found != names.end() && !name.empty()) fail(file, "column " + shown(name) + " twice", "it once");
  fail(file, name.empty() ? "no name for " + asked_by : text("no column ", shown(name), " for ", asked_by),
       "one of the columns " + known, "The first row names the columns.");
}

TextTable parse_csv(std::vector<uint8_t> bytes, const std::string& name, Problems& problems) {
  TextTable table;
  table.file = name;
  const auto starts_with = [&](std::initializer_list<uint8_t> mark) {
    return bytes.size() >= mark.size() && std::equal(mark.begin(), mark.end(), bytes.begin());
  };
  if (starts_with({0xff, 0xfe}) || starts_with({0xfe, 0xff}))
    fail(name, "text in UTF-16", "UTF-8",
         "Save it as \"CSV UTF-8\", or convert it: `iconv -f UTF-16 -t UTF-8 FILE > NEW.csv`.");
  if (starts_with({0xef, 0xbb, 0xbf})) bytes.erase(bytes.begin(), bytes.begin() + 3);
  if (std::find(bytes.begin(), bytes.end(), 0) != bytes.end())
    fail(name, "a byte 0 in it", "text", "Is this another kind of file? A workbook must be saved as CSV.");
  const auto view = [](const std::vector<uint8_t>& of) {
    return std::string_view(reinterpret_cast<const char*>(of.data()), of.size());
  };
  table.windows1252 = !core::is_utf8(view(bytes));
  if (table.windows1252) bytes = windows1252_to_utf8(bytes);

  std::string_view text_of = view(bytes);
  const char given = take_separator_line(text_of);
  const char separator = given != '\0' ? given : find_separator(text_of);
  table.files = {{.separator = separator}};
  std::list<std::string> unquoted;
  Records records(text_of, separator, unquoted, problems, given != '\0' ? 2 : 1);
  if (!records.next()) fail(name, "an empty file", "a header row with the names of the columns, then one sample a row");
  const int64_t header_line = records.line;
  for (std::string_view column : records.fields) {
    if (column.size() > 2 && column.front() == '\'' && column.back() == '\'')
      column = column.substr(1, column.size() - 2);
    table.names.emplace_back(column);
  }

  const ExtraField extra = extra_field(text_of, separator, table.names.size());
  if (extra == ExtraField::first) table.names.insert(table.names.begin(), "");

  table.columns.resize(table.names.size());
  while (records.next()) {
    const std::string place = text("line ", records.line);
    if (extra == ExtraField::last && records.fields.size() == table.names.size() + 1 && records.fields.back().empty())
      records.fields.pop_back();
    if (records.sound && records.fields.size() == table.names.size()) {
      for (size_t c = 0; c < table.names.size(); ++c) table.columns[c].push_back(records.fields[c]);
      table.places.push_back(place);
    } else if (records.sound) {
      problems.add(place, text(records.fields.size(), " fields"), text(table.names.size(), ", as in the header"),
                   "A field with a separator in it must be quoted.");
    }
  }
  if (table.rows() == 0 && problems.empty())
    problems.add(text("line ", header_line), "a header and no rows", "one sample a row");
  for (auto& cells : table.columns) move_together(cells, table.buffers.emplace_back());
  return table;
}

void TextTable::append(TextTable other, Problems& problems, const std::vector<std::string>& may_lack) {
  for (size_t c = 0; c < names.size(); ++c) {
    const auto found = std::find(other.names.begin(), other.names.end(), names[c]);
    if (found == other.names.end()) {
      if (std::ranges::find(may_lack, names[c]) != may_lack.end())
        columns[c].resize(columns[c].size() + other.places.size(), "");
      else
        problems.add(other.file, "no column " + shown(names[c]), "the columns of " + file);
      continue;
    }
    const auto& more = other.columns[static_cast<size_t>(found - other.names.begin())];
    columns[c].insert(columns[c].end(), more.begin(), more.end());
  }
  for (const File& own : other.files) {
    files.push_back(own);
    files.back().first_row += rows();
  }
  for (const std::string& place : other.places) places.push_back(other.file + ", " + place);
  buffers.splice(buffers.end(), other.buffers);
}

}  // namespace minima::datasets
