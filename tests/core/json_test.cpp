// JSON text: what is read, what is written, and what is refused.
#include "core/json.h"

#include "tests/check.h"

using minima::detail::Json;
using minima::detail::JsonError;
using minima::detail::quoted_json;

namespace {

Json parse(const std::string& text) { return minima::detail::parse_json(text.data(), text.size(), 3); }

/// Where a text is refused and why, as "offset: problem".
std::string refusal_of(const std::string& text) {
  try {
    parse(text);
  } catch (const JsonError& error) { return std::to_string(error.offset) + ": " + error.what(); }
  return "read";
}

}  // namespace

TEST_CASE("JSON is read as a tree: members in their order, values as they were written") {
  const Json value = parse(" {\"a\" : [1, -2.50e+3, true, null], \"b\": {\"c\":\"text\"}} \n");
  REQUIRE(value.kind == Json::object);
  REQUIRE(value.members.size() == 2);
  const Json& array = value.members[0].second;
  REQUIRE(array.members.size() == 4);
  CHECK(array.text == "[1, -2.50e+3, true, null]");
  CHECK(array.members[1].second.text == "-2.50e+3");
  CHECK(std::string(array.members[2].second.type_name()) == "boolean");
  CHECK(std::string(array.members[3].second.type_name()) == "null");
  REQUIRE(value.find("b") != nullptr);
  CHECK(value.find("b")->find("c")->text == "text");
  CHECK(value.find("c") == nullptr);
}

TEST_CASE("escapes in JSON strings are read as the characters they stand for") {
  CHECK(parse(R"("\"\\\/\b\f\n\r\t")").text == "\"\\/\b\f\n\r\t");
  CHECK(parse(R"("\u0041\u00e9\u20AC\ud83d\ude00")").text == "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
}

TEST_CASE("any UTF-8 text comes back from its JSON, and other bytes are refused") {
  std::string all;
  for (char c = 0; c >= 0 && c < 127; ++c) all += c;
  all += "\x7f\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
  CHECK(parse(quoted_json(all)).text == all);
  for (const char* bytes : {"\xff", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80"}) {
    CHECK_THROWS_AS(quoted_json(bytes), JsonError);
    CHECK(refusal_of('"' + std::string(bytes) + '"').substr(0, 9) == "1: a byte");
  }
}

TEST_CASE("text that is not JSON is refused with the place and the reason") {
  for (const auto& [text, reason] : {std::pair{"", "0: no value"},
                                     {"{\"a\":1,}", "7: no string"},
                                     {"[1,]", "3: no value"},
                                     {"[1", "2: no ']'"},
                                     {"{\"a\" 1}", "5: no ':'"},
                                     {"01", "1: something after the end"},
                                     {"1.", "2: no value"},
                                     {"-", "1: no value"},
                                     {"+1", "0: no value"},
                                     {"tru", "0: no value"},
                                     {"'a'", "0: no value"},
                                     {"\"a", "2: a string without an end"},
                                     {"\"\n\"", "1: a byte that no string may have"},
                                     {R"("\x")", "2: an unknown escape"},
                                     {R"("\u12g4")", "5: an unknown escape"},
                                     {R"("\ud800")", "7: half a character"},
                                     {R"("\udc00")", "7: half a character"},
                                     {R"({"a":1,"a":2})", "10: the key \"a\" twice"},
                                     {"[[[[1]]]]", "4: values nested too deep"},
                                     {"1 2", "2: something after the end"}})
    CHECK_MESSAGE(refusal_of(text) == reason, text);
}
