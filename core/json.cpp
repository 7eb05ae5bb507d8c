#include "core/json.h"

#include <cstdint>
#include <set>

namespace minima::detail {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The bytes of the UTF-8 character at `at`; 0 where there is none (RFC 3629: no overlong form, no surrogate).
size_t character_size(const char* at, const char* end) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(at[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const size_t size = first >= 0xc2 && first <= 0xdf ? 2 : first >= 0xe0 && first <= 0xef ? 3 : 4;
  if (first < 0xc2 || first > 0xf4 || static_cast<size_t>(end - at) < size) return 0;
  for (size_t i = 1; i < size; ++i)
    if (byte(i) < 0x80 || byte(i) > 0xbf) return 0;
  if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f)) return 0;
  if ((first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f)) return 0;
  return size;
}

void append_utf8(std::string& out, uint32_t code) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | (code >> shift & 0x3f)); };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6), tail(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | code >> 12), tail(6), tail(0);
  } else {
    out += static_cast<char>(0xf0 | code >> 18), tail(12), tail(6), tail(0);
  }
}

class Parser {
 public:
  Parser(const char* bytes, size_t size) : begin_(bytes), at_(bytes), end_(bytes + size) {}

  Json whole(int depth) {
    Json value = read_value(depth);
    skip_blanks();
    if (at_ != end_) refuse("something after the end");
    return value;
  }

 private:
  [[noreturn]] void refuse(const std::string& problem) const {
    throw JsonError(static_cast<size_t>(at_ - begin_), problem);
  }

  void skip_blanks() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\t' || *at_ == '\n' || *at_ == '\r')) ++at_;
  }

  bool take(char c) {
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }
  void need(char c) {
    skip_blanks();
    if (!take(c)) refuse(std::string("no '") + c + "'");
  }
  bool take_word(const std::string& word) {
    if (static_cast<size_t>(end_ - at_) < word.size() || word.compare(0, word.size(), at_, word.size()) != 0)
      return false;
    at_ += word.size();
    return true;
  }

  Json read_value(int depth) {
    skip_blanks();
    const char* start = at_;
    Json value;
    if (take('{') || take('[')) {
      if (depth == 0) refuse("values nested too deep");
      value.kind = *start == '{' ? Json::object : Json::array;
      read_members(value, depth - 1);
    } else if (at_ != end_ && *at_ == '"') {
      value.kind = Json::string;
      value.text = read_string();
      return value;
    } else if (take_word("true") || take_word("false")) {
      value.kind = Json::boolean;
    } else if (!take_word("null")) {
      value.kind = Json::number;
      read_number();
    }
    value.text.assign(start, at_);
    return value;
  }

  void read_members(Json& parent, int depth) {
    const bool named = parent.kind == Json::object;
    const char close = named ? '}' : ']';
    std::set<std::string> names;
    skip_blanks();
    if (take(close)) return;
    do {
      std::string name;
      if (named) {
        skip_blanks();
        name = read_string();
        if (!names.insert(name).second) refuse("the key \"" + name + "\" twice");
        need(':');
      }
      parent.members.emplace_back(std::move(name), read_value(depth));
      skip_blanks();
    } while (take(','));
    need(close);
  }

  void read_digits() {
    if (at_ == end_ || !is_digit(*at_)) refuse("no value");
    while (at_ != end_ && is_digit(*at_)) ++at_;
  }
  void read_number() {
    take('-');
    if (!take('0')) read_digits();
    if (take('.')) read_digits();
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      read_digits();
    }
  }

  std::string read_string() {
    if (!take('"')) refuse("no string");
    std::string out;
    while (true) {
      if (at_ == end_) refuse("a string without an end");
      if (take('"')) return out;
      if (take('\\')) {
        read_escape(out);
        continue;
      }
      const size_t size = character_size(at_, end_);
      if (size == 0 || static_cast<unsigned char>(*at_) < 0x20) refuse("a byte that no string may have");
      out.append(at_, size);
      at_ += size;
    }
  }

  void read_escape(std::string& out) {
    static const std::string letters = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
    const size_t known = at_ == end_ ? std::string::npos : letters.find(*at_);
    if (known != std::string::npos) {
      ++at_;
      out += meanings[known];
      return;
    }
    uint32_t code = read_unicode();
    if (code >= 0xd800 && code < 0xdc00) {  // the first half of a pair
      if (!take('\\')) refuse("half a character");
      const uint32_t second = read_unicode();
      if (second < 0xdc00 || second > 0xdfff) refuse("half a character");
      code = 0x10000 + ((code - 0xd800) << 10) + (second - 0xdc00);
    } else if (code >= 0xdc00 && code < 0xe000) {
      refuse("half a character");
    }
    append_utf8(out, code);
  }

  uint32_t read_unicode() {
    if (!take('u')) refuse("an unknown escape");
    uint32_t code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      static const std::string digits = "0123456789abcdef";
      const char c = at_ == end_ ? ' ' : *at_ >= 'A' && *at_ <= 'F' ? static_cast<char>(*at_ - 'A' + 'a') : *at_;
      const size_t digit = digits.find(c);
      if (digit == std::string::npos) refuse("an unknown escape");
      code = code << 4 | static_cast<uint32_t>(digit);
    }
    return code;
  }

  const char* begin_;
  const char* at_;
  const char* end_;
};

}  // namespace

const Json* Json::find(const std::string& name) const {
  for (const auto& [key, value] : members)
    if (key == name) return &value;
  return nullptr;
}

const char* Json::type_name() const {
  static const char* const names[] = {"null", "boolean", "number", "string", "array", "object"};
  return names[kind];
}

Json parse_json(const char* bytes, size_t size, int depth) { return Parser(bytes, size).whole(depth); }

std::string quoted_json(const std::string& text) {
  static const char digits[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char *at = text.data(), *end = at + text.size(); at != end;) {
    const size_t size = character_size(at, end);
    if (size == 0) throw JsonError(static_cast<size_t>(at - text.data()), "a byte that is not UTF-8");
    const auto byte = static_cast<unsigned char>(*at);
    if (byte < 0x20)
      out += {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15]};
    else
      out += *at == '"' || *at == '\\' ? "\\" : "", out.append(at, size);
    at += size;
  }
  return out + '"';
}

}  // namespace minima::detail
