// CSV: the cells that are read from tables as programs write them, and every way in which a file can be wrong.
#include "datasets/csv.h"

#include "datasets/cells.h"
#include "tests/check.h"
#include "tests/datasets/files_for_tests.h"

using namespace minima;
using namespace minima::datasets;

namespace {

TextTable parse(const std::string& bytes) {
  Problems problems("it.csv");
  TextTable table = parse_csv({bytes.begin(), bytes.end()}, "it.csv", problems);
  problems.raise();
  return table;
}

/// "a|b / 1|2": names, then rows.
std::string cells(const TextTable& table) {
  std::string out = joined(table.names, "|");
  for (int64_t row = 0; row < table.rows(); ++row) {
    std::vector<std::string> fields;
    for (const auto& column : table.columns) fields.emplace_back(column[static_cast<size_t>(row)]);
    out += " / " + joined(fields, "|");
  }
  return out;
}

}  // namespace

TEST_CASE("commas, semicolons, tabs, bars and spaces between fields are found out") {
  for (const char* bytes : {"a,b\n1,2\n3,4\n", "a;b\n1;2\n3;4\n", "a\tb\n1\t2\n3\t4\n", "a|b\n1|2\n3|4\n",
                            "a b\n1 2\n3 4\n", "  a    b \n 1    2\n 3    4  \n"})
    CHECK(cells(parse(bytes)) == "a|b / 1|2 / 3|4");
  CHECK(cells(parse("a;b\n1,5;2\n3,25;4\n")) == "a|b / 1,5|2 / 3,25|4");  // more commas than semicolons
  CHECK(cells(parse("name,b\nhere and there,2\nx,\"4;5\"\n")) == "name|b / here and there|2 / x|4;5");
  CHECK(cells(parse("a;b,c\n1;2,3\n")) == "a;b|c / 1;2|3");
  CHECK(cells(parse("a\nx y\nz w\n")) == "a / x y / z w");  // one column: nothing separates
}

TEST_CASE("a line sep= names the separator and is no row") {
  for (const char* line : {"sep=;\n", "SEP=;\n", "\"sep=;\"\n"})
    CHECK(cells(parse(line + std::string("a;b,c\n1;2\n"))) == "a|b,c / 1|2");
  const TextTable table = parse("sep=|\r\na|b\r\n1|2\r\n");
  CHECK(cells(table) == "a|b / 1|2");
  CHECK(table.places[0] == "line 3");
  CHECK_ERROR(parse("sep=;\na;b\n1;\"p\"q\n"), "line 3] got text after the closing quote");
}

TEST_CASE("quotes, CR LF and CR line ends, a byte order mark, blank lines and a missing last newline are understood") {
  for (const std::string& bytes :
       {std::string("\"a\",\"the b\"\r\n\"1\",\"p\"\r\n2,q\r\n"), std::string("a,the b\r1,p\r2,q"),
        std::string("\xef\xbb\xbf"
                    "a,the b\n1,p\n\n2,q\n\n"),
        std::string(" a , the b \n 1 ,p\t\n2, q"), std::string("a, \"the b\" \n1 ,\"p\"\n2,  \"q\"")})
    CHECK(cells(parse(bytes)) == "a|the b / 1|p / 2|q");
  CHECK(cells(parse("x,y\n1,\"a, \"\"b\"\"\nc\"\n2,d\n")) == "x|y / 1|a, \"b\"\nc / 2|d");
  CHECK(cells(parse("x,y\n1,\" up \"\n2,up\n")) == "x|y / 1|up / 2|up");
  CHECK(parse("x,y\n1,\"a\nb\"\n2,d\n").places[1] == "line 4");
}

TEST_CASE("a header that leaves out the name of the first column, and names in single quotes") {
  CHECK(cells(parse("a,b\nr1,1,2\nr2,3,4\n")) == "|a|b / r1|1|2 / r2|3|4");
  CHECK(cells(parse("'a'\t'b'\n1\t2\n")) == "a|b / 1|2");
}

TEST_CASE("rows that end with a separator, which the header does not, have no field there") {
  CHECK(cells(parse("a,b\n1,2,\n3,4,\n")) == "a|b / 1|2 / 3|4");
  CHECK(cells(parse("a,b\n1,2,\n")) == "a|b / 1|2");
  CHECK(cells(parse("a;b\n1;2;\n3;4;\n5;6\n")) == "a|b / 1|2 / 3|4 / 5|6");
  CHECK(cells(parse("a,b\n1,2,\nr2,3,4\n")) == "|a|b / 1|2| / r2|3|4");  // names of rows, and a missing value
}

TEST_CASE("text that is not UTF-8 is read as Windows-1252") {
  const TextTable table = parse(
      "stra\xdf"
      "e,b\nM\xfcnchen,2\n");
  CHECK(table.windows1252);
  CHECK(cells(table) == "straße|b / München|2");
  CHECK(cells(parse("price,b\n12.50 \x80,it\x92s\n1 \x96 2,\x8d\xff\n")) ==
        "price|b / 12.50 €|it’s / 1 – 2|\xc2\x8d\xc3\xbf");  // 0x8d is nothing, and stays
  CHECK(cells(parse("price;b\n12,50 \x80;2\n")) == "price|b / 12,50 €|2");
  CHECK_FALSE(parse("straße,b\nMünchen,2\n").windows1252);
  CHECK(parse("a,b\n\xc0\x80,2\n").windows1252);      // an overlong form
  CHECK(parse("a,b\n\xed\xa0\x80,2\n").windows1252);  // a surrogate
}

TEST_CASE("a CSV file that is wrong is refused with its file, line, and what to do") {
  struct Case {
    std::string bytes;
    std::vector<std::string> parts;
  };
  const std::vector<Case> cases = {
      {"", {"[it.csv] got an empty file", "a header row"}},
      {"\n\n", {"an empty file"}},
      {"a,y\n", {"a header and no rows", "one sample a row"}},
      {"a,y\n1,p\n2,q,3\n", {"it.csv, line 3", "got 3 fields, expected 2, as in the header"}},
      {"a,y\n1,p\n\n2\n", {"it.csv, line 4", "got 1 fields, expected 2"}},
      {"a,y\n1,\"p\n2,q\n", {"line 2", "a quote that is never closed"}},
      {"a,y\n1,\"p\" q\n", {"line 2", "text after the closing quote of \"p\"", "written twice"}},
      {"a,y\n1,\"" + std::string(100, 'z') + "\" q\n", {"\"zzz", "...\""}},
      {std::string("\xff\xfe"
                   "a\0,\0",
                   6),
       {"[it.csv] got text in UTF-16", "iconv -f UTF-16"}},
      {std::string("PK\x03\x04\0\0", 6), {"[it.csv] got a byte 0", "saved as CSV"}},
  };
  for (const Case& c : cases) {
    const std::string message = test::error_of([&] { parse(c.bytes); });
    for (const std::string& part : c.parts)
      CHECK_MESSAGE(test::contains(message, part), "expected \"" << part << "\" in: " << message);
  }
}

TEST_CASE("all problems of a file are in one message, the first twenty in words") {
  std::string bytes = "a,y\n1\n2,p\n3,\"q\" x\n4,r,s\n";
  const std::string message = test::error_of([&] { parse(bytes); });
  for (const char* part :
       {"[it.csv] 3 problems", "line 2] got 1 fields", "line 4] got text after", "line 5] got 3 fields"})
    CHECK_MESSAGE(test::contains(message, part), message);
  for (int i = 0; i < 30; ++i) bytes += "1,2,3\n";
  CHECK(test::contains(test::error_of([&] { parse(bytes); }), "[it.csv] 33 problems"));
  CHECK(test::contains(test::error_of([&] { parse(bytes); }), "... and 13 more"));
}

TEST_CASE("a damaged CSV file is read or refused and never crashes") {
  const std::string valid =
      "\xef\xbb\xbf"
      "a,\"y\",b\r\n1.5,\"p \"\"q\"\"\",2\r\n-3e2,r,4\n\n5,r,6\n7,\"p \"\"q\"\"\",8";
  CHECK(test::accepted_damage(valid, 8000, "\",;\n\r0.e-\t", [](const std::string& bytes) {
          const TextTable table = parse(bytes);
          for (const auto& column : table.columns) CHECK(column.size() == static_cast<size_t>(table.rows()));
        }) > 0);
}

TEST_CASE("a number too small for a double is 0, one too large for a float is none") {
  using datasets::detail::number_in;
  for (const std::string& cell : std::vector<std::string>{"1e-400", "-3.5E-999", "0." + std::string(400, '0') + "1"})
    CHECK_MESSAGE(number_in(cell, {}) == 0.0, cell);
  for (const char* cell : {"1e400", "1e39", "inf", "nan"}) CHECK_MESSAGE(!number_in(cell, {}), cell);
}
